//! How long a call or a connection takes, and its CPU time: with introspection and without
//! (`introspection`), by mTLS and without (`mtls`). `scripts/bench` runs it.

pub mod introspection;
pub mod mtls;

use std::{collections::BTreeMap, path::Path, process::Command};

use bench::{
    docs::latency,
    results::{self, Latencies, Latency, WARM_UP, median},
};

use crate::{cpu, machine, programs::own_builds};

/// Measures each case in turn, round after round.
#[derive(clap::Args)]
pub struct Args {
    /// Rounds, of which each figure is the median
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// Calls of a round.
const CALLS: usize = 2000;
/// New connections of a round.
const CONNECTS: usize = 300;

/// Something that is measured.
pub struct Case {
    name: &'static str,
    /// `calls` on one connection, or `connects`.
    what: &'static str,
    url: String,
    /// CA, certificate and key (PEM), as far as they are used.
    files: Vec<String>,
    /// The header Authorization.
    authorization: String,
    /// The process whose CPU time counts.
    pid: u32,
}

/// Measures the cases, and keeps the figures `name`.
pub fn run(name: &str, args: &Args, profile: String, cases: &[Case]) {
    let mut rounds: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for _ in 0..args.rounds {
        for (at, case) in cases.iter().enumerate() {
            rounds.entry(at).or_default().push(case.measure());
        }
    }
    let rows = rounds.into_iter().map(|(at, measured)| {
        let (micros, cpu): (Vec<_>, Vec<_>) = measured.into_iter().unzip();
        let least = micros.iter().copied().fold(f64::INFINITY, f64::min);
        let most = micros.iter().copied().fold(0.0, f64::max);
        Latency {
            name: cases[at].name.to_owned(),
            micros: median(micros),
            range: (least, most),
            cpu_micros: median(cpu),
        }
    });
    let figures = Latencies {
        machine: machine::today(),
        profile,
        rounds: args.rounds,
        calls: CALLS,
        connects: cases
            .iter()
            .any(|case| case.what == "connects")
            .then_some(CONNECTS),
        rows: rows.collect(),
    };
    println!("{}", latency::of_latencies(&figures));
    results::write(name, &figures).expect("tools/bench/results can be written");
    println!("kept in {}", results::file(name).display());
}

impl Case {
    /// The median of a round in microseconds, and the CPU time of each.
    fn measure(&self) -> (f64, f64) {
        let count = match self.what {
            "calls" => CALLS,
            _ => CONNECTS,
        };
        let client = own_builds().join("examples/connection");
        let before = cpu::spent(self.pid);
        let output = Command::new(&client)
            .args([self.what, &count.to_string(), &self.url])
            .args(&self.files)
            .env("AUTHORIZATION", &self.authorization)
            .output();
        let spent = cpu::spent(self.pid) - before;
        let output = output.expect("examples/connection is built");
        let said = String::from_utf8_lossy(&output.stdout);
        let micros = said.trim().parse();
        let micros = micros.unwrap_or_else(|_| {
            let why = String::from_utf8_lossy(&output.stderr);
            panic!("{}: {said}{why}", self.name)
        });
        let all = u32::try_from(count + WARM_UP).expect("not that many");
        (micros, spent / f64::from(all))
    }
}

/// The path of `file` as text.
fn text(file: &Path) -> String {
    file.display().to_string()
}
