//! Cookies found good a moment ago: opening and checking them anew would cost
//! more than all the rest of a call. What they hold is kept for as long, in
//! this process's memory alone.
//!
//! They are found by a hash of the session's id, and count where they are the
//! same to the last character: to compare them costs less than to hash them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use kit::clock::Timestamp;
use parking_lot::Mutex;

use super::Carried;
use crate::{audiences::Audience, sessions::SessionId};

/// The most that are remembered: at some 3 kB each, about 25 MB.
const MAX_SEEN: usize = 8192;
/// For how long: a key that the provider withdraws is noticed then.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Which cookies: those of one session for calls to one API, or to none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    session: [u8; 32],
    audience: Option<&'static str>,
}

impl Place {
    pub(super) fn new(id: &SessionId, audience: Option<&'static Audience>) -> Self {
        let hash = digest::digest(&digest::SHA256, id.expose().as_bytes());
        let mut session = [0; 32];
        session.copy_from_slice(hash.as_ref());
        Self {
            session,
            audience: audience.map(|audience| audience.uri),
        }
    }
}

/// What was found good.
struct Good {
    identity: Box<str>,
    carried: Arc<Carried>,
    until: Timestamp,
}

#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<Place, Good>>);

impl Seen {
    /// What these cookies hold, if they were found good a moment ago.
    pub(super) fn get(
        &self,
        place: &Place,
        identity: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Option<Arc<Carried>> {
        let carried = {
            let seen = self.0.lock();
            let good = seen.get(place)?;
            if now >= good.until || !same(&good.identity, identity) {
                return None;
            }
            good.carried.clone()
        };
        let is_same = match (&carried.token, token) {
            (Some(known), Some(sent)) => known.token.is(sent),
            (None, None) => true,
            _ => false,
        };
        is_same.then_some(carried)
    }

    /// Remembers what was found good at `place`, all that came along among it.
    pub(super) fn put(&self, place: Place, identity: &str, carried: Arc<Carried>, now: Timestamp) {
        let mut seen = self.0.lock();
        if seen.len() >= MAX_SEEN {
            seen.retain(|_, good| now < good.until);
        }
        // All of them fresh: forgetting them costs one check of each.
        if seen.len() >= MAX_SEEN {
            seen.clear();
        }
        let identity = identity.into();
        let until = now + REMEMBERED;
        let good = Good {
            identity,
            carried,
            until,
        };
        seen.insert(place, good);
    }
}

/// In constant time.
fn same(known: &str, sent: &str) -> bool {
    verify_slices_are_equal(known.as_bytes(), sent.as_bytes()).is_ok()
}
