//! The CPU time of processes.

use std::fs;

use bench::results::Cost;

/// Linux counts for its users in hundredths of a second, on every architecture.
const TICK_MICROS: f64 = 10_000.0;

/// What an app and its Redis had spent when it began.
pub struct Meter {
    app: u32,
    redis: u32,
    before: (f64, f64),
}

impl Meter {
    /// Begins now, for the processes with these ids.
    pub fn new(app: u32, redis: u32) -> Self {
        let before = (spent(app), spent(redis));
        Self { app, redis, before }
    }

    /// What each of `count` has cost since.
    pub fn each_of(&self, count: u64) -> Cost {
        let count = u32::try_from(count).expect("not that many").max(1);
        let each = |pid, before| (spent(pid) - before) / f64::from(count);
        Cost {
            app: each(self.app, self.before.0),
            redis: each(self.redis, self.before.1),
        }
    }
}

/// Microseconds of the process `pid` so far, in its own code and in the kernel.
fn spent(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // Its name may hold anything, and ends with the last parenthesis: proc(5).
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.map(|n| n.parse::<u32>().expect("a count")).sum();
    TICK_MICROS * f64::from(ticks)
}
