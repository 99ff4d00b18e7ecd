//! The figures of a run, as `tools/bench/results/*.json` keep them.

use std::{collections::BTreeMap, fmt, fs, io, path::PathBuf};

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

/// When and where something was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Machine {
    /// The day, in UTC.
    pub date: String,
    /// The processor.
    pub processor: String,
    /// How many of its cores there are.
    pub cores: usize,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            processor,
            cores,
        } = self;
        write!(f, "Measured on {date} on {cores} cores of {processor}")
    }
}

/// When, where and with what calls were measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    /// When and where.
    #[serde(flatten)]
    pub machine: Machine,
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

/// A run of `scripts/bench memory`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Memory {
    /// When and where.
    pub machine: Machine,
    /// The number of sign-ins, each at both apps.
    pub sign_ins: usize,
    /// The number of calls at each app.
    pub calls: usize,
    /// Each program.
    pub programs: Vec<ProgramMemory>,
}

/// The memory of one program.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProgramMemory {
    /// The binary.
    pub name: String,
    /// Where its records are: `memory` or `Redis`.
    pub store: String,
    /// Five seconds after it is ready.
    pub at_start: Resident,
    /// A minute after the sign-ins and the calls.
    pub after_work: Resident,
}

/// Resident memory of a process, in MB of 10^6 bytes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Resident {
    /// All of it (RSS).
    pub all: f64,
    /// The part that no file backs: heap and stacks.
    pub anonymous: f64,
}

/// A run of `scripts/bench credentials`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Credentials {
    /// When and where.
    pub machine: Machine,
    /// How the program was built.
    pub profile: String,
    /// Sessions, of which each figure is the median or the mean.
    pub sessions: usize,
    /// Each method with each API.
    pub ways: Vec<Way>,
}

/// What one method costs at one API.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Way {
    /// The method.
    pub method: String,
    /// Whether the token is bound to the app's key (DPoP).
    #[serde(default)]
    pub bound: bool,
    /// The API.
    pub audience: String,
    /// What the API knows of the user.
    pub knows: String,
    /// Requests to the token endpoint for each renewal of a session.
    pub requests: f64,
    /// Milliseconds that these took together, as the app measured them.
    pub token_ms: f64,
    /// Milliseconds of a call that had to renew the credential.
    pub renewed_ms: f64,
    /// Milliseconds of a call whose credential was there.
    pub kept_ms: f64,
    /// Bytes of the credential in the call.
    pub bytes: usize,
}

/// A run of `scripts/bench introspection` or `scripts/bench mtls`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Latencies {
    /// When and where.
    pub machine: Machine,
    /// How the programs were built.
    pub profile: String,
    /// Rounds, of which each figure is the median.
    pub rounds: usize,
    /// Calls of a round, one after the other on one connection.
    pub calls: usize,
    /// New connections of a round; `None` if there are none.
    pub connects: Option<usize>,
    /// Each case.
    pub rows: Vec<Latency>,
}

/// How long something takes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Latency {
    /// What it is.
    pub name: String,
    /// Microseconds, as the client sees it: the median of the rounds' medians.
    pub micros: f64,
    /// The lowest and the highest round's median.
    pub range: (f64, f64),
    /// Microseconds of CPU time of the services' process.
    pub cpu_micros: f64,
}

/// A run of `scripts/bench journeys`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Journeys {
    /// When and where.
    pub machine: Machine,
    /// How the programs were built.
    pub profile: String,
    /// Journeys at a time, each with an open event stream.
    pub journeys: usize,
    /// Seconds of sign-ins.
    pub seconds: u64,
    /// Sign-ins each second, as asked for.
    pub rate: u32,
    /// Each deployment.
    pub runs: Vec<JourneyRun>,
}

/// The live diagram of one deployment under load.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct JourneyRun {
    /// The deployment.
    pub name: String,
    /// Sign-ins.
    pub sign_ins: usize,
    /// How many there were in a second.
    pub rate: f64,
    /// Steps that arrived.
    pub steps: usize,
    /// Of these each sign-in had so many, without commands to stores.
    pub steps_of_sign_in: usize,
    /// Steps that did not arrive.
    pub lost: usize,
    /// From the end of a span to its arrival at the reader.
    pub delays: Delays,
}

/// How late something is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Delays {
    /// Half of them are earlier, in milliseconds.
    pub p50_ms: f64,
    /// All but one of a hundred are.
    pub p99_ms: f64,
    /// The latest.
    pub max_ms: f64,
}

/// Calls and connections of `examples/connection` before those that count.
pub const WARM_UP: usize = 100;

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
