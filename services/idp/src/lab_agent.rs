//! What the provider does for the lab that controls it (`kit::lab_control`): it rotates its
//! signing keys, and tells what it keeps for a journey. It remembers the login sessions of
//! journeys' requests in memory, up to a bound; outside a lab it remembers none.

use std::sync::{Arc, Weak};

use futures_util::{FutureExt as _, future::BoxFuture};
use kit::{
    bounded_cache::BoundedCache,
    clock::Timestamp,
    journey::{self, JourneyKeys, JourneyTag},
    lab_control::Agent,
    telemetry::context::TraceContext,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    Idp, SERVICE,
    domain::{Grant, LoginSession},
    keys::{Algorithm, KeyRecord, KeyState},
    operator,
    records::RecordError,
    session_index, sessions,
};

/// The most journeys whose login sessions a process remembers.
const MAX_JOURNEYS: usize = 500;
/// The most grants of a login session that are shown.
const MAX_GRANTS: usize = 50;

/// The login session that each journey used last.
pub(crate) struct Watched(Option<Mutex<BoundedCache<JourneyTag, String>>>);

impl Watched {
    pub(crate) fn new() -> Self {
        let is_lab = journey::is_lab();
        Self(is_lab.then(|| Mutex::new(BoundedCache::new(MAX_JOURNEYS))))
    }

    /// Remembers the session of the current request, if that belongs to a journey.
    pub(crate) fn remember(&self, sid: &str) {
        let Some(known) = &self.0 else {
            return;
        };
        if let Some(journey) = TraceContext::current_journey() {
            known.lock().insert(journey.tag(), sid.to_owned());
        }
    }

    fn of(&self, tag: JourneyTag) -> Option<String> {
        self.0.as_ref()?.lock().get(&tag).cloned()
    }
}

/// The provider. The lab's hold outlives it.
pub(crate) struct LabAgent(Weak<Idp>);

impl LabAgent {
    pub(crate) fn new(idp: &Arc<Idp>) -> Self {
        Self(Arc::downgrade(idp))
    }
}

impl Agent for LabAgent {
    /// As `sso-lab keys rotate --now` does: the new keys sign at once, and all others are
    /// withdrawn.
    fn rotate_keys(&self) -> Option<BoxFuture<'_, Result<Vec<String>, String>>> {
        let rotating = async {
            let idp = self.0.upgrade().ok_or("the provider has stopped")?;
            let rotated = operator::rotate(idp, Algorithm::ALL.to_vec(), true).await;
            let rotated = rotated.map_err(|error| error.to_string())?;
            Ok(operator::made(&rotated))
        };
        Some(rotating.boxed())
    }

    fn inspect(&self, tag: JourneyTag) -> BoxFuture<'_, Value> {
        let inspecting = async move {
            let (Some(idp), Some(keys)) = (self.0.upgrade(), journey::of_process()) else {
                return Value::Null;
            };
            let now = idp.now();
            let shown = Shown { keys, tag, now };
            let signing = idp.keys.listed();
            let signing: Vec<_> = signing
                .iter()
                .map(|(key, state)| key_shown(key, *state, idp.keys.now()))
                .collect();
            let login = shown.login(&idp).await;
            let login = login.unwrap_or_else(|error| json!({ "error": error.to_string() }));
            json!({ "service": SERVICE, "keys": signing, "login": login })
        };
        inspecting.boxed()
    }
}

/// A signing key, by the clock of the keys. Everybody can read all of it at `/jwks`.
fn key_shown(key: &KeyRecord, state: KeyState, now: Timestamp) -> Value {
    let state = match state {
        KeyState::Next => "next",
        KeyState::Signing => "signing",
        KeyState::Retired => "retired",
        KeyState::Withdrawn => "withdrawn",
    };
    json!({
        "kid": key.kid,
        "alg": key.algorithm.as_str(),
        "state": state,
        "created_at": key.created_at.map(Timestamp::secs),
        "published_ms": key.published_until.map(|until| left(now, until)),
    })
}

/// The milliseconds from `now` to `end`.
fn left(now: Timestamp, end: Timestamp) -> u64 {
    u64::try_from(now.until(end).as_millis()).unwrap_or(u64::MAX)
}

/// How values are shown to one journey.
struct Shown {
    keys: Arc<JourneyKeys>,
    tag: JourneyTag,
    now: Timestamp,
}

impl Shown {
    fn print(&self, value: &str) -> String {
        self.keys.fingerprint_in(self.tag, value.as_bytes())
    }

    /// How long something goes on, in milliseconds; zero once it has ended.
    fn left(&self, end: Timestamp) -> u64 {
        left(self.now, end)
    }

    async fn login(&self, idp: &Idp) -> Result<Value, RecordError> {
        let Some(sid) = idp.watched.of(self.tag) else {
            return Ok(Value::Null);
        };
        let Some(login) = sessions::live(idp, &sid).await? else {
            return Ok(json!({ "ended": true }));
        };
        let LoginSession {
            sub,
            auth_time,
            acr,
            amr,
            expires_at,
            ..
        } = &login;
        let ids = session_index::grants_of(idp, &sid).await?;
        let mut grants = Vec::new();
        for id in ids.iter().take(MAX_GRANTS) {
            if let Some(stored) = idp.records.get::<Grant>(id).await? {
                grants.push(self.grant(&stored.record));
            }
        }
        Ok(json!({
            "login_session": self.print(&sid),
            "user": self.print(sub),
            "signed_in_at": auth_time.secs(),
            "acr": acr,
            "amr": amr,
            "ends_ms": self.left(*expires_at),
            "grants": grants,
        }))
    }

    fn grant(&self, grant: &Grant) -> Value {
        json!({
            "id": self.print(&grant.id),
            "client_id": grant.client_id,
            "scope": grant.scope.to_string(),
            "audiences": grant.audiences,
            "state": grant.state,
            "created_at": grant.created_at.secs(),
            "generation": grant.refresh.as_ref().map(|refresh| refresh.generation),
            "refresh_ms": grant.refresh.as_ref().map(|refresh| self.left(refresh.ends)),
            "ends_ms": self.left(grant.expires_at),
        })
    }
}
