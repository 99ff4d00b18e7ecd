//! The limits on what clients may use of a process.

use std::time::Duration;

/// File descriptors reserved for the store, peers and files.
const OTHER_FILES: u64 = 256;
/// The soft limit of open files is raised to this, if the hard limit allows it.
const FILES: u64 = 16 * 1024;

/// All limits. Durations are in ticks.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The duration of a tick.
    pub tick: Duration,
    /// Connections of the process.
    pub connections: usize,
    /// The most connections of one address.
    pub connections_of_one: usize,
    /// The most buffered bytes of requests that are not authenticated.
    pub bytes: usize,
    /// The most of those bytes for one address.
    pub bytes_of_one: usize,
    /// The most buffered bytes, in addition, of requests whose session or client has been
    /// checked.
    pub reserve: usize,
    /// The time for a request's head, from its first byte.
    pub head: u64,
    /// The time for a body before its rate is checked.
    pub body: u64,
    /// The minimum rate of a body from then on, in bytes per tick.
    pub body_rate: u64,
    /// The time for a body, at any rate.
    pub body_longest: u64,
    /// How long a client may continue to send after its response.
    pub drain: u64,
    /// How long a response may make no progress before its rate counts.
    pub write: u64,
    /// The least bytes of a response that a client must accept in each tick from then on.
    pub write_rate: u64,
    /// How long calls on a gRPC connection may continue without one of them ending.
    pub call: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
            connections: 2048,
            connections_of_one: 1024,
            bytes: 16 << 20,
            bytes_of_one: 4 << 20,
            reserve: 8 << 20,
            head: 10,
            body: 10,
            body_rate: 1024,
            body_longest: 60,
            drain: 2,
            write: 20,
            write_rate: 1024,
            call: 30,
        }
    }
}

impl Limits {
    /// The limits of this process: no more connections than it may open files.
    pub(super) fn of_process() -> Self {
        let limits = Self::default();
        let files = open_files().saturating_sub(OTHER_FILES).max(OTHER_FILES);
        let connections = usize::try_from(files).unwrap_or(usize::MAX);
        let connections = connections.min(limits.connections);
        Self {
            connections,
            connections_of_one: limits.connections_of_one.min(connections / 2),
            ..limits
        }
    }
}

/// The limit of open files, raised as far as possible.
#[cfg(unix)]
fn open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = FILES.min(maximum.unwrap_or(FILES));
    match current {
        Some(current) if current < wanted => {
            let raised = Rlimit {
                current: Some(wanted),
                maximum,
            };
            let is_raised = setrlimit(Resource::Nofile, raised).is_ok();
            if is_raised { wanted } else { current }
        }
        current => current.unwrap_or(FILES),
    }
}

#[cfg(not(unix))]
fn open_files() -> u64 {
    FILES
}
