//! `sso-lab check`: runs a user's flows against a deployment, from outside and
//! over HTTP, and prints the outcome of each step.
//!
//! `services`, `provider`, `signed_out`, `apis`, `machine`, `opaque`, `signed_answer`,
//! `jwt_bearer`, `dpop`, `mtls`, `identity` and `api_key` need no
//! password; `user_flows` needs that of a user. `run` runs the steps.

mod api_key;
mod apis;
mod args;
mod browser;
mod dpop;
mod identity;
mod jwt_bearer;
mod machine;
mod mtls;
mod opaque;
mod outcome;
mod provider;
mod run;
mod secret_args;
mod services;
mod signed_answer;
mod signed_out;
mod user_flows;

use std::process::ExitCode;

pub use args::CheckArgs;
use kit::config::{Problems, Site, refuse};

use self::{args::Plan, run::Run};

/// The apps.
const APPS: [Site; 2] = [Site::App1, Site::App2];
/// The APIs.
const APIS: [Site; 2] = [Site::Api1, Site::Api2];

/// Runs the check. The exit code is 0, 1 if a step has failed, or 2 for bad arguments.
pub async fn run(args: &CheckArgs) -> ExitCode {
    let mut problems = Problems::new();
    let plan = match args.read(&mut problems) {
        Some(plan) if problems.is_empty() => plan,
        _ => return refuse("sso-lab", &problems),
    };
    if run_all(&plan).await {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs all steps. Returns whether none has failed.
async fn run_all(plan: &Plan) -> bool {
    let mut run = Run::new(plan.as_json, plan.transport.timeout);
    services::check(&mut run, plan).await;
    let metadata = provider::check(&mut run, plan).await;
    let token_endpoint = metadata["token_endpoint"].as_str().unwrap_or_default();
    apis::check(&mut run, plan).await;
    machine::check(&mut run, plan, token_endpoint).await;
    opaque::check(&mut run, plan, token_endpoint).await;
    signed_answer::check(&mut run, plan, &metadata).await;
    jwt_bearer::check(&mut run, plan, token_endpoint).await;
    dpop::check(&mut run, plan, token_endpoint).await;
    mtls::check(&mut run, plan, &metadata).await;
    identity::check(&mut run, plan, &metadata).await;
    api_key::check(&mut run, plan).await;
    let mut about = Vec::new();
    for app in APPS {
        about.push(signed_out::check(&mut run, plan, app).await);
    }
    let left = match &plan.user {
        None => {
            run.skip(
                "the flows of a signed-in user",
                "no password given (--password-file)",
            );
            String::new()
        }
        Some(user) => {
            let about = [about.remove(0), about.remove(0)];
            user_flows::check(&mut run, plan, user, &about).await
        }
    };
    run.end(&left)
}

/// The step that says whether `site` is ready.
fn ready(site: Site) -> String {
    format!("{} is alive and ready", site.label())
}
