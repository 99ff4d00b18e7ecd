//! `sso-lab keys lab`: the key with which a lab's services are controlled.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use kit::{
    config::{Problems, refuse, secret_length},
    journey::{JourneyKeys, MIN_SECRET},
};

use crate::output::print;

const SECRET: &str = "LAB_SECRET";

/// The lab's secret.
#[derive(Args, Debug)]
pub struct LabKeyArgs {
    /// Secret that the lab shares with all services
    #[arg(
        long,
        env = "LAB_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    lab_secret: Option<String>,
    /// File that holds LAB_SECRET
    #[arg(long, env = "LAB_SECRET_FILE", value_name = "FILE")]
    lab_secret_file: Option<PathBuf>,
}

/// Prints the key.
pub(super) fn run(args: &LabKeyArgs) -> ExitCode {
    let mut problems = Problems::new();
    let file = args.lab_secret_file.as_deref();
    let secret = problems.secret(SECRET, args.lab_secret.as_deref(), file);
    let secret = secret.filter(|secret| secret_length(secret) >= MIN_SECRET);
    let Some(secret) = secret else {
        let what = format_args!("the lab's secret is expected, {MIN_SECRET} characters or more");
        problems.add(SECRET, what);
        return refuse("sso-lab keys lab", &problems);
    };
    print(JourneyKeys::new(&secret, "").control_key());
    ExitCode::SUCCESS
}
