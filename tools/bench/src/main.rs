//! Writes the stored figures into the documentation. `--check` only compares them.

use std::{env, io, process::ExitCode};

use bench::docs;

fn main() -> ExitCode {
    let outcome = match env::args().nth(1).as_deref() {
        None => docs::write(),
        Some("--check") => check(),
        Some(other) => Err(io::Error::other(format!("unknown flag {other}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a program for a terminal")]
            {
                eprintln!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn check() -> io::Result<()> {
    let outdated = docs::outdated()?;
    if outdated.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "differ from tools/bench/results: {} in docs/; run scripts/bench docs",
        outdated.join(", ")
    )))
}
