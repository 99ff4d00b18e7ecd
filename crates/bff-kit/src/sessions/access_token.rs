//! An access token that a session keeps.

use std::time::Duration;

use kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{bearer::Bearer, provider::Grant};

/// An access token for one audience, and how long it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessToken {
    /// The token.
    pub(crate) token: Bearer,
    /// When it was asked for.
    pub(crate) issued_at: Timestamp,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
}

impl AccessToken {
    /// `margin` is never more than a tenth of the token's life: a token of a
    /// few seconds would be renewed at each call otherwise.
    pub(crate) fn lives_beyond(&self, now: Timestamp, margin: Duration) -> bool {
        let life = self.issued_at.until(self.expires_at);
        now + margin.min(life / 10) < self.expires_at
    }
}

impl From<&Grant> for AccessToken {
    fn from(grant: &Grant) -> Self {
        Self {
            token: grant.access_token.clone(),
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Duration = Duration::from_secs(30);

    fn token(life: i64) -> AccessToken {
        AccessToken {
            token: Bearer::new("a").unwrap(),
            issued_at: Timestamp::from_secs(1000),
            expires_at: Timestamp::from_secs(1000 + life),
        }
    }

    #[test]
    fn a_token_about_to_end_does_not_count() {
        let lives = |life, at| token(life).lives_beyond(Timestamp::from_secs(at), MARGIN);
        assert!(lives(900, 1869));
        assert!(!lives(900, 1870));
        assert!(!lives(900, 5000));
    }

    #[test]
    fn the_margin_is_at_most_a_tenth_of_the_tokens_life() {
        let lives = |millis| token(10).lives_beyond(Timestamp::from_millis(millis), MARGIN);
        assert!(lives(1_008_999));
        assert!(!lives(1_009_000));
    }
}
