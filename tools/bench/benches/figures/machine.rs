//! When and where figures are measured.

use std::{fs, process::Command, thread::available_parallelism};

use bench::results::Machine;

/// Today, on this machine.
pub fn today() -> Machine {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    };
    Machine {
        date: said("date", &["-u", "+%F"]),
        processor: cpus.lines().find_map(named).unwrap_or_default(),
        cores: available_parallelism().map_or(1, usize::from),
    }
}

/// The first line of what `program` prints, on either output: name and version.
pub fn said(program: &str, flags: &[&str]) -> String {
    let output = Command::new(program).args(flags).output();
    let output = output.expect("the program is installed");
    let all = [output.stdout, output.stderr].concat();
    let all = String::from_utf8_lossy(&all);
    let line = all.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("nginx version: ");
    let words: Vec<_> = line.split_whitespace().take(3).collect();
    words.join(" ")
}
