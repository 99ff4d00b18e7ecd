//! How many used assertions and used DPoP proofs of each client this process keeps in the
//! store: each leaves a record until it expires. A client beyond its limit is refused until
//! some have expired, because a record that is removed early would let its assertion or its
//! proof count twice.

use std::time::Duration;

use kit::{clock::Timestamp, live_counts::LiveCounts};

/// Who makes a client send a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// Anybody who opens the login of an app. Logins have half of the limit, so that
    /// strangers never stop the client's other requests.
    Login,
    /// The client itself.
    #[default]
    Client,
}

/// The things of one kind that the clients have used.
pub struct UsedOnce {
    /// The most of one client.
    most: usize,
    kept: LiveCounts,
    /// Those of logins once more.
    of_logins: LiveCounts,
}

impl UsedOnce {
    /// With at most `most` of one client.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: LiveCounts::new(),
            of_logins: LiveCounts::new(),
        }
    }

    /// Counts another one of `client`, whose record is kept until `end`. `Err` with the time
    /// to wait if the client has too many.
    pub fn enter(
        &self,
        client: &str,
        cause: Cause,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<(), Duration> {
        if cause == Cause::Login {
            let half = self.most.div_ceil(2);
            self.of_logins.enter(client, half, end, now)?;
        }
        let entered = self.kept.enter(client, self.most, end, now);
        if entered.is_err() {
            self.leave_logins(client, cause, end);
        }
        entered
    }

    /// Takes back one that left no record until `end`.
    pub fn leave(&self, client: &str, cause: Cause, end: Timestamp) {
        self.kept.leave(client, end);
        self.leave_logins(client, cause, end);
    }

    fn leave_logins(&self, client: &str, cause: Cause, end: Timestamp) {
        if cause == Cause::Login {
            self.of_logins.leave(client, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_half_of_a_clients_limit_and_the_client_has_all_of_it() {
        let at = Timestamp::from_secs;
        let used = UsedOnce::new(4);
        let enter = |cause, now| used.enter("app2", cause, at(now + 70), at(now));
        let (login, client) = (Cause::Login, Cause::Client);
        for cause in [client, login, login] {
            assert_eq!(enter(cause, 1000), Ok(()));
        }
        let wait = |secs| Err(Duration::from_secs(secs));
        assert_eq!(enter(login, 1000), wait(80));
        assert_eq!(enter(client, 1000), Ok(()));
        assert_eq!(enter(client, 1010), wait(70));
        used.leave("app2", client, at(1070));
        assert_eq!(enter(login, 1010), wait(70), "logins have their half");
        used.leave("app2", login, at(1070));
        assert_eq!(enter(login, 1010), Ok(()));
        assert_eq!(enter(client, 1010), Ok(()));
        assert_eq!(enter(client, 1010), wait(70));
        assert_eq!(enter(login, 1080), Ok(()));
    }

    #[test]
    fn a_clients_own_requests_do_not_stop_its_logins_below_the_limit() {
        let at = Timestamp::from_secs;
        let used = UsedOnce::new(4);
        let enter = |cause| used.enter("app2", cause, at(1070), at(1000));
        for cause in [Cause::Client, Cause::Client, Cause::Client, Cause::Login] {
            assert_eq!(enter(cause), Ok(()));
        }
        assert!(enter(Cause::Login).is_err());
        used.leave("app2", Cause::Client, at(1070));
        assert_eq!(enter(Cause::Login), Ok(()), "a refused login took no room");
    }
}
