//! The CPU time of processes.

use std::fs;

use bench::results::Cost;

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

/// Microseconds of the process `pid` so far, in its own code and in the kernel:
/// what the scheduler has given its threads. (`stat` counts the same in
/// hundredths of a second, which is longer than all that is measured of logins.)
pub fn spent(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let nanos = threads.filter_map(|thread| {
        // A thread may end meanwhile: none of those that count does.
        let schedstat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        schedstat.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1000.0
}
