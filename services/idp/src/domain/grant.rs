//! What a user granted a client, and the one refresh token that covers it.

use std::time::Duration;

use kit::clock::Timestamp;
use oauth_types::Scope;
use serde::{Deserialize, Serialize};

use crate::records::Record;

/// How many replaced refresh tokens are remembered. Inside the grace a client
/// can rotate this often and still get an earlier answer again.
const MAX_REPLACED: usize = 16;

/// A grant. Access tokens name it in their `jti`, the refresh token in itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// To whom.
    pub client_id: String,
    /// By whom.
    pub sub: String,
    /// In which login session.
    pub sid: String,
    /// When the user had signed in.
    pub auth_time: Timestamp,
    /// How well.
    pub acr: String,
    /// What is granted; narrowing a token never narrows it.
    pub scope: Scope,
    /// The audiences that it covers, the default first.
    pub audiences: Vec<String>,
    /// Whether it still holds.
    pub state: GrantState,
    /// The refresh token, where there is one.
    pub refresh: Option<Refresh>,
    /// Its end: that of the last access token that it can give.
    pub expires_at: Timestamp,
    /// When it was made; the epoch in a record of the version before.
    #[serde(default)]
    pub created_at: Timestamp,
    /// When its refresh token was last redeemed, as exact as rotation writes it.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// The record of the code that it came from, which ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Grant {
    /// Takes the place of a grant that must not begin any more.
    pub fn revoked_before_it_began(id: &str, remembered_until: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            client_id: String::new(),
            sub: String::new(),
            sid: String::new(),
            auth_time: Timestamp::default(),
            acr: String::new(),
            scope: Scope::empty(),
            audiences: Vec::new(),
            state: GrantState::Revoked,
            refresh: None,
            expires_at: remembered_until,
            created_at: Timestamp::default(),
            last_used_at: None,
            code: None,
        }
    }

    /// The same, its refresh token rotated at `now`.
    pub fn refreshed(&self, rotated: Refresh, now: Timestamp) -> Self {
        Self {
            refresh: Some(rotated),
            last_used_at: Some(now),
            ..self.clone()
        }
    }
}

/// Whether a grant still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// It does.
    Active,
    /// It was taken back.
    Revoked,
}

/// A refresh token and those before it. The token itself is derived from the
/// grant's id and the generation (`refresh_tokens`), so nothing secret is here,
/// and a successor can be given again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// When it can no longer be redeemed; rotation does not move it.
    pub ends: Timestamp,
    /// Counts rotations.
    pub generation: u32,
    /// When each earlier generation was replaced, the newest last.
    replaced: Vec<(u32, Timestamp)>,
}

/// What a genuine refresh token of some generation is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshVerdict {
    /// It is the current one.
    Current,
    /// It was replaced just now, by this generation: the answer may have been lost.
    Replayed {
        /// The successor.
        successor: u32,
    },
    /// It was replaced before: somebody else has it.
    Reused,
    /// All of its family can no longer be redeemed.
    Expired,
}

impl Refresh {
    /// The first generation.
    pub fn until(ends: Timestamp) -> Self {
        Self {
            ends,
            ..Self::default()
        }
    }

    /// What generation `presented` is worth at `now`.
    pub fn judge(&self, presented: u32, now: Timestamp, grace: Duration) -> RefreshVerdict {
        if self.ends <= now {
            return RefreshVerdict::Expired;
        }
        if presented == self.generation {
            return RefreshVerdict::Current;
        }
        let replaced = self
            .replaced
            .iter()
            .find(|(generation, _)| *generation == presented);
        match replaced {
            Some((generation, at)) if *at + grace > now => RefreshVerdict::Replayed {
                successor: generation + 1,
            },
            _ => RefreshVerdict::Reused,
        }
    }

    /// The next generation.
    #[must_use]
    pub fn rotated(&self, now: Timestamp) -> Self {
        let mut replaced = self.replaced.clone();
        replaced.push((self.generation, now));
        let surplus = replaced.len().saturating_sub(MAX_REPLACED);
        replaced.drain(..surplus);
        Self {
            ends: self.ends,
            generation: self.generation.saturating_add(1),
            replaced,
        }
    }
}

impl Record for Grant {
    const KIND: &'static str = "grant";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn rfc9700_4_14_a_replay_inside_the_grace_gets_the_same_successor() {
        let refresh = Refresh::until(at(1000)).rotated(at(100));
        assert_eq!(
            refresh.judge(0, at(129), GRACE),
            RefreshVerdict::Replayed { successor: 1 }
        );
        assert_eq!(refresh.judge(1, at(129), GRACE), RefreshVerdict::Current);
    }

    #[test]
    fn rfc9700_4_14_a_replay_after_it_is_reuse() {
        let refresh = Refresh::until(at(1000)).rotated(at(100));
        assert_eq!(refresh.judge(0, at(130), GRACE), RefreshVerdict::Reused);
        assert_eq!(refresh.judge(7, at(100), GRACE), RefreshVerdict::Reused);
        for generation in [0, 1] {
            let late = refresh.judge(generation, at(1000), GRACE);
            assert_eq!(late, RefreshVerdict::Expired);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let refresh = (0..100).fold(Refresh::until(at(1000)), |refresh, n| {
            refresh.rotated(at(n))
        });
        assert_eq!(refresh.generation, 100);
        assert_eq!(refresh.replaced.len(), MAX_REPLACED);
        assert_eq!(
            refresh.judge(99, at(99), GRACE),
            RefreshVerdict::Replayed { successor: 100 }
        );
        assert_eq!(refresh.judge(3, at(99), GRACE), RefreshVerdict::Reused);
    }
}
