//! Sessions in cookies: what counts, what does not, and that an ended one stays so.

use std::time::Duration;

use kit::{clock::Clock as _, seal::Keyring};
use serde_json::{Value, json};
use store::SharedStore;
use token_verify::testing::{TestIssuer, TestKey};

use super::{
    super::{
        Purpose, Session, SessionMode,
        cookie_codec::{CookieCodec, Renewal},
        session::Source,
    },
    Browser, IDLE, World,
    world::grant,
};
use crate::{
    audiences::{API1, API2, Audience},
    cookies::{self, Cookies},
    credentials::UserToken,
    sessions::record::AccessToken,
};

/// Long enough not to be in a sealed cookie by chance.
const REFRESH: &str = "refresh-secret";
const CALL: Purpose = Purpose::Call(&API1);

pub(super) struct Setup {
    pub(super) world: World,
    issuer: TestIssuer,
}

impl Setup {
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    pub(super) fn with(store: Option<SharedStore>) -> Self {
        let issuer = TestIssuer::start(TestKey::es256()).unwrap();
        let world = World::new(issuer.issuer(), store);
        Self { world, issuer }
    }

    /// An access token of this session, but for `changes`.
    fn token(&self, changes: &Value) -> String {
        let mut claims = self.issuer.claims("https://api-1", "https://api-1/read");
        claims["sid"] = json!("s-1");
        claims["exp"] = json!(self.world.clock.now().secs() + 900);
        claims["iat"] = json!(self.world.clock.now().secs());
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.issuer.key.sign(&self.issuer.header(), &claims)
    }

    pub(super) async fn browser(&self, mode: SessionMode) -> Browser {
        let token = self.token(&json!({}));
        let record = self.world.record(mode, &token, Some(REFRESH));
        self.world.begin(&record).await
    }

    pub(super) async fn usable(&self, browser: &Browser) -> bool {
        let Some(session) = self.world.open(browser, CALL).await else {
            return false;
        };
        let now = self.world.clock.now();
        session
            .access_token(UserToken::Own, &API1, now, Duration::ZERO)
            .is_some()
    }
}

/// `browser` with another value in the cookie `name`.
fn with(browser: &Browser, name: &'static str, value: &str) -> Browser {
    let mut changed = browser.clone();
    changed.take([actix_web::cookie::Cookie::new(name, value.to_owned())]);
    changed
}

#[actix_web::test]
async fn each_mode_gives_its_cookies_and_only_the_access_tokens_are_readable_there() {
    let setup = Setup::new();
    for (mode, names) in [
        (
            SessionMode::Hybrid,
            &[
                "__Host-session",
                "__Host-session_id",
                "__Secure-access_api1",
            ][..],
        ),
        (
            SessionMode::Stateless,
            &[
                "__Host-refresh",
                "__Host-session",
                "__Host-session_id",
                "__Secure-access_api1",
            ],
        ),
    ] {
        let browser = setup.browser(mode).await;
        assert_eq!(browser.names(), names, "{mode}");
        assert!(setup.usable(&browser).await, "{mode}");
        for secret in [REFRESH, "id-token-secret", "Alice", "user-1"] {
            assert!(!browser.all().contains(secret), "{mode}: {secret}");
        }
    }
}

#[actix_web::test]
async fn a_call_in_hybrid_or_stateless_asks_no_store() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let browser = setup.browser(mode).await;
        let (usable, commands) = store::op_count::counted(setup.usable(&browser)).await;
        assert!(usable, "{mode}");
        assert_eq!(commands, 0, "{mode}");
    }
}

#[actix_web::test]
async fn rfc9068_4_a_token_from_a_cookie_is_checked_in_full() {
    let setup = Setup::new();
    let stranger = TestKey::es256();
    let good = setup.token(&json!({}));
    let claims = setup.issuer.claims("https://api-1", "https://api-1/read");
    let bad = [
        setup.token(&json!({"client_id": "app2"})),
        setup.token(&json!({"sub": "user-2"})),
        setup.token(&json!({"sid": "s-2"})),
        setup.token(&json!({"aud": "https://api-2"})),
        setup.token(&json!({"iss": "http://evil.localhost"})),
        setup.token(&json!({"exp": setup.world.clock.now().secs()})),
        stranger.sign(&setup.issuer.header(), &claims),
        format!("{good}x"),
        "not-a-token".to_owned(),
    ];
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let browser = setup.browser(mode).await;
        // Seen a moment ago: what is bad must not pass for it.
        let seen = with(&browser, API1.cookie, &good);
        assert!(setup.usable(&seen).await, "{mode}");
        for token in &bad {
            let planted = with(&browser, API1.cookie, token);
            assert!(!setup.usable(&planted).await, "{mode}: {token}");
            let still = setup.world.open(&planted, CALL).await;
            assert!(still.is_some(), "{mode}: the session itself is fine");
        }
        let other = with(&browser, API1.cookie, &setup.token(&json!({"jti": "t-2"})));
        assert!(setup.usable(&other).await, "{mode}");
    }
}

/// Whether a call finds its session in the cookies, and not by its id.
async fn is_in_cookies(setup: &Setup, browser: &Browser) -> bool {
    let session = setup.world.open(browser, CALL).await;
    session.is_some_and(|session| matches!(session.source, Source::Cookies(_)))
}

#[actix_web::test]
async fn cookies_of_two_sessions_do_not_go_together() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let (first, second) = (setup.browser(mode).await, setup.browser(mode).await);
        for own in [&first, &second] {
            assert!(is_in_cookies(&setup, own).await, "{mode}");
        }
        let mixed = with(&first, cookies::IDENTITY, second.value(cookies::IDENTITY));
        assert!(!is_in_cookies(&setup, &mixed).await, "{mode}");
        let mixed = with(&first, cookies::SESSION, second.value(cookies::SESSION));
        assert!(!is_in_cookies(&setup, &mixed).await, "{mode}");
    }
    let (first, second) = (
        setup.browser(SessionMode::Stateless).await,
        setup.browser(SessionMode::Stateless).await,
    );
    let mixed = with(&first, cookies::RENEWAL, second.value(cookies::RENEWAL));
    let req = mixed.request("/");
    let codec = &setup.world.sessions.codec;
    assert!(codec.renewal_in(&mixed.id(), &Cookies::of(&req)).is_none());
}

#[actix_web::test]
async fn a_mode_is_not_changed_by_leaving_a_cookie_out_or_adding_one() {
    let setup = Setup::new();
    let hybrid = setup.browser(SessionMode::Hybrid).await;
    let stateless = setup.browser(SessionMode::Stateless).await;
    let refresh = stateless.value(cookies::RENEWAL);
    let posed = with(&hybrid, cookies::RENEWAL, refresh);
    assert!(setup.world.open(&posed, CALL).await.is_none());
    let mut reduced = stateless.clone();
    reduced.take([cookies::forget(cookies::RENEWAL)]);
    assert!(setup.world.open(&reduced, CALL).await.is_none());
}

#[actix_web::test]
async fn old_sealing_keys_still_open_and_the_new_one_seals() {
    let setup = Setup::new();
    let (old, new) = ([1; 32], [2; 32]);
    let jwks = setup.issuer.issuer().jwks(setup.world.clock.clone());
    let codec = |masters: &[[u8; 32]]| {
        let keyring = |what: &str| Keyring::new(masters, what);
        let lifetimes = setup.world.sessions.settings().lifetimes;
        CookieCodec::new(
            setup.world.sessions.credentials(),
            keyring,
            &jwks,
            &setup.world.deps,
            lifetimes,
        )
    };
    let id = setup.browser(SessionMode::Stateless).await.id();
    let record = setup
        .world
        .record(SessionMode::Stateless, "a.b.c", Some(REFRESH));
    let sealed_by = |codec: &CookieCodec| {
        let mut browser = Browser::default();
        browser.take(codec.renewal(&id, &Renewal::of(&record)).unwrap());
        browser.request("/")
    };
    let opens = |codec: &CookieCodec, req: &actix_web::HttpRequest| {
        codec.renewal_in(&id, &Cookies::of(req)).is_some()
    };
    let (before, rotated, after) = (codec(&[old]), codec(&[new, old]), codec(&[new]));
    assert!(opens(&rotated, &sealed_by(&before)));
    assert!(opens(&after, &sealed_by(&rotated)));
    assert!(!opens(&after, &sealed_by(&before)));
}

#[actix_web::test]
async fn a_stateless_session_is_extended_in_its_cookie_and_ends_when_idle() {
    let setup = Setup::new();
    let mut browser = setup.browser(SessionMode::Stateless).await;
    setup.world.clock.advance(IDLE / 20);
    let req = browser.request("/api1/data");
    let (session, set) = setup.world.sessions.open(&req, CALL).await.unwrap();
    let ends = setup.world.clock.now() + IDLE;
    assert_eq!(session.unwrap().about().expires_at, ends, "told at once");
    let set = set.into_cookies();
    assert_eq!(set.len(), 1);
    assert_eq!(set[0].name(), cookies::IDENTITY);
    browser.take(set);
    let looked = setup.world.peek(&browser).await.unwrap();
    assert_eq!(looked.about().expires_at, setup.world.clock.now() + IDLE);
    setup.world.clock.advance(IDLE);
    assert!(setup.world.peek(&browser).await.is_none());
}

/// Signs out and gives the browser as it is then.
async fn sign_out(setup: &Setup, browser: &Browser) -> Browser {
    let session = setup.world.peek(browser).await.unwrap();
    let req = browser.request("/logout");
    let ended = setup.world.sessions.end(&req, &session).await.unwrap();
    assert_eq!(ended.refresh_token.as_deref(), Some(REFRESH));
    assert_eq!(ended.id_token.as_deref(), Some("id-token-secret"));
    assert!(ended.still_good.contains_key("https://api-1"));
    let mut after = browser.clone();
    after.take(ended.cookies.into_cookies());
    after
}

#[actix_web::test]
async fn a_late_set_cookie_does_not_bring_an_ended_session_back() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let before = setup.browser(mode).await;
        let mut after = sign_out(&setup, &before).await;
        assert_eq!(after.names(), [cookies::ENDED], "{mode}: all is forgotten");
        // An answer that was under way sets all of them once more.
        after.take(before.clone().0.into_values());
        assert!(setup.world.open(&after, CALL).await.is_none(), "{mode}");
        // The next login of this browser is not meant.
        let next = setup.browser(mode).await;
        after.take(next.0.into_values());
        assert!(setup.usable(&after).await, "{mode}");
    }
}

#[actix_web::test]
async fn a_renewed_token_is_set_in_cookies() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let mut browser = setup.browser(mode).await;
        let req = browser.request("/api2/data");
        let opened = setup.world.sessions.open(&req, Purpose::Call(&API2)).await;
        let session: Session = opened.unwrap().0.unwrap();
        assert!(matches!(session.source, Source::Cookies(_)));
        let now = setup.world.clock.now();
        assert!(
            session
                .access_token(UserToken::Own, &API2, now, Duration::ZERO)
                .is_none()
        );
        let token = setup.token(&json!({"aud": "https://api-2"}));
        let grant = grant(&token, Some("R1"), now, 900);
        let codec = &setup.world.sessions.codec;
        let renewal = codec.renewal_in(&session.id, &Cookies::of(&req));
        browser.take(codec.renewed_token(
            &session.id,
            (&API2, UserToken::Own),
            &AccessToken::from(&grant),
        ));
        if let Some(renewal) = renewal {
            let renewal = renewal.after(grant.refresh_token.as_ref());
            let renewal = renewal.with("https://api-2", grant.expires_at);
            browser.take(codec.renewal(&session.id, &renewal).unwrap());
        }
        let session = setup.world.open(&browser, Purpose::Call(&API2)).await;
        let session = session.unwrap();
        assert!(
            session
                .access_token(UserToken::Own, &API2, now, Duration::ZERO)
                .is_some(),
            "{mode}"
        );
        if mode == SessionMode::Stateless {
            let req = browser.request("/");
            let renewal = codec.renewal_in(&session.id, &Cookies::of(&req));
            assert_eq!(renewal.unwrap().refresh_token.as_deref(), Some("R1"));
        }
    }
}

#[actix_web::test]
async fn a_hybrid_session_in_use_outlives_its_idle_time() {
    let setup = Setup::new();
    let mut browser = setup.browser(SessionMode::Hybrid).await;
    for _ in 0..40 {
        setup.world.clock.advance(Duration::from_secs(900));
        let session = setup.world.open(&browser, CALL).await.unwrap();
        let sessions = &setup.world.sessions;
        let extended = sessions.records().load(&session.id.handle()).await;
        assert!(extended.unwrap().is_some());
        let now = setup.world.clock.now();
        let token = AccessToken::from(&grant(&setup.token(&json!({})), None, now, 900));
        browser.take(
            sessions
                .codec
                .renewed_token(&session.id, (&API1, UserToken::Own), &token),
        );
        assert!(setup.usable(&browser).await);
    }
    assert!(setup.world.clock.now() > token_verify::testing::START + IDLE);
}

#[actix_web::test]
async fn a_token_in_another_apis_cookie_counts_for_neither() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let browser = setup.browser(mode).await;
        assert!(setup.usable(&browser).await);
        // Known to be good, but at API-1.
        let token = browser.value(API1.cookie).to_owned();
        let path = actix_web::cookie::Cookie::build(API2.cookie, token).path(API2.path);
        let mut planted = browser.clone();
        planted.take([path.finish()]);
        let session = setup.world.open(&planted, Purpose::Call(&API2)).await;
        let now = setup.world.clock.now();
        assert!(
            session
                .unwrap()
                .access_token(UserToken::Own, &API2, now, Duration::ZERO)
                .is_none()
        );
    }
}

#[actix_web::test]
async fn what_a_late_answer_to_a_former_session_left_does_not_hide_the_new_one() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let former = setup.browser(mode).await;
        let (new, _) = setup.world.session().await;
        let mut both = former.clone();
        both.take(new.0.clone().into_values());
        let session = setup.world.open(&both, CALL).await.unwrap();
        assert_eq!(session.about().mode, SessionMode::Stateful, "{mode}");
    }
}

#[actix_web::test]
async fn an_opaque_token_is_sealed_for_its_session_and_its_api() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let record = setup.world.record(mode, "opaque", Some(REFRESH));
        let browser = setup.world.begin(&record).await;
        let cookie = browser.value(API1.cookie).to_owned();
        assert!(!cookie.contains("opaque") && !cookie.contains('.'));
        let now = setup.world.clock.now();
        // The second time from the cache of verified cookies.
        for _ in 0..2 {
            let session = setup.world.open(&browser, CALL).await.unwrap();
            let token = session
                .access_token(UserToken::Own, &API1, now, Duration::ZERO)
                .unwrap();
            assert_eq!(token.token.token(), "opaque", "{mode}");
        }
        let usable = async |browser: &Browser, api: &'static Audience| {
            let session = setup.world.open(browser, Purpose::Call(api)).await;
            let session = session.unwrap();
            session
                .access_token(UserToken::Own, api, now, Duration::ZERO)
                .is_some()
        };
        let planted = |cookie: String| {
            let path = actix_web::cookie::Cookie::build(API2.cookie, cookie).path(API2.path);
            let mut browser = browser.clone();
            browser.take([path.finish()]);
            browser
        };
        assert!(!usable(&planted(cookie.clone()), &API2).await, "{mode}");
        assert!(!usable(&planted("opaque".to_owned()), &API2).await);
        let other = setup.world.begin(&record).await;
        assert!(!usable(&with(&other, API1.cookie, &cookie), &API1).await);
        let mut bent = cookie.clone();
        bent.replace_range(20..21, if &cookie[20..21] == "A" { "B" } else { "A" });
        assert!(!usable(&with(&browser, API1.cookie, &bent), &API1).await);
    }
}

#[actix_web::test]
async fn an_opaque_token_counts_only_as_a_token_of_the_kind_that_its_session_uses() {
    let setup = Setup::new();
    for mode in [SessionMode::Hybrid, SessionMode::Stateless] {
        let record = setup.world.record(mode, "opaque", Some(REFRESH));
        let browser = setup.world.begin(&record).await;
        let now = setup.world.clock.now();
        let token = AccessToken::from(&grant("other", None, now, 900));
        let id = browser.id();
        let codec = &setup.world.sessions.codec;
        for (kind, counts) in [(UserToken::Own, true), (UserToken::Exchanged, false)] {
            let mut browser = browser.clone();
            browser.take(codec.renewed_token(&id, (&API1, kind), &token));
            let session = setup.world.open(&browser, CALL).await.unwrap();
            let found = session.access_token(UserToken::Own, &API1, now, Duration::ZERO);
            let found = found.map(|token| token.token.token().to_owned());
            assert_eq!(found.as_deref() == Some("other"), counts, "{mode} {kind:?}");
        }
    }
}

#[actix_web::test]
async fn keys_that_cannot_be_had_are_an_outage_and_no_logout() {
    let world = super::world();
    let record = world.record(SessionMode::Hybrid, super::UNSIGNED, None);
    let issuer = TestIssuer::start(TestKey::es256()).unwrap();
    let token = issuer.token("https://api-1", "x");
    let browser = with(&world.begin(&record).await, API1.cookie, &token);
    let req = browser.request("/api1/data");
    assert!(world.sessions.open(&req, CALL).await.is_err());
}
