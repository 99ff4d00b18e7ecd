//! How a session goes on and ends.

use super::{
    super::{
        super::{Session, session::Source},
        IDLE,
        world::grant,
    },
    *,
};
use crate::cookies::{self, Cookies};

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
