//! What a user granted a client, and the one refresh token that covers it.

use std::time::Duration;

use kit::clock::Timestamp;
use oauth_types::{Scope, claims::Confirmation};
use serde::{Deserialize, Serialize};

use crate::records::Record;

/// How many replaced refresh tokens are recorded. Within the grace period a client can
/// rotate this often and still repeat an earlier refresh.
const MAX_REPLACED: usize = 16;

/// A grant. Access tokens name it in `jti`, refresh tokens in their text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// The client.
    pub client_id: String,
    /// The user.
    pub sub: String,
    /// The login session.
    pub sid: String,
    /// When the user signed in.
    pub auth_time: Timestamp,
    /// `acr`: the strength of the authentication.
    pub acr: String,
    /// The granted scope; narrowing a token never narrows it.
    pub scope: Scope,
    /// The audiences, the default first.
    pub audiences: Vec<String>,
    /// Its state.
    pub state: GrantState,
    /// The refresh token, if there is one.
    pub refresh: Option<Refresh>,
    /// Its end: that of its last access token.
    pub expires_at: Timestamp,
    /// When it was created; the epoch in a record of the previous version.
    #[serde(default)]
    pub created_at: Timestamp,
    /// When its refresh token was last rotated.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// What its refresh token is bound to, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<Confirmation>,
    /// The id of its code, whose record ends with the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Grant {
    /// A record that prevents a grant from beginning.
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
            bound_to: None,
            code: None,
        }
    }

    /// The same grant, its refresh token rotated at `now`.
    pub fn refreshed(&self, rotated: Refresh, now: Timestamp) -> Self {
        Self {
            refresh: Some(rotated),
            last_used_at: Some(now),
            ..self.clone()
        }
    }
}

/// The state of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Valid.
    Active,
    /// Revoked.
    Revoked,
}

/// A refresh token and its predecessors. The token itself is derived from the id of the
/// grant and the generation (`refresh_tokens`): the record holds no secret, and a
/// successor can be issued again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// When it expires; rotation does not prolong it.
    pub ends: Timestamp,
    /// The number of rotations.
    pub generation: u32,
    /// When each earlier generation was replaced, the newest last.
    replaced: Vec<(u32, Timestamp)>,
}

/// Whether a refresh token that the provider issued may be redeemed, by its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshVerdict {
    /// It is the current one.
    Current,
    /// It was replaced, and the grace period has not passed: the client may have lost the
    /// response, so it gets the successor again.
    Repeated {
        /// The successor.
        successor: u32,
    },
    /// It was replaced, and the grace period has passed: somebody else may have it.
    Reused,
    /// Its family has expired.
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

    /// Whether the generation `presented` may be redeemed at `now`.
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
            Some((generation, at)) if *at + grace > now => RefreshVerdict::Repeated {
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
            RefreshVerdict::Repeated { successor: 1 }
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
            RefreshVerdict::Repeated { successor: 100 }
        );
        assert_eq!(refresh.judge(3, at(99), GRACE), RefreshVerdict::Reused);
    }
}
