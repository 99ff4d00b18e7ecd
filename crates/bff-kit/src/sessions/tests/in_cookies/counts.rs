//! Which cookies make a session, and which tokens in them count.

use kit::seal::Keyring;

use super::{
    super::{
        super::{
            cookie_codec::{CookieCodec, Renewal},
            session::Source,
        },
        UNSIGNED, world,
    },
    *,
};
use crate::cookies::{self, Cookies};

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
async fn keys_that_cannot_be_had_are_an_outage_and_no_logout() {
    let world = world();
    let record = world.record(SessionMode::Hybrid, UNSIGNED, None);
    let issuer = TestIssuer::start(TestKey::es256()).unwrap();
    let token = issuer.token("https://api-1", "x");
    let browser = with(&world.begin(&record).await, API1.cookie, &token);
    let req = browser.request("/api1/data");
    assert!(world.sessions.open(&req, CALL).await.is_err());
}
