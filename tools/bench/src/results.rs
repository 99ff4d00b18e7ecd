//! The figures of a run, as `tools/bench/results/*.json` keep them.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The modes, in the order in which tables show them.
pub const MODES: [&str; 4] = ["stateful", "cached", "hybrid", "stateless"];

/// A run of `scripts/bench calls`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Calls {
    /// When, where and with what.
    pub run: Run,
    /// nginx's bare `proxy_pass`.
    pub floor: Speed,
    /// Our proxy path without a session.
    pub proxy: Speed,
    /// Each mode, by its name.
    pub modes: BTreeMap<String, Mode>,
}

/// When, where and with what something was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    /// The day, in UTC.
    pub date: String,
    /// The processor.
    pub processor: String,
    /// How many of its cores there are.
    pub cores: usize,
    /// The programs' versions: nginx, wrk, redis-server.
    pub versions: Vec<String>,
    /// Rounds, of which each figure is the median.
    pub rounds: usize,
    /// Seconds of load a round.
    pub seconds: u64,
    /// Connections of the load.
    pub connections: usize,
}

/// How fast a process answers.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Speed {
    /// Answers per second of the process's CPU time.
    pub per_cpu_second: f64,
    /// The same as a part of the floor's.
    pub of_floor: f64,
    /// The lowest and the highest round's part of the floor's of that round.
    pub range: (f64, f64),
}

/// What a session in one mode costs.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Mode {
    /// Of calls.
    pub speed: Speed,
    /// Bytes of cookies that a call brings.
    pub cookie_bytes: f64,
    /// Commands to the store that a call makes.
    pub store_commands: f64,
    /// Microseconds that the first call with new cookies spends on checking them.
    pub first_verify_micros: f64,
    /// Microseconds that each later one does.
    pub verify_micros: f64,
    /// Of a call.
    pub call: Cost,
    /// Of a renewal, beyond the call that it is for.
    pub renewal: Cost,
    /// Of a login.
    pub login: Cost,
}

/// CPU time in microseconds, by who spends it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Cost {
    /// The app.
    pub app: f64,
    /// Redis.
    pub redis: f64,
}

impl Cost {
    /// Of both.
    pub fn total(self) -> f64 {
        self.app + self.redis
    }
}

/// How soon a session that was ended at one replica is refused by the other:
/// what tests/platform/fault_revocation.rs writes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Revocation {
    /// The mode.
    pub mode: String,
    /// Of how many.
    pub revocations: usize,
    /// Half of them within this many milliseconds.
    pub p50_ms: f64,
    /// All but one of a hundred.
    pub p99_ms: f64,
}

/// The middle one of `values`; the mean of the two in the middle.
///
/// # Panics
/// When there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "a median of nothing");
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}

/// The file that keeps the figures `name`.
pub fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results");
    folder.join(format!("{name}.json"))
}

/// The figures `name`, as they were kept.
pub fn read<T: DeserializeOwned>(name: &str) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(file(name))?)?)
}

/// Keeps the figures `name`.
pub fn write(name: &str, figures: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(figures)?;
    let file = file(name);
    fs::create_dir_all(file.parent().unwrap_or(&file))?;
    fs::write(file, text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < 1e-9);
    }
}
