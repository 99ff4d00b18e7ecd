//! The rounds: in each, every contender has its turn, so that what else the
//! machine does meets all of them.

use std::{collections::BTreeMap, fmt::Write as _};

use bench::results::{Cost, Mode, Speed, median};
use reqwest::Method;
use testkit::HeadlessBrowser;

use super::{
    environment::{Environment, Tested, cookies},
    renewals::Extra,
    server_timing::ServerTiming,
    wrk::Load,
};
use crate::{cpu::Meter, programs::sign_in};

/// The name of nginx's bare `proxy_pass`.
pub const FLOOR: &str = "nginx";
/// The name of our proxy path without a session.
pub const PROXY: &str = "proxy";
/// Connections, code and caches get warm for so many seconds.
const WARM_UP: u64 = 1;

/// One contender's turn in one round.
struct Turn {
    per_cpu_second: f64,
    cost: Cost,
    /// Of the first call with new cookies, and of one of many after it.
    timings: Option<(ServerTiming, ServerTiming)>,
}

/// All turns, by contender.
pub struct Rounds(BTreeMap<String, Vec<Turn>>);

/// Lets nginx, the proxy and `modes` have their turns, `count` times.
pub async fn run(environment: &Environment, modes: &[String], load: Load, count: usize) -> Rounds {
    let mut all = BTreeMap::new();
    for round in 1..=count {
        let own = [FLOOR, PROXY].map(ToOwned::to_owned);
        for name in own.iter().chain(modes) {
            let turn = turn(environment, name, load).await;
            println!(
                "round {round} of {count}: {name:<10} {:>7.0} a CPU-second",
                turn.per_cpu_second
            );
            all.entry(name.clone()).or_insert_with(Vec::new).push(turn);
        }
    }
    Rounds(all)
}

async fn turn(environment: &Environment, name: &str, load: Load) -> Turn {
    match name {
        FLOOR => under_load(environment, &environment.floor().await, "", load),
        PROXY => under_load(environment, &environment.proxy().await, "", load),
        mode => {
            let app = environment.app(mode).await;
            let mut cli = HeadlessBrowser::new();
            sign_in(&mut cli, &environment.app_url()).await;
            let url = format!("{}/api1/data", environment.app_url());
            // The first call may set a cookie, which the second brings.
            let mut first = timing(&mut cli, &url).await;
            let second = timing(&mut cli, &url).await;
            first.verify_micros = first.verify_micros.max(second.verify_micros);
            let turn = under_load(environment, &app, &cookies(&cli), load);
            let later = timing(&mut cli, &url).await;
            Turn {
                timings: Some((first, later)),
                ..turn
            }
        }
    }
}

async fn timing(cli: &mut HeadlessBrowser, url: &str) -> ServerTiming {
    ServerTiming::of(&cli.raw(Method::GET, url, &[], "").await)
}

fn under_load(environment: &Environment, tested: &Tested, cookies: &str, load: Load) -> Turn {
    let warm_up = Load {
        seconds: WARM_UP,
        ..load
    };
    warm_up.on(&tested.url, cookies);
    let meter = Meter::new(tested.pid(), environment.redis.pid());
    let cost = meter.each_of(load.on(&tested.url, cookies));
    Turn {
        per_cpu_second: 1e6 / cost.app,
        cost,
        timings: None,
    }
}

impl Rounds {
    /// How fast `name` was.
    pub fn speed(&self, name: &str) -> Speed {
        let of_floor: Vec<_> = self.0[name]
            .iter()
            .zip(&self.0[FLOOR])
            .map(|(own, floor)| own.per_cpu_second / floor.per_cpu_second)
            .collect();
        let lowest = of_floor.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = of_floor.iter().copied().fold(0.0, f64::max);
        Speed {
            per_cpu_second: self.median(name, |turn| turn.per_cpu_second),
            of_floor: median(of_floor),
            range: (lowest, highest),
        }
    }

    /// All that is known of `mode`; `extra` is what was measured besides.
    pub fn of_mode(&self, mode: &str, extra: Extra) -> Mode {
        let timing = |of: fn(&(ServerTiming, ServerTiming)) -> f64| {
            self.median(mode, |turn| turn.timings.as_ref().map_or(0.0, of))
        };
        Mode {
            speed: self.speed(mode),
            cookie_bytes: timing(|(_, later)| later.cookie_bytes),
            store_commands: timing(|(_, later)| later.store_commands),
            first_verify_micros: timing(|(first, _)| first.verify_micros),
            verify_micros: timing(|(_, later)| later.verify_micros),
            call: Cost {
                app: self.median(mode, |turn| turn.cost.app),
                redis: self.median(mode, |turn| turn.cost.redis),
            },
            renewal: extra.renewal,
            login: extra.login,
        }
    }

    /// For the terminal.
    pub fn table(&self) -> String {
        let mut text = String::from("              a CPU-second  of the floor  lowest, highest\n");
        for name in self.0.keys() {
            let speed = self.speed(name);
            let (lowest, highest) = speed.range;
            let _ = writeln!(
                text,
                "{name:<12} {:>14.0} {:>13.2} {lowest:>8.2}, {highest:.2}",
                speed.per_cpu_second, speed.of_floor
            );
        }
        text
    }

    fn median(&self, name: &str, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.0[name].iter().map(of).collect())
    }
}
