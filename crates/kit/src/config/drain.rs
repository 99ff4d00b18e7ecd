//! How long a drain takes.

use std::{ops::RangeInclusive, time::Duration};

use clap::Args;

use super::Problems;
use crate::shutdown::Drain;

/// The longest notice.
const MAX_NOTICE: Duration = Duration::from_secs(60);
/// The range of the timeout.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);

/// Flags and environment of a drain.
#[derive(Args, Clone, Debug)]
pub struct DrainArgs {
    /// How long a draining server still accepts connections while /readyz answers 503, so that load balancers notice; from 500ms on no caller is cut off, at most 60s [in a cluster: 5s]
    #[arg(
        long,
        env = "DRAIN_NOTICE",
        default_value = "500ms",
        value_name = "TIME"
    )]
    pub drain_notice: String,
    /// How long requests in flight may take to end after that, from 1s to 300s
    #[arg(
        long,
        env = "DRAIN_TIMEOUT",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub drain_timeout: String,
}

impl DrainArgs {
    /// Checks both settings. Errors are added to `problems`.
    pub(super) fn read(&self, problems: &mut Problems) -> Option<Drain> {
        let notice = problems.time("DRAIN_NOTICE", &self.drain_notice);
        let timeout = problems.time("DRAIN_TIMEOUT", &self.drain_timeout);
        if notice.is_some_and(|notice| notice > MAX_NOTICE) {
            problems.add("DRAIN_NOTICE", "at most 60s");
        }
        if timeout.is_some_and(|timeout| !TIMEOUTS.contains(&timeout)) {
            problems.add("DRAIN_TIMEOUT", "from 1s to 300s");
        }
        Some(Drain {
            notice: notice?,
            timeout: timeout?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drains_times_are_bounded() {
        let drain = |notice: &str, timeout: &str| {
            let args = DrainArgs {
                drain_notice: notice.to_owned(),
                drain_timeout: timeout.to_owned(),
            };
            let mut problems = Problems::new();
            let drain = args.read(&mut problems);
            drain
                .filter(|_| problems.is_empty())
                .ok_or(problems.lines().len())
        };
        assert_eq!(drain("500ms", "10s"), Ok(Drain::default()));
        for (notice, timeout) in [("0s", "1s"), ("60s", "300s")] {
            assert!(drain(notice, timeout).is_ok(), "{notice}, {timeout}");
        }
        assert_eq!(drain("61s", "999ms"), Err(2));
        assert_eq!(drain("5s", "301s"), Err(1));
        assert_eq!(drain("soon", "10s"), Err(1));
    }
}
