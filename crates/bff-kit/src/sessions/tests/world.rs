//! Sessions on a memory store with a clock that tests move, and a browser that
//! keeps their cookies.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix_web::{HttpRequest, cookie::Cookie, test::TestRequest};
use kit::{
    Deps,
    clock::{Clock as _, ManualClock, Timestamp},
    random::SeededRandom,
    seal::Keyring,
    shutdown::Shutdown,
    state_dir::StateDir,
};
use store::{MemoryStore, SharedStore};
use token_verify::{Issuer, Jwks, testing::START};

use crate::{
    audiences::PerApi,
    client_auth::{ClientAuth, client_key},
    cookies,
    credentials::{ApiKey, CredentialSettings, Credentials},
    meters::Meters,
    provider::{AudienceBy, Grant, Identity, Provider, ProviderSettings},
    sessions::{
        Purpose, Record, Session, SessionId, SessionLifetimes, SessionMode, SessionParts,
        SessionSettings, Sessions,
    },
};

pub(crate) const IDLE: Duration = Duration::from_secs(8 * 3600);
pub(crate) const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// A JWT for API-1 that no key of ours has signed.
pub(crate) const UNSIGNED: &str = "x.eyJhdWQiOiJodHRwczovL2FwaS0xIn0.y";

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: SharedStore,
    pub(crate) deps: Deps,
    pub(crate) sessions: Arc<Sessions>,
}

/// Its provider's keys are nowhere to be had.
pub(crate) fn world() -> World {
    let nobody = Issuer::new("http://idp.test", "http://127.0.0.1:9");
    World::new(nobody, None)
}

impl World {
    /// `store` instead of the memory's own.
    pub(crate) fn new(issuer: Issuer, store: Option<SharedStore>) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let random = Arc::new(SeededRandom::new(5));
        let deps = Deps {
            clock: clock.clone(),
            random,
            shutdown: Shutdown::new(),
        };
        let memory = || Arc::new(MemoryStore::new(clock.clone())) as SharedStore;
        let store = store.unwrap_or_else(memory);
        let jwks = issuer.jwks(clock.clone());
        let provider = nobody(&deps, "app1");
        let sessions = Arc::new(sessions_of(&store, &deps, &provider, &jwks));
        Self {
            clock,
            store,
            deps,
            sessions,
        }
    }

    /// The sessions of the app `client_id` in `store`.
    pub(crate) fn sessions_in(&self, store: &SharedStore, client_id: &str) -> Sessions {
        self.sessions_with(store, &nobody(&self.deps, client_id))
    }

    /// Those of the client of `provider`.
    pub(crate) fn sessions_with(&self, store: &SharedStore, provider: &Arc<Provider>) -> Sessions {
        let issuer = Issuer::new("http://idp.test", "http://127.0.0.1:9");
        let jwks = issuer.jwks(self.clock.clone());
        sessions_of(store, &self.deps, provider, &jwks)
    }

    pub(crate) fn record(&self, mode: SessionMode, access: &str, refresh: Option<&str>) -> Record {
        let now = self.clock.now();
        let identity = Identity {
            sub: "user-1".into(),
            name: "Alice".into(),
            email: Some("alice@example.com".into()),
            sid: Some("s-1".into()),
            id_token: "id-token-secret".into(),
            issued_at: now,
        };
        let grant = grant(access, refresh, now, 900);
        let lifetimes = self.sessions.settings().lifetimes;
        Record::new(identity, &grant, "https://api-1", mode, now, lifetimes)
    }

    /// A browser that has just signed in, and its session as a call opens it.
    pub(crate) async fn session(&self) -> (Browser, Session) {
        let record = self.record(SessionMode::Stateful, "access-secret", Some("R0"));
        let browser = self.begin(&record).await;
        let session = self.peek(&browser).await.unwrap();
        (browser, session)
    }

    pub(crate) async fn begin(&self, record: &Record) -> Browser {
        let mut browser = Browser::default();
        let begun = self.sessions.begin(record).await.unwrap();
        browser.take(begun.cookies.into_cookies());
        browser
    }

    /// Who is signed in with `browser`, without counting as a use.
    pub(crate) async fn peek(&self, browser: &Browser) -> Option<Session> {
        self.open(browser, Purpose::PEEK).await
    }

    /// The key of the browser's session in the store.
    pub(crate) fn key(&self, browser: &Browser) -> String {
        self.sessions.records().key(&browser.id().handle())
    }

    /// Whether the browser's session is there, extended by this use.
    pub(crate) async fn extend(&self, browser: &Browser) -> bool {
        let handle = browser.id().handle();
        let loaded = self.sessions.records().load(&handle).await;
        loaded.unwrap().is_some()
    }

    pub(crate) async fn open(&self, browser: &Browser, purpose: Purpose) -> Option<Session> {
        let path = match purpose {
            Purpose::Call(audience) => format!("{}/data", audience.path),
            Purpose::Identify { .. } => "/".to_owned(),
        };
        let req = browser.request(&path);
        self.sessions.open(&req, purpose).await.unwrap().0
    }
}

/// A provider that is not there, to the client `client_id`.
fn nobody(deps: &Deps, client_id: &str) -> Arc<Provider> {
    let settings = ProviderSettings {
        issuer: Issuer::new("http://idp.test", "http://127.0.0.1:9"),
        client_id: client_id.to_owned(),
        auth: ClientAuth::SecretBasic("secret".to_owned().into()),
        redirect_uri: "http://app.test/callback".to_owned(),
    };
    Arc::new(Provider::new(settings, deps, Meters::for_test()))
}

fn sessions_of(
    store: &SharedStore,
    deps: &Deps,
    provider: &Arc<Provider>,
    jwks: &Arc<Jwks>,
) -> Sessions {
    let settings = SessionSettings {
        // More than any of these tests begins for one user.
        per_user: 1000,
        lifetimes: SessionLifetimes {
            idle: IDLE,
            longest: LONGEST,
        },
        mode: SessionMode::Stateful,
        choice: true,
        margin: Duration::from_secs(30),
        audience_by: AudienceBy::Resource,
    };
    let client_id = provider.client_id();
    let keyring = |what: &str| Keyring::new(&[[9; 32]], &format!("{client_id} {what}"));
    let credentials = credentials_of(deps, provider);
    let parts = SessionParts {
        store,
        provider,
        credentials: &credentials,
        jwks,
        deps,
        settings,
        meters: &Meters::for_test(),
    };
    Sessions::new(&parts, keyring)
}

/// `refresh` for both APIs, where a login may choose any other method.
fn credentials_of(deps: &Deps, provider: &Arc<Provider>) -> Arc<Credentials> {
    let key = client_key(&StateDir::default(), "machine", &SeededRandom::new(3)).unwrap();
    let settings = CredentialSettings {
        methods: PerApi::default(),
        choice: true,
        machine_key: Some(key),
        mtls: None,
        api_key: ApiKey::read("api1_key"),
    };
    let margin = (&deps.clock, Duration::from_secs(30));
    Arc::new(Credentials::new(
        settings,
        provider,
        AudienceBy::Resource,
        margin,
    ))
}

pub(crate) fn grant(access: &str, refresh: Option<&str>, now: Timestamp, life: u64) -> Grant {
    Grant::for_test(access, refresh, now, now + Duration::from_secs(life))
}

/// What a browser keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser(pub(super) HashMap<String, Cookie<'static>>);

impl Browser {
    /// Keeps, replaces or forgets cookies.
    pub(crate) fn take(&mut self, cookies: impl IntoIterator<Item = Cookie<'static>>) {
        for cookie in cookies {
            let over = cookie
                .max_age()
                .is_some_and(actix_web::cookie::time::Duration::is_zero);
            if over {
                self.0.remove(cookie.name());
            } else {
                self.0.insert(cookie.name().to_owned(), cookie);
            }
        }
    }

    /// A request for `path` with the cookies that a browser sends there.
    pub(crate) fn test_request(&self, path: &str) -> TestRequest {
        let goes = |cookie: &&Cookie<'_>| path.starts_with(cookie.path().unwrap_or("/"));
        let sent = self.0.values().filter(goes);
        sent.fold(TestRequest::get().uri(path), |req, cookie| {
            req.cookie(Cookie::new(
                cookie.name().to_owned(),
                cookie.value().to_owned(),
            ))
        })
    }

    pub(crate) fn request(&self, path: &str) -> HttpRequest {
        self.test_request(path).to_http_request()
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        self.0.get(name).map(Cookie::value).unwrap_or_default()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn id(&self) -> SessionId {
        SessionId::read(self.value(cookies::SESSION)).unwrap()
    }

    /// All cookies, as a request for a path that gets every one would send them.
    pub(crate) fn all(&self) -> String {
        let all = self.0.values();
        all.map(|c| format!("{}={}", c.name(), c.value()))
            .collect::<Vec<_>>()
            .join("; ")
    }
}
