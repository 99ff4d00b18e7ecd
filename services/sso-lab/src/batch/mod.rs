//! `sso-lab batch`: works through a list of orders as a program, for itself (the client
//! credentials grant, RFC 6749 §4.4; also by a certificate, RFC 8705) or, with a key of
//! its own, for a user whom it may name (the JWT bearer grant, RFC 7523 §2.1). API-1 takes
//! orders over HTTP, API-2 reservations over gRPC.
//!
//! An order is repeated only if nothing was done: neither API can tell a repeat from a
//! second order.

mod apis;
mod args;
mod key_client;
mod mtls_client;
mod orders;
mod outcome;
mod pace;
mod report;
mod tokens;
mod work;

pub(crate) use args::{BatchArgs, BatchClient, ClientCredentials, ClientCredentialsArgs};
pub(crate) use key_client::{DEMO_ID, KeyArgs, KeyClient};
pub(crate) use mtls_client::{DEMO_ID as MTLS_DEMO_ID, MtlsArgs, MtlsClient};

use std::process::ExitCode;

use indicatif::ProgressBar;
use kit::config::{Problems, refuse};
use tokio_util::sync::CancellationToken;

use self::{args::Plan, report::Report, work::Work};
use crate::{client::Provider, output::complain};

/// The exit code after a second Ctrl-C, as a shell has it for SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// Does it: 0, 1 when an order has failed, 2 for bad arguments.
pub(crate) async fn run(args: &BatchArgs) -> ExitCode {
    let mut problems = Problems::new();
    let plan = match args.read(&mut problems) {
        Some(plan) if problems.is_empty() => plan,
        _ => return refuse("sso-lab", &problems),
    };
    let journey = plan.deployment.journey.clone();
    journey.run(Box::pin(discover_and_play(plan))).await
}

async fn discover_and_play(plan: Plan) -> ExitCode {
    let provider = match Provider::discover(plan.deployment.issuer.clone()).await {
        Ok(provider) => provider,
        Err(error) => {
            complain(error);
            return ExitCode::FAILURE;
        }
    };
    if play(plan, &provider).await {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether every order is done.
async fn play(plan: Plan, provider: &Provider) -> bool {
    let stop = CancellationToken::new();
    let mut report = Report::begin(plan.as_json, plan.total);
    tokio::spawn(stop_on_interrupt(stop.clone(), report.bar()));
    let orders = orders::stream(plan.source, plan.concurrency);
    let work = Work::new(
        &plan.deployment,
        &plan.api2_grpc,
        plan.tries,
        provider,
        &plan.client,
    );
    let work = match work {
        Ok(work) => work.stopped_by(stop),
        Err(why) => {
            complain(why);
            return false;
        }
    };
    let stopped = work
        .through(orders, plan.concurrency, |worked| report.add(worked))
        .await;
    report.end(stopped.as_deref())
}

/// Ctrl-C lets the orders in flight end; a second one ends the process.
async fn stop_on_interrupt(stop: CancellationToken, bar: ProgressBar) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
        bar.suspend(|| complain("interrupted: waiting for the orders in flight"));
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(EXIT_INTERRUPTED);
        }
    }
}
