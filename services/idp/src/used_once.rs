//! How many used assertions and used DPoP proofs of each client this process keeps in the
//! store: each leaves a record until it expires. A client beyond its limit is refused until
//! some have expired, because a record that is removed early would let its assertion or its
//! proof count twice.

use std::time::Duration;

use kit::{clock::Timestamp, live_counts::LiveCounts};

/// Who makes a client send a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// Anybody who opens the login of an app. These have half of the limit, so that
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
}

impl UsedOnce {
    /// With at most `most` of one client.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: LiveCounts::new(),
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
        let most = match cause {
            Cause::Login => self.most.div_ceil(2),
            Cause::Client => self.most,
        };
        self.kept.enter(client, most, end, now)
    }

    /// Takes back one that left no record until `end`.
    pub fn leave(&self, client: &str, end: Timestamp) {
        self.kept.leave(client, end);
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
        for cause in [login, client] {
            assert_eq!(enter(cause, 1000), Ok(()));
        }
        let wait = |secs| Err(Duration::from_secs(secs));
        assert_eq!(enter(login, 1000), wait(80));
        for _ in 0..2 {
            assert_eq!(enter(client, 1000), Ok(()));
        }
        assert_eq!(enter(client, 1010), wait(70));
        used.leave("app2", at(1070));
        assert_eq!(enter(login, 1010), wait(70));
        assert_eq!(enter(client, 1010), Ok(()));
        assert_eq!(enter(login, 1080), Ok(()));
    }
}
