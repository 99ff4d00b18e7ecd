//! Opaque access tokens in cookies.

use super::{super::world::grant, *};
use crate::audiences::Audience;

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
