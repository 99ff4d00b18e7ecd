//! The figures of docs/lab.md: the live diagram under load.

use std::{fmt::Write as _, io};

use crate::results::{self, Journeys};

/// A shorter run is no measurement.
const WHOLE: u64 = 60;

/// The table, from the stored figures.
pub fn table() -> io::Result<String> {
    Ok(of_journeys(&results::read("journeys")?))
}

/// The table of a run.
pub fn of_journeys(figures: &Journeys) -> String {
    let Journeys {
        machine,
        profile,
        journeys,
        seconds,
        rate,
        runs,
    } = figures;
    let mut text = format!(
        "{machine} (build profile `{profile}`), for {seconds} seconds: {rate} sign-ins a second were asked for, in {journeys} journeys. The separate processes use Redis and deliver their spans to the lab over loopback.\n\n"
    );
    if *seconds < WHOLE || profile != "dist" {
        text.push_str(
            "**A short trial on a machine with other work: these figures are not final.**\n\n",
        );
    }
    text.push_str("| deployment | sign-ins | in a second | steps | of each sign-in, without stores | lost | delay: half within | 99 % within | latest |\n|---|---|---|---|---|---|---|---|---|\n");
    for run in runs {
        let delays = run.delays;
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {} | {} | {} | {:.0} ms | {:.0} ms | {:.0} ms |",
            run.name,
            run.sign_ins,
            run.rate,
            run.steps,
            run.steps_of_sign_in,
            run.lost,
            delays.p50_ms,
            delays.p99_ms,
            delays.max_ms
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Delays, JourneyRun, Machine};

    #[test]
    fn a_short_run_says_that_it_is_not_final() {
        let machine = Machine {
            date: "2026-11-29".to_owned(),
            processor: "A CPU".to_owned(),
            cores: 2,
        };
        let run = JourneyRun {
            name: "one process".to_owned(),
            sign_ins: 600,
            rate: 9.96,
            steps: 21_000,
            steps_of_sign_in: 14,
            lost: 0,
            delays: Delays {
                p50_ms: 1.2,
                p99_ms: 20.6,
                max_ms: 61.0,
            },
        };
        let mut figures = Journeys {
            machine,
            profile: "dist".to_owned(),
            journeys: 5,
            seconds: 60,
            rate: 10,
            runs: vec![run],
        };
        let text = of_journeys(&figures);
        let row = "| one process | 600 | 10.0 | 21000 | 14 | 0 | 1 ms | 21 ms | 61 ms |\n";
        assert!(text.ends_with(row), "{text}");
        assert!(!text.contains("not final"), "{text}");
        figures.seconds = 15;
        assert!(of_journeys(&figures).contains("not final"));
        figures.seconds = 60;
        figures.profile = "debug".to_owned();
        assert!(of_journeys(&figures).contains("not final"));
    }
}
