//! Writes what was measured into docs/sessions.md. `--check` only compares.

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
    if docs::is_current()? {
        return Ok(());
    }
    Err(io::Error::other(
        "docs/sessions.md does not say what tools/bench/results has: run scripts/bench docs",
    ))
}
