//! The keys that records are authenticated with, and for how long records without
//! a code are taken.
//!
//! A deployment that was begun by this version has no such record: there they are
//! never taken. One that the version before began has them for as long as they
//! last, and while its processes still run, they write more. That it is one is
//! told by the state directory, which nobody changes who can only write the store:
//! it has a key for refresh tokens, and none for records yet. The moment at which
//! that was seen is kept there ([`UPGRADED`]), and it is never seen again.

use std::{io, time::Duration};

use kit::{clock::Timestamp, random::Random, state_dir::StateDir};

use super::Authenticity;

/// What records are authenticated with.
const KEY: &str = "idp-records.key";
/// What a deployment had before records were authenticated.
pub const OLDER: &str = "idp-refresh.key";
/// When this deployment came from a version that did not authenticate records, in
/// seconds since the epoch; `never` where it did not.
const UPGRADED: &str = "idp-records.upgraded";
/// What [`UPGRADED`] holds where there was no version before.
const NEVER: &str = "never";
/// How long processes of the version before may go on writing.
const ROLLING: Duration = Duration::from_secs(3600);

/// Reads them from `state_dir`, makes what is missing there. It comes before all
/// other keys are made: by those it is known whether there was a version before.
/// Its records last for `longest` at most.
pub fn load_keys(
    state_dir: &StateDir,
    longest: Duration,
    now: Timestamp,
    random: &dyn Random,
) -> io::Result<Authenticity> {
    let is_there = |name: &str| state_dir.path(name).is_some_and(|path| path.exists());
    let is_new = !is_there(KEY) && !is_there(&format!("{KEY}.previous"));
    let upgraded = if is_new || is_there(UPGRADED) {
        let seen = upgraded(is_there(OLDER), now);
        let kept = state_dir.load_or_create(UPGRADED, || Ok(seen.into_bytes()));
        if kept.is_err() {
            // Of a directory that takes no file the key is what somebody has to bring.
            state_dir.sealing_keys(KEY, random)?;
        }
        upgraded_at(&kept?)?
    } else {
        None
    };
    let keys = state_dir.sealing_keys(KEY, random)?;
    let until = upgraded.map(|at| at + longest + ROLLING);
    if let Some(until) = until.filter(|until| now < *until) {
        tracing::warn!(
            until = until.secs(),
            "records that the version before wrote are taken; write {NEVER:?} to {UPGRADED} to end that"
        );
    }
    Ok(Authenticity::new(&keys, until))
}

/// What [`UPGRADED`] holds where keys for records are made `now`, in a deployment
/// that the version before began or not.
pub fn upgraded(is_older: bool, now: Timestamp) -> String {
    if is_older {
        now.secs().to_string()
    } else {
        NEVER.to_owned()
    }
}

fn upgraded_at(file: &[u8]) -> io::Result<Option<Timestamp>> {
    let text = std::str::from_utf8(file).unwrap_or_default().trim();
    if text == NEVER {
        return Ok(None);
    }
    let seconds = text.parse().map_err(|_| {
        let what = format!("{UPGRADED}: seconds since the epoch, or {NEVER:?}");
        io::Error::new(io::ErrorKind::InvalidData, what)
    })?;
    Ok(Some(Timestamp::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kit::random::OsRandom;
    use tempfile::TempDir;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_000_000);
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    const PLAIN: &[u8] = br#"{"v":1}"#;

    struct Deployment(TempDir);

    impl Deployment {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        /// One that the version before has left.
        fn older() -> Self {
            let deployment = Self::new();
            deployment.write(OLDER, &[7; 32]);
            deployment
        }

        fn write(&self, name: &str, content: &[u8]) {
            fs::write(self.0.path().join(name), content).unwrap();
        }

        fn start(&self, now: Timestamp) -> io::Result<Authenticity> {
            let dir = StateDir::open(Some(self.0.path().to_owned())).unwrap();
            let loaded = load_keys(&dir, WEEK, now, &OsRandom)?;
            // As the start goes on.
            dir.sealing_key(OLDER, &OsRandom)?;
            Ok(loaded)
        }

        fn takes_plain_at(&self, started: Timestamp, now: Timestamp) -> bool {
            self.start(started).unwrap().is_ours("k", PLAIN, now)
        }
    }

    #[test]
    fn a_deployment_begun_by_this_version_never_takes_a_plain_record() {
        let deployment = Deployment::new();
        for start in [START, START + WEEK] {
            assert!(!deployment.takes_plain_at(start, start));
        }
        assert!(!Authenticity::new(&[[1; 32]], None).is_ours("k", PLAIN, START));
    }

    #[test]
    fn one_that_the_version_before_began_takes_them_for_as_long_as_they_last_and_no_longer() {
        let deployment = Deployment::older();
        assert!(deployment.takes_plain_at(START, START));
        // The moment is kept over restarts: it does not begin anew.
        let last = START + WEEK + ROLLING;
        let before = last - Duration::from_secs(1);
        assert!(deployment.takes_plain_at(before, before));
        assert!(!deployment.takes_plain_at(last, last));
        assert!(!deployment.takes_plain_at(START, last));
    }

    #[test]
    fn a_new_key_opens_no_second_time() {
        let deployment = Deployment::new();
        deployment.start(START).unwrap();
        let path = |name: &str| deployment.0.path().join(name);
        fs::rename(path(KEY), path("idp-records.key.previous")).unwrap();
        assert!(!deployment.takes_plain_at(START, START));
        fs::remove_file(path(KEY)).unwrap();
        fs::remove_file(path("idp-records.key.previous")).unwrap();
        assert!(!deployment.takes_plain_at(START, START));
    }

    #[test]
    fn an_operator_ends_it_at_once() {
        let deployment = Deployment::older();
        assert!(deployment.takes_plain_at(START, START));
        deployment.write(UPGRADED, b"never\n");
        assert!(!deployment.takes_plain_at(START, START));
        deployment.write(UPGRADED, b"soon");
        let error = deployment.start(START).unwrap_err().to_string();
        assert!(error.contains(UPGRADED), "{error}");
    }

    #[test]
    fn a_brought_key_without_a_moment_is_a_new_deployments() {
        let deployment = Deployment::older();
        deployment.write(KEY, &[1; 32]);
        assert!(!deployment.takes_plain_at(START, START));
        assert!(!deployment.0.path().join(UPGRADED).exists());
    }
}
