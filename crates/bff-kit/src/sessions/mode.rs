//! How a session is kept.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The four modes: what each costs and protects is in docs/sessions.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// In the store, read at each request. The cookie is a random id.
    #[default]
    Stateful,
    /// In the browser's cookies: who is signed in and the refresh token, both sealed, and
    /// each access token in a cookie of its own.
    Stateless,
    /// In the store; the access tokens are in cookies too.
    Hybrid,
    /// In the store, with a local copy for as long as the store's watch is current. The
    /// cookie is a random id.
    Cached,
}

impl SessionMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stateful, Self::Stateless, Self::Hybrid, Self::Cached];

    /// Its name, as settings and pages have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stateful => "stateful",
            Self::Stateless => "stateless",
            Self::Hybrid => "hybrid",
            Self::Cached => "cached",
        }
    }

    /// Whether the session is in the browser's cookies alone, its refresh token too.
    pub(crate) const fn is_in_cookies(self) -> bool {
        matches!(self, Self::Stateless)
    }

    /// Whether the browser has the access tokens in cookies, beside a sealed one that
    /// says who is signed in.
    pub(crate) const fn has_token_cookies(self) -> bool {
        matches!(self, Self::Hybrid | Self::Stateless)
    }

    /// What the browser's cookies hold, in a sentence for the app's page.
    pub(crate) const fn cookie_holds(self) -> &'static str {
        match self {
            Self::Stateful => {
                "A random id of 256 bits and nothing else. The session is in the app's store, under a hash of it."
            }
            Self::Cached => {
                "A random id of 256 bits and nothing else. The session is in the app's store, and each process keeps a copy until the store reports a change."
            }
            Self::Hybrid => {
                "A random id, who you are (sealed), and an access token for each API in a cookie of its own. The refresh token is in the app's store."
            }
            Self::Stateless => {
                "The whole session: who you are and the refresh token (sealed), and an access token for each API in a cookie of its own. The app stores nothing."
            }
        }
    }

    /// When a session that was revoked stops, in a sentence for the app's page.
    pub(crate) const fn revoked_stops(self) -> &'static str {
        match self {
            Self::Stateful => "A revoked session stops at the next call.",
            Self::Cached => {
                "A revoked session stops in every process within milliseconds, as soon as the store announces the change."
            }
            Self::Hybrid => {
                "A revoked session stops within milliseconds in every process that receives the notice. In another process its access tokens work until they expire."
            }
            Self::Stateless => {
                "A revoked session stops in the process that receives the provider's notice. In other processes its access tokens work until they expire, because the app keeps no list of sessions."
            }
        }
    }
}

impl fmt::Display for SessionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SessionMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|mode| mode.as_str() == text)
            .ok_or("stateful, stateless, hybrid or cached is expected")
    }
}
