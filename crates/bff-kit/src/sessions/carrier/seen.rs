//! Cookies found good a moment ago: opening and checking them anew would cost
//! more than all the rest of a call. What they hold is kept for as long, in
//! this process's memory alone.
//!
//! They are found by a hash of the session's id, and count where they are the
//! same to the last character: to compare them costs less than to hash them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use kit::clock::Timestamp;
use parking_lot::Mutex;

use super::{
    Carried,
    ends::{Digest, digest_of},
};
use crate::{
    audiences::Audience,
    sessions::{SessionId, record::About},
};

/// The most that are remembered: at some 3 kB each, about 25 MB.
const MAX_SEEN: usize = 8192;
/// For how long: a key that the provider withdraws is noticed then.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Which cookies: those of one session for calls to one API, or to none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) session: Digest,
    audience: Option<&'static str>,
}

impl Place {
    pub(super) fn new(id: &SessionId, audience: Option<&'static Audience>) -> Self {
        Self {
            session: digest_of(id.expose()),
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

impl Seen {
    /// Forgets what came with the session.
    pub(super) fn forget(&self, session: Digest) {
        let audiences = Audience::ALL.iter().map(|audience| Some(audience.uri));
        let mut seen = self.0.lock();
        for audience in audiences.chain([None]) {
            seen.remove(&Place { session, audience });
        }
    }

    /// Forgets the sessions that are so.
    pub(super) fn forget_where(&self, is_so: impl Fn(&About) -> bool) {
        let mut seen = self.0.lock();
        seen.retain(|_, good| !is_so(&good.carried.about));
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// In constant time.
fn same(known: &str, sent: &str) -> bool {
    verify_slices_are_equal(known.as_bytes(), sent.as_bytes()).is_ok()
}
