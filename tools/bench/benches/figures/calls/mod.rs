//! Requests per CPU-second in each session mode, of our proxy path without a
//! session, and of nginx's bare `proxy_pass` as the floor; and what a renewal
//! costs.

mod compare;
mod environment;
mod instructions;
mod nginx;
mod renewals;
mod rounds;
mod server_timing;
mod wrk;

use std::path::PathBuf;

use self::{environment::Environment, wrk::Load};
use crate::machine;
use bench::{
    docs,
    results::{self, Calls, MODES, Run},
};

/// Measures what calls cost; docs/sessions.md says what the figures mean.
#[derive(clap::Args)]
pub struct Args {
    /// Rounds, of which each figure is the median
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of load a round, for each contender
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections of the load
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Session modes, comma-separated; figures are kept only of all together
    #[arg(long, value_delimiter = ',', default_values = MODES)]
    modes: Vec<String>,
    /// Leaves out what renewals cost; no figures are kept then
    #[arg(long)]
    no_renewals: bool,
    /// Only compares with the `app1-bff` in this folder: prints, for each mode, the
    /// requests per CPU-second that this build answers for one of that build
    #[arg(long, value_name = "FOLDER")]
    compare: Option<PathBuf>,
    /// With `--compare`, counts the instructions of a call instead, by valgrind
    #[arg(long, requires = "compare")]
    instructions: bool,
    /// Rounds of `--compare`: both builds start anew for each
    #[arg(long, default_value_t = compare::ROUNDS)]
    restarts: usize,
}

/// Measures, and keeps the figures.
pub async fn run(args: Args) {
    let load = Load {
        seconds: args.seconds,
        connections: args.connections,
    };
    let environment = Environment::start("15m").await;
    if let Some(other) = &args.compare {
        if args.instructions {
            instructions::run(&environment, other, &args.modes).await;
            return;
        }
        let burst = Load { seconds: 1, ..load };
        compare::run(&environment, other, &args.modes, burst, args.restarts).await;
        return;
    }
    let rounds = rounds::run(&environment, &args.modes, load, args.rounds).await;
    drop(environment);
    println!("\n{}", rounds.table());
    if args.no_renewals {
        return;
    }
    let costs = renewals::measure(&args.modes).await;
    let modes = args.modes.iter().zip(costs);
    let modes = modes.map(|(mode, costs)| {
        let figures = rounds.of_mode(mode, costs);
        (mode.clone(), figures)
    });
    let calls = Calls {
        run: run_of(args.rounds, load),
        floor: rounds.speed(rounds::FLOOR),
        proxy: rounds.speed(rounds::PROXY),
        modes: modes.collect(),
    };
    println!("{}", docs::sessions::of_calls(&calls));
    if MODES.iter().all(|mode| calls.modes.contains_key(*mode)) {
        results::write("calls", &calls).expect("tools/bench/results can be written");
        println!("kept in {}", results::file("calls").display());
    }
}

fn run_of(rounds: usize, load: Load) -> Run {
    Run {
        machine: machine::today(),
        versions: vec![
            machine::said("nginx", &["-v"]),
            machine::said("wrk", &["-v"]),
            machine::said("redis-server", &["-v"]),
        ],
        rounds,
        seconds: load.seconds,
        connections: load.connections,
    }
}
