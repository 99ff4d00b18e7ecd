//! The figures of docs/operations.md: how much memory each program takes.

use std::{fmt::Write as _, io};

use crate::results::{self, Memory, Resident};

/// The table, from the stored figures.
pub fn tables() -> io::Result<String> {
    Ok(of_memory(&results::read("memory")?))
}

/// The table of a run of `scripts/bench memory`.
pub fn of_memory(memory: &Memory) -> String {
    let Memory {
        machine,
        sign_ins,
        calls,
        programs,
    } = memory;
    let mut text = format!(
        "{machine}. Resident memory (RSS) in MB of 10^6 bytes, and its part that no file backs (heap and stacks): five seconds after the start, and one minute after {sign_ins} sign-ins at both apps and {calls} calls at each app.\n\n\
         | program | records in | RSS at the start | of it heap and stacks | RSS after the work | of it heap and stacks |\n|---|---|---|---|---|---|\n"
    );
    for program in programs {
        let Resident { all, anonymous } = program.at_start;
        let _ = writeln!(
            text,
            "| `{}` | {} | {all:.1} | {anonymous:.1} | {:.1} | {:.1} |",
            program.name, program.store, program.after_work.all, program.after_work.anonymous
        );
    }
    text
}
