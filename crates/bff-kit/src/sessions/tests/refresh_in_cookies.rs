//! Renewing the tokens of sessions in cookies.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::{Purpose, Session, SessionMode, TokenError, Wanted},
    Browser, UNSIGNED,
    provider_stub::{Setup, ask, copy, setup, want},
};
use crate::{
    audiences::{API1, API2},
    bearer::Bearer,
    cookies,
    credentials::UserToken,
};

async fn signed_in(setup: &Setup) -> (Browser, Session) {
    let world = &setup.world;
    let record = world.record(SessionMode::Stateless, UNSIGNED, Some("R0"));
    let browser = world.begin(&record).await;
    let session = world.open(&browser, Purpose::Call(&API1)).await;
    (browser, session.unwrap())
}

#[actix_web::test]
async fn a_hundred_at_once_cost_one_redeem_for_each_audience_and_no_store() {
    let setup = setup();
    setup.stub.grace.store(true, SeqCst);
    let (browser, session) = signed_in(&setup).await;
    let asking = (0..100).map(|n| {
        let audience = if n % 2 == 0 { &API1 } else { &API2 };
        ask(&setup.world.sessions, &browser, &session, want(audience))
    });
    let (answers, commands) = store::op_count::counted(join_all(asking)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(setup.stub.seen.lock().len(), 2, "one an audience");
    assert_eq!(commands, 0);
    setup.end().await;
}

#[actix_web::test]
async fn each_replica_redeems_what_the_cookie_brought_and_never_a_successor() {
    let setup = setup();
    setup.stub.grace.store(true, SeqCst);
    let other = setup.replica();
    let (browser, session) = signed_in(&setup).await;
    for sessions in [&*setup.world.sessions, &other] {
        for audience in [&API1, &API2] {
            ask(sessions, &browser, &session, want(audience))
                .await
                .unwrap();
        }
    }
    let seen = setup.stub.seen.lock().clone();
    assert_eq!(seen.len(), 4, "one a replica and audience");
    assert!(seen.iter().all(|body| body.contains("refresh_token=R0")));
    setup.end().await;
}

#[actix_web::test]
async fn a_renewed_token_reaches_the_browser_and_is_used_from_then_on() {
    let setup = setup();
    let (mut browser, mut session) = signed_in(&setup).await;
    let req = browser.request("/api1/data");
    let sessions = &setup.world.sessions;
    let token = sessions.access_token(&req, &mut session, want(&API1));
    assert_eq!(token.await.unwrap().token(), "A1");
    browser.take(session.cookies.into_cookies());
    // The provider's own tokens are no JWTs here: their cookies are sealed.
    assert!(!browser.value(API1.cookie).contains("A1"));
    setup.world.clock.advance(Duration::from_secs(60));
    let session = setup.world.open(&browser, Purpose::Call(&API1)).await;
    let session = session.unwrap();
    let again = ask(sessions, &browser, &session, want(&API1));
    assert_eq!(again.await.as_deref(), Ok("A1"));
    // Once it has ended, the next call renews it, with the successor.
    setup.world.clock.advance(Duration::from_secs(900));
    let session = setup.world.open(&browser, Purpose::Call(&API1)).await;
    let session = session.unwrap();
    let next = ask(sessions, &browser, &session, want(&API1));
    assert_eq!(next.await.as_deref(), Ok("A2"));
    setup.end().await;
}

#[actix_web::test]
async fn a_token_that_the_api_refused_is_not_shared_again() {
    let setup = setup();
    setup.stub.grace.store(true, SeqCst);
    let (browser, session) = signed_in(&setup).await;
    let first = ask(&setup.world.sessions, &browser, &session, want(&API1)).await;
    assert_eq!(first.as_deref(), Ok("A1"));
    let refused = Wanted {
        audience: &API1,
        token: UserToken::Own,
        rejected: Bearer::new("A1"),
    };
    let second = ask(&setup.world.sessions, &browser, &session, refused).await;
    assert_eq!(second.as_deref(), Ok("A1-again"));
    setup.end().await;
}

#[actix_web::test]
async fn an_answer_that_leaves_late_does_not_put_an_older_refresh_token_back() {
    let setup = setup();
    let (mut browser, mut session) = signed_in(&setup).await;
    let mut quick = copy(&session);
    let req = browser.request("/api1/data");
    let sessions = &setup.world.sessions;
    let token = sessions.access_token(&req, &mut session, want(&API1));
    token.await.unwrap();
    // Before that answer leaves, another one has brought R1, and R1 was used.
    let token = sessions.access_token(&req, &mut quick, want(&API1));
    token.await.unwrap();
    browser.take(quick.cookies.into_cookies());
    let next = browser.request("/api2/data");
    let opened = setup.world.open(&browser, Purpose::Call(&API2)).await;
    let mut opened = opened.unwrap();
    let token = sessions.access_token(&next, &mut opened, want(&API2));
    assert_eq!(token.await.unwrap().token(), "A2");
    let late = session.cookies.into_cookies();
    let set: Vec<_> = late.iter().map(|c| c.name().to_owned()).collect();
    assert_eq!(set, [API1.cookie], "its access token, and no refresh token");
    setup.end().await;
}

#[actix_web::test]
async fn a_retry_in_one_request_goes_on_with_what_the_first_try_gave() {
    let setup = setup();
    let (browser, mut session) = signed_in(&setup).await;
    let req = browser.request("/api1/data");
    let sessions = &setup.world.sessions;
    let first = sessions.access_token(&req, &mut session, want(&API1));
    assert_eq!(first.await.unwrap().token(), "A1");
    let refused = Wanted {
        audience: &API1,
        token: UserToken::Own,
        rejected: Bearer::new("A1"),
    };
    let second = sessions.access_token(&req, &mut session, refused);
    assert_eq!(second.await.unwrap().token(), "A2");
    assert!(setup.stub.seen.lock()[1].contains("refresh_token=R1"));
    setup.end().await;
}

#[actix_web::test]
async fn invalid_grant_makes_the_browser_forget_the_session_and_an_outage_does_not() {
    let setup = setup();
    let (mut browser, mut session) = signed_in(&setup).await;
    let away = (503, json!({}));
    setup.stub.instead.lock().extend([away.clone(), away]);
    let req = browser.request("/api1/data");
    let sessions = &setup.world.sessions;
    let failed = sessions.access_token(&req, &mut session, want(&API1));
    assert!(matches!(failed.await, Err(TokenError::Provider(_))));
    assert!(
        std::mem::take(&mut session.cookies)
            .into_cookies()
            .is_empty()
    );

    let gone = json!({"error": "invalid_grant"});
    setup.stub.instead.lock().push((400, gone));
    let ended = sessions.access_token(&req, &mut session, want(&API1));
    assert_eq!(ended.await, Err(TokenError::Ended));
    browser.take(session.cookies.into_cookies());
    assert_eq!(browser.names(), [cookies::ENDED]);
    setup.end().await;
}
