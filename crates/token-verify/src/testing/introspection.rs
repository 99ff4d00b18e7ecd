//! Introspection at the test issuer (RFC 7662, RFC 9701).

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU16, AtomicU32, Ordering::SeqCst},
    },
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use oauth_types::names::TOKEN_INTROSPECTION_MEDIA_TYPE as JWT_MEDIA_TYPE;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{START, TestKey};

/// The one client that may introspect, and its secret.
pub const CLIENT: (&str, &str) = ("api", "secret");

/// Changes the header and the claims of a signed answer.
type Change = fn(&mut Value, &mut Value);

/// What the issuer says about tokens, and how.
pub struct Introspected {
    issuer: String,
    key: Arc<TestKey>,
    active: Mutex<BTreeMap<String, Value>>,
    requests: AtomicU32,
    /// The status of all answers; 0: the right one.
    status: AtomicU16,
    iat: AtomicI64,
    change: Mutex<Option<Change>>,
    /// Held for writing while answers are paused.
    pause: tokio::sync::RwLock<()>,
}

impl Introspected {
    pub(super) fn new(issuer: &str, key: &Arc<TestKey>) -> Self {
        Self {
            issuer: issuer.to_owned(),
            key: Arc::clone(key),
            active: Mutex::default(),
            requests: AtomicU32::new(0),
            status: AtomicU16::new(0),
            iat: AtomicI64::new(START.secs()),
            change: Mutex::default(),
            pause: tokio::sync::RwLock::default(),
        }
    }

    /// Makes `token` active, with these claims.
    pub fn activate(&self, token: &str, claims: Value) {
        self.active.lock().insert(token.to_owned(), claims);
    }

    /// Makes `token` inactive.
    pub fn revoke(&self, token: &str) {
        self.active.lock().remove(token);
    }

    /// The number of requests.
    pub fn requests(&self) -> u32 {
        self.requests.load(SeqCst)
    }

    /// Answers with `status` from now on; 0: as is right.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, SeqCst);
    }

    /// Changes signed answers: their time, their header and claims.
    pub fn sign(&self, iat: i64, change: Option<Change>) {
        self.iat.store(iat, SeqCst);
        *self.change.lock() = change;
    }

    /// Holds all answers back until the guard is dropped.
    pub async fn hold(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.pause.write().await
    }

    fn answer(&self, token: &str) -> Value {
        match self.active.lock().get(token).cloned() {
            Some(mut claims) => {
                claims["active"] = json!(true);
                claims
            }
            None => json!({"active": false}),
        }
    }

    fn signed(&self, answer: &Value) -> String {
        let mut header =
            json!({"alg": self.key.alg(), "typ": "token-introspection+jwt", "kid": "k1"});
        let iat = self.iat.load(SeqCst);
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT.0, "iat": iat, "token_introspection": answer,
        });
        if let Some(change) = *self.change.lock() {
            change(&mut header, &mut claims);
        }
        self.key.sign(&header, &claims)
    }
}

/// RFC 7662 §2.1.
#[derive(Deserialize)]
pub(super) struct Asked {
    token: String,
}

pub(super) async fn endpoint(
    introspected: web::Data<Introspected>,
    req: HttpRequest,
    asked: web::Form<Asked>,
) -> HttpResponse {
    introspected.requests.fetch_add(1, SeqCst);
    // Decided before the answer is held back: a revocation meanwhile is not in it.
    let answer = introspected.answer(&asked.token);
    let _not_paused = introspected.pause.read().await;
    let header = |name| {
        let value = req.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let (id, secret) = CLIENT;
    if header(header::AUTHORIZATION) != oauth_types::secret::basic(id, secret) {
        return HttpResponse::Unauthorized().json(json!({"error": "invalid_client"}));
    }
    let status = StatusCode::from_u16(introspected.status.load(SeqCst));
    if let Ok(status) = status {
        return HttpResponse::build(status).json(answer);
    }
    if header(header::ACCEPT) == JWT_MEDIA_TYPE {
        let jwt = introspected.signed(&answer);
        return HttpResponse::Ok().content_type(JWT_MEDIA_TYPE).body(jwt);
    }
    HttpResponse::Ok().json(answer)
}
