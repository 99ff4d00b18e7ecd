//! How many used assertions of each client this process keeps in the store: each leaves a
//! record until it expires (`idp:jti:`), which may be a day. A client beyond its limit is
//! refused until some have expired, because a record that is removed early would let its
//! assertion count twice.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use kit::clock::Timestamp;
use parking_lot::Mutex;

/// Who makes a client send an assertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// Anybody who opens the login of an app. These have half of the limit, so that
    /// strangers never stop the client's other requests.
    Login,
    /// The client itself.
    #[default]
    Client,
}

/// The ends of records are rounded up to this.
const STEP: i64 = 10;

/// The assertions of all clients.
pub struct UsedAssertions {
    /// The most of one client.
    most: usize,
    kept: Mutex<HashMap<String, Kept>>,
}

/// Those of one client.
#[derive(Default)]
struct Kept {
    count: usize,
    by_end: BTreeMap<i64, usize>,
}

impl Kept {
    fn forget_expired(&mut self, now: Timestamp) {
        let later = self.by_end.split_off(&(now.secs() + 1));
        let expired = std::mem::replace(&mut self.by_end, later);
        self.count -= expired.into_values().sum::<usize>();
    }
}

impl UsedAssertions {
    /// With at most `most` of one client.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    /// Whether another assertion of `client` may be used. `Err` with the time to wait if
    /// not.
    pub fn admit(&self, client: &str, cause: Cause, now: Timestamp) -> Result<(), Duration> {
        let most = match cause {
            Cause::Login => self.most.div_ceil(2),
            Cause::Client => self.most,
        };
        let mut all = self.kept.lock();
        let Some(kept) = all.get_mut(client) else {
            return Ok(());
        };
        kept.forget_expired(now);
        if kept.count < most {
            return Ok(());
        }
        let first = kept.by_end.first_key_value();
        let first = first.map_or(now, |(end, _)| Timestamp::from_secs(*end));
        Err(now.until(first))
    }

    /// Counts an assertion of `client` that was used, and whose record is kept until `end`.
    pub fn add(&self, client: &str, end: Timestamp) {
        let end = (end.secs() / STEP + 1) * STEP;
        let mut all = self.kept.lock();
        let kept = all.entry(client.to_owned()).or_default();
        kept.count += 1;
        *kept.by_end.entry(end).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_at_its_limit_waits_for_the_first_end_and_others_do_not() {
        let at = Timestamp::from_secs;
        let used = UsedAssertions::new(4);
        let (login, client) = (Cause::Login, Cause::Client);
        for (end, cause) in [(1070, login), (1071, login), (1100, client), (4000, client)] {
            assert_eq!(used.admit("app2", cause, at(1000)), Ok(()), "{end}");
            used.add("app2", at(end));
            let strangers = used.admit("app2", login, at(1000));
            assert_eq!(strangers.is_ok(), end == 1070, "half is for logins");
        }
        let wait = |secs| Err(Duration::from_secs(secs));
        assert_eq!(used.admit("app2", client, at(1000)), wait(80));
        assert_eq!(used.admit("app2", client, at(1079)), wait(1));
        assert_eq!(used.admit("batch-jwt", login, at(1079)), Ok(()));
        assert_eq!(used.admit("app2", client, at(1080)), Ok(()));
        assert_eq!(used.admit("app2", login, at(1080)), wait(30));
        assert_eq!(used.admit("app2", login, at(1110)), Ok(()));
        assert_eq!(used.admit("app2", login, at(9000)), Ok(()));
        assert!(used.kept.lock()["app2"].by_end.is_empty());
    }
}
