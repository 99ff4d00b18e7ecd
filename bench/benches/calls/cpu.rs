//! The CPU time of a process.

use std::{fs, time::Duration};

/// Linux counts for its users in hundredths of a second, on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// What the process `pid` has spent so far, in its own code and in the kernel.
pub fn spent(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // Its name may hold anything, and ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')').expect("proc(5)");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.map(|n| n.parse::<u32>().expect("a count")).sum();
    TICK * ticks
}

/// Microseconds of `time` for each of `count`.
pub fn micros_each(time: Duration, count: u64) -> f64 {
    let count = u32::try_from(count).expect("not that many");
    time.as_secs_f64() * 1e6 / f64::from(count.max(1))
}
