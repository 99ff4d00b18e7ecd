//! The figures of docs/introspection.md and docs/mtls.md: how long calls and connections
//! take, and their CPU time.

use std::{fmt::Write as _, io};

use crate::results::{self, Latencies};

/// The table of docs/introspection.md, from the stored figures.
pub fn introspection() -> io::Result<String> {
    Ok(of_latencies(&results::read("introspection")?))
}

/// The table of docs/mtls.md, from the stored figures.
pub fn mtls() -> io::Result<String> {
    Ok(of_latencies(&results::read("mtls")?))
}

/// The table of a run.
pub fn of_latencies(figures: &Latencies) -> String {
    let Latencies {
        machine,
        profile,
        rounds,
        calls,
        connects,
        rows,
    } = figures;
    let connects = connects.map_or_else(String::new, |count| format!(" or {count} connections"));
    let mut text = format!(
        "{machine} with all services in one process (build profile `{profile}`), over loopback, one at a time. Medians of {rounds} rounds of {calls} calls (`GET /whoami`, on one connection){connects}; the range is that of the rounds. CPU time is that of the process, so of all services that took part.\n\n| | time | range | CPU time |\n|---|---|---|---|\n"
    );
    for row in rows {
        let (least, most) = row.range;
        let _ = writeln!(
            text,
            "| {} | {:.0} µs | {least:.0} to {most:.0} µs | {:.0} µs |",
            row.name, row.micros, row.cpu_micros
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Latency, Machine};

    #[test]
    fn each_case_is_a_row_and_connections_are_told_where_there_are_some() {
        let row = Latency {
            name: "a call".to_owned(),
            micros: 99.6,
            range: (90.0, 120.4),
            cpu_micros: 41.2,
        };
        let machine = Machine {
            date: "2026-11-29".to_owned(),
            processor: "A CPU".to_owned(),
            cores: 2,
        };
        let mut figures = Latencies {
            machine,
            profile: "dist".to_owned(),
            rounds: 7,
            calls: 2000,
            connects: None,
            rows: vec![row],
        };
        let text = of_latencies(&figures);
        let line = "| a call | 100 µs | 90 to 120 µs | 41 µs |\n";
        assert!(text.ends_with(line), "{text}");
        assert!(!text.contains("connections"), "{text}");
        figures.connects = Some(300);
        assert!(of_latencies(&figures).contains("300 connections"));
    }
}
