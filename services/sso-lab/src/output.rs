//! What the commands write to standard output and standard error.

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

/// Prints `text` on a line of the standard output. If its reader has gone, as in
/// `sso-lab check | head`, the command goes on, and its exit code still tells the result.
pub(crate) fn print(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
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

/// `rows` as lines, each column as wide as its longest cell.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|at| width(at).unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
