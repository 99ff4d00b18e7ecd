//! The keys that authenticate records, and how long records without an authentication code
//! are accepted.
//!
//! A deployment that began with this version has no such records and never accepts them.
//! A deployment that began with the previous version has them until they expire, and
//! running processes of that version write more. The state directory tells the two
//! apart, which write access to the store cannot change: an older deployment has a key
//! for refresh tokens and none for records yet. The time of the upgrade is stored there
//! ([`UPGRADED`]), so that it is detected once.

use std::{io, time::Duration};

use kit::{clock::Timestamp, random::Random, state_dir::StateDir};

use super::Authenticity;

/// The file of the keys that authenticate records.
const KEY: &str = "idp-records.key";
/// A key file that deployments of the previous version have.
pub const OLDER: &str = "idp-refresh.key";
/// The file with the time of the upgrade from a version that did not authenticate
/// records, in seconds since the epoch; or [`NEVER`].
const UPGRADED: &str = "idp-records.upgraded";
/// The content of [`UPGRADED`] for a deployment that began with this version.
const NEVER: &str = "never";
/// How long processes of the previous version may run after the upgrade.
const ROLLING: Duration = Duration::from_secs(3600);

/// Reads the keys from `state_dir`, and generates what is missing. It must run before any
/// other key is generated: their absence tells that the deployment is new. Records last
/// for `longest` at most.
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
            // In a read-only directory, the error names the key that is missing.
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
            "records of the previous version are accepted without an authentication code; write {NEVER:?} to {UPGRADED} to end this"
        );
    }
    Ok(Authenticity::new(&keys, until))
}

/// The master keys of records, newest first, after [`load_keys`].
pub fn sealing_keys(
    state_dir: &StateDir,
    random: &dyn Random,
) -> io::Result<Vec<[u8; kit::seal::KEY_LEN]>> {
    state_dir.sealing_keys(KEY, random)
}

/// The content of [`UPGRADED`] if the keys for records are generated `now`; `is_older`:
/// whether the deployment began with the previous version.
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
            self.start(started).unwrap().verify("k", PLAIN, now)
        }
    }

    #[test]
    fn a_deployment_begun_by_this_version_never_takes_a_plain_record() {
        let deployment = Deployment::new();
        for start in [START, START + WEEK] {
            assert!(!deployment.takes_plain_at(start, start));
        }
        assert!(!Authenticity::new(&[[1; 32]], None).verify("k", PLAIN, START));
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
