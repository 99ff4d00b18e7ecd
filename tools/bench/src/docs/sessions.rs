//! The figures of docs/sessions.md: what a call costs in each session mode.

use std::{fmt::Write as _, io};

use crate::results::{self, Calls, MODES, Mode, Revocation};

/// Access tokens live for 15 minutes: a session in use renews them four times an hour.
const RENEWALS_AN_HOUR: f64 = 4.0;
/// The cost of a login is spread over a working day.
const HOURS_A_LOGIN: f64 = 8.0;

/// All tables, from the stored figures.
pub fn tables() -> io::Result<String> {
    let calls: Calls = results::read("calls")?;
    let revocations = ["stateful", "cached"].map(|mode| {
        let name = format!("revocation-{mode}");
        results::read::<Revocation>(&name)
    });
    let mut text = of_calls(&calls);
    text.push('\n');
    for read in revocations {
        let Revocation {
            mode,
            revocations,
            p50_ms,
            p99_ms,
        } = read?;
        let _ = writeln!(
            text,
            "- `{mode}`: after a session ended at one replica, the other replica refused it within {p50_ms:.1} ms (median) and {p99_ms:.1} ms (99th percentile), in {revocations} revocations."
        );
    }
    Ok(text)
}

/// The tables of a run of `scripts/bench calls`.
pub fn of_calls(calls: &Calls) -> String {
    let run = &calls.run;
    let mut text = format!(
        "{} with {}. Medians of {} rounds of {} s with {} connections and one worker.\n\n",
        run.machine,
        run.versions.join(", "),
        run.rounds,
        run.seconds,
        run.connections
    );
    speeds(calls, &mut text);
    costs(calls, &mut text);
    text.push('\n');
    if let Some(hybrid) = calls.modes.get("hybrid") {
        for other in ["stateful", "cached"] {
            if let Some(mode) = calls.modes.get(other) {
                let _ = writeln!(text, "- {}", verdict(other, pays_from(hybrid, mode)));
            }
        }
    }
    text
}

/// The table of calls per CPU-second.
fn speeds(calls: &Calls, text: &mut String) {
    text.push_str("| | calls per CPU-second | share of the floor (lowest, highest) | cookie bytes | store commands | token check, first and later |\n|---|---|---|---|---|---|\n");
    for (name, speed) in [
        ("nginx with only `proxy_pass`, the floor", &calls.floor),
        ("the app's proxy without a session", &calls.proxy),
    ] {
        let _ = writeln!(
            text,
            "| {name} | {} | {:.2} ({:.2}, {:.2}) | | | |",
            thousands(speed.per_cpu_second),
            speed.of_floor,
            speed.range.0,
            speed.range.1
        );
    }
    for (name, mode) in known(calls) {
        let speed = mode.speed;
        let _ = writeln!(
            text,
            "| `{name}` | {} | {:.2} ({:.2}, {:.2}) | {:.0} | {:.0} | {:.0} µs, {:.0} µs |",
            thousands(speed.per_cpu_second),
            speed.of_floor,
            speed.range.0,
            speed.range.1,
            mode.cookie_bytes,
            mode.store_commands,
            mode.first_verify_micros,
            mode.verify_micros
        );
    }
}

/// The table of CPU time.
fn costs(calls: &Calls, text: &mut String) {
    text.push_str("\n| CPU time, app + Redis | per call | per renewal | per login | at 1 call per hour | at 1,000 calls per hour |\n|---|---|---|---|---|---|\n");
    for (name, mode) in known(calls) {
        let _ = writeln!(
            text,
            "| `{name}` | {:.1} + {:.1} µs | {:.0} + {:.0} µs | {:.0} + {:.0} µs | {:.2} ms | {:.1} ms |",
            mode.call.app,
            mode.call.redis,
            mode.renewal.app,
            mode.renewal.redis,
            mode.login.app,
            mode.login.redis,
            an_hour(mode, 1.0) / 1000.0,
            an_hour(mode, 1000.0) / 1000.0,
        );
    }
}

/// The modes that were measured, in their order.
fn known(calls: &Calls) -> impl Iterator<Item = (&str, &Mode)> {
    let named = MODES.iter().map(|name| (*name, calls.modes.get(*name)));
    named.filter_map(|(name, mode)| Some((name, mode?)))
}

/// CPU time in microseconds of one hour of a user who makes `calls` in it.
fn an_hour(mode: &Mode, calls: f64) -> f64 {
    let renewals = calls.min(RENEWALS_AN_HOUR);
    calls * mode.call.total() + renewals * mode.renewal.total() + mode.login.total() / HOURS_A_LOGIN
}

/// The number of calls per user and hour from which `hybrid` costs less than `other`.
fn pays_from(hybrid: &Mode, other: &Mode) -> Option<f64> {
    if an_hour(hybrid, 1.0) < an_hour(other, 1.0) {
        return Some(1.0);
    }
    // Each call beyond the number of renewals saves the same.
    let saved = other.call.total() - hybrid.call.total();
    let ahead = an_hour(hybrid, RENEWALS_AN_HOUR) - an_hour(other, RENEWALS_AN_HOUR);
    (saved > 0.0).then(|| (RENEWALS_AN_HOUR + ahead / saved).max(1.0).ceil())
}

fn verdict(other: &str, from: Option<f64>) -> String {
    match from {
        Some(from) if from <= 1.0 => {
            format!("`hybrid` costs less than `{other}` from the first call.")
        }
        Some(from) => format!(
            "`hybrid` costs less than `{other}` from {} calls per user and hour.",
            thousands(from)
        ),
        None => format!("`hybrid` never costs less than `{other}`: its calls cost more."),
    }
}

/// `12345.6` as `12,346`.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Cost, Speed};

    fn mode(call: f64, renewal: f64) -> Mode {
        let cost = |app| Cost { app, redis: 0.0 };
        Mode {
            speed: Speed {
                per_cpu_second: 1e6 / call,
                of_floor: 0.5,
                range: (0.5, 0.5),
            },
            cookie_bytes: 0.0,
            store_commands: 0.0,
            first_verify_micros: 0.0,
            verify_micros: 0.0,
            call: cost(call),
            renewal: cost(renewal),
            login: cost(0.0),
        }
    }

    #[test]
    fn hybrid_costs_less_once_its_calls_save_more_than_its_renewals_cost() {
        // Four renewals cost 400 more, and each call saves 10.
        assert_eq!(
            pays_from(&mode(10.0, 200.0), &mode(20.0, 100.0)),
            Some(40.0)
        );
        assert_eq!(pays_from(&mode(10.0, 100.0), &mode(20.0, 100.0)), Some(1.0));
        assert_eq!(pays_from(&mode(20.0, 200.0), &mode(10.0, 100.0)), None);
    }

    #[test]
    fn large_numbers_are_grouped() {
        let texts = [7.4, 999.9, 12_345.0, 1_234_567.0].map(thousands);
        assert_eq!(texts, ["7", "1,000", "12,345", "1,234,567"]);
    }
}
