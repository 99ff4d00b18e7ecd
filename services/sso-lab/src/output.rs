//! What the commands write to standard output and standard error.

use std::{fmt::Display, process::ExitCode};

/// Prints `text` on a line of the standard output.
#[expect(clippy::print_stdout, reason = "the output of the command")]
pub(crate) fn print(text: impl Display) {
    println!("{text}");
}

/// Prints an error on a line of the standard error.
#[expect(clippy::print_stderr, reason = "one clear line on failure")]
pub(crate) fn complain(why: impl Display) {
    eprintln!("sso-lab: {why}");
}

/// The exit code of a command: 0, or 1 after a line that says why it failed.
pub(crate) fn exit_code(result: Result<(), impl Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(why);
            ExitCode::FAILURE
        }
    }
}
