//! What the lab's inspector shows of the session that a journey uses: nothing that opens
//! anything, only sizes, times and fingerprints. A process remembers the sessions of
//! journeys' requests in memory, up to a bound; outside a lab it remembers none.

use kit::{
    bounded_cache::BoundedCache,
    clock::Timestamp,
    journey::{self, JourneyKeys, JourneyTag},
    telemetry::context::TraceContext,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    Sessions,
    id::Handle,
    record::{About, Record},
    records::Stored,
    session::Session,
};

/// The most journeys whose sessions a process remembers.
const MAX_JOURNEYS: usize = 500;

/// The session that each journey used last.
pub(super) struct Inspected(Option<Mutex<BoundedCache<JourneyTag, Seen>>>);

#[derive(Clone)]
struct Seen {
    handle: Handle,
    about: About,
}

impl Inspected {
    pub(super) fn new() -> Self {
        let is_lab = journey::is_lab();
        Self(is_lab.then(|| Mutex::new(BoundedCache::new(MAX_JOURNEYS))))
    }

    /// Remembers the session of the current request, if that belongs to a journey.
    pub(super) fn remember(&self, session: &Session) {
        let Some(known) = &self.0 else {
            return;
        };
        if let Some(journey) = TraceContext::current_journey() {
            let seen = Seen {
                handle: session.id.handle(),
                about: session.about().clone(),
            };
            known.lock().insert(journey.tag(), seen);
        }
    }

    fn of(&self, tag: JourneyTag) -> Option<Seen> {
        self.0.as_ref()?.lock().get(&tag).cloned()
    }
}

impl Sessions {
    /// What there is of the session of the journey `tag`.
    pub(crate) async fn inspect(&self, keys: &JourneyKeys, tag: JourneyTag) -> Value {
        let Some(seen) = self.inspected.of(tag) else {
            return Value::Null;
        };
        let shown = Shown {
            keys,
            tag,
            now: self.clock.now(),
        };
        if seen.about.mode.is_in_cookies() {
            return shown.session(&seen.about, "cookies");
        }
        match self.in_store.records.read(&seen.handle).await {
            Ok(Some(stored)) => shown.stored(&stored, &self.in_store.records.key(&seen.handle)),
            Ok(None) => json!({ "place": "ended" }),
            Err(error) => json!({ "place": "unknown", "error": error.to_string() }),
        }
    }
}

/// How values are shown to one journey.
struct Shown<'a> {
    keys: &'a JourneyKeys,
    tag: JourneyTag,
    now: Timestamp,
}

impl Shown<'_> {
    fn print(&self, value: &str) -> String {
        self.keys.fingerprint_in(self.tag, value.as_bytes())
    }

    /// A value that is not shown.
    fn hidden(&self, value: &str) -> Value {
        json!({ "fingerprint": self.print(value), "size": value.len() })
    }

    /// How long something goes on, in milliseconds; zero once it has ended.
    fn left(&self, end: Timestamp) -> u64 {
        let left = self.now.until(end).as_millis();
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    fn session(&self, about: &About, place: &str) -> Value {
        json!({
            "place": place,
            "mode": about.mode.as_str(),
            "user": self.print(&about.user.sub),
            "login_session": about.sid.as_deref().map(|sid| self.print(sid)),
            "created_at": about.created_at.secs(),
            "extended_at": about.slid_at.secs(),
            "idle_ms": self.left(about.expires_at),
            "ends_ms": self.left(about.ends_at),
        })
    }

    fn stored(&self, stored: &Stored, key: &str) -> Value {
        let Record {
            about,
            device,
            id_token,
            refresh_token,
            tokens,
        } = &stored.record;
        let mut shown = self.session(about, "store");
        let tokens = tokens.iter().map(|(audience, token)| {
            let mut shown = self.hidden(token.token.token());
            shown["for"] = audience.as_str().into();
            shown["ends_ms"] = self.left(token.expires_at).into();
            shown
        });
        shown["key"] = self.print(key).into();
        shown["sealed_bytes"] = stored.size().into();
        shown["id_token"] = self.hidden(id_token);
        shown["refresh_token"] = refresh_token
            .as_deref()
            .map_or(Value::Null, |token| self.hidden(token));
        shown["device"] = device
            .as_deref()
            .map_or(Value::Null, |device| self.hidden(device));
        shown["access_tokens"] = tokens.collect();
        shown
    }
}
