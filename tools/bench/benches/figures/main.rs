//! Measurements with the real programs: what calls cost (`calls`), each way by
//! which an app gets a credential (`credentials`), introspection (`introspection`), mTLS
//! (`mtls`), the live diagram under load (`journeys`), and how much memory the programs take
//! (`memory`). `scripts/bench` runs it.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for a terminal, which ends where it cannot go on"
)]

mod calls;
mod cpu;
mod credentials;
mod journeys;
mod lab;
mod latency;
mod machine;
mod memory;
mod programs;

use clap::{Parser, Subcommand};

/// Measures the figures of the documentation.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// `cargo bench` gives it
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    Calls(calls::Args),
    Credentials(credentials::Args),
    Introspection(latency::Args),
    Journeys(journeys::Args),
    Memory,
    Mtls(latency::Args),
}

#[tokio::main]
async fn main() {
    match kit::config::parse_args::<Args>().what {
        What::Calls(args) => calls::run(args).await,
        What::Credentials(args) => credentials::run(args).await,
        What::Introspection(args) => latency::introspection::run(&args).await,
        What::Journeys(args) => journeys::run(&args).await,
        What::Memory => memory::run().await,
        What::Mtls(args) => latency::mtls::run(&args).await,
    }
}
