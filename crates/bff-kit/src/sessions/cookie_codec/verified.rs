//! A cache of verified cookies: to verify them again would cost more than all
//! the rest of a call. It is in this process's memory alone.
//!
//! An entry is found by a hash of the session's id, and counts where the cookies
//! are the same to the last character: comparing them costs less than hashing them.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use kit::{bounded_cache::BoundedCache, clock::Timestamp};
use parking_lot::Mutex;

use super::{
    CookieContent,
    ends::{Digest, digest_of},
};
use crate::{
    audiences::Audience,
    sessions::{id::SessionId, record::About},
};

/// The most entries: at some 3 kB each, about 25 MB.
const MAX_ENTRIES: usize = 8192;
/// How long an entry is valid: a key that the provider withdraws is noticed then.
const LIFETIME: Duration = Duration::from_secs(30);

/// The cookies of one session for calls to one API, or to none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) session: Digest,
    audience: Option<&'static str>,
}

impl Key {
    pub(super) fn new(id: &SessionId, audience: Option<&'static Audience>) -> Self {
        Self {
            session: digest_of(id.expose()),
            audience: audience.map(|audience| audience.uri),
        }
    }
}

struct Entry {
    identity: Box<str>,
    content: Arc<CookieContent>,
    until: Timestamp,
}

pub(super) struct Verified(Mutex<BoundedCache<Key, Entry>>);

impl Default for Verified {
    fn default() -> Self {
        Self(Mutex::new(BoundedCache::new(MAX_ENTRIES)))
    }
}

impl Verified {
    /// What these cookies hold, if they were verified a moment ago.
    pub(super) fn get(
        &self,
        key: &Key,
        identity: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Option<Arc<CookieContent>> {
        let content = {
            let entries = self.0.lock();
            let entry = entries.get(key)?;
            if now >= entry.until || !same(&entry.identity, identity) {
                return None;
            }
            entry.content.clone()
        };
        let is_same = match (&content.token, token) {
            (Some(known), Some(sent)) => match &content.sealed {
                Some(sealed) => same(sealed, sent),
                None => known.token.is(sent),
            },
            (None, None) => true,
            _ => false,
        };
        is_same.then_some(content)
    }

    /// Keeps what was verified.
    pub(super) fn put(
        &self,
        key: Key,
        identity: &str,
        content: Arc<CookieContent>,
        now: Timestamp,
    ) {
        let entry = Entry {
            identity: identity.into(),
            content,
            until: now + LIFETIME,
        };
        self.0.lock().insert(key, entry);
    }

    /// Drops the entries of the session.
    pub(super) fn forget(&self, session: Digest) {
        let audiences = Audience::ALL.iter().map(|audience| Some(audience.uri));
        let mut entries = self.0.lock();
        for audience in audiences.chain([None]) {
            entries.remove(&Key { session, audience });
        }
    }

    /// Drops the entries of sessions for which `is_so` holds.
    pub(super) fn forget_where(&self, is_so: impl Fn(&About) -> bool) {
        let mut entries = self.0.lock();
        entries.retain(|entry| !is_so(&entry.content.about));
    }

    /// Drops all entries.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// In constant time.
fn same(known: &str, sent: &str) -> bool {
    verify_slices_are_equal(known.as_bytes(), sent.as_bytes()).is_ok()
}
