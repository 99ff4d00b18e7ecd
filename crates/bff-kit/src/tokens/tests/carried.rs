//! Minting for sessions that the browser carries whole.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use actix_web::HttpResponse;
use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::{TokenError, Wanted},
    Browser, Setup, ask, setup, tokens, want,
};
use crate::{
    audiences::{API1, API2},
    bearer::Bearer,
    cookies,
    sessions::{Purpose, Session, SessionMode, tests::UNSIGNED},
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
        ask(&setup.tokens, &browser, &session, want(audience))
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
    let other = tokens(&setup.world, &setup.tokens.0.provider);
    let (browser, session) = signed_in(&setup).await;
    for tokens in [&setup.tokens, &other] {
        for audience in [&API1, &API2] {
            ask(tokens, &browser, &session, want(audience))
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
async fn what_was_minted_reaches_the_browser_and_is_used_from_then_on() {
    let setup = setup();
    let (mut browser, session) = signed_in(&setup).await;
    let req = browser.request("/api1/data");
    let token = setup.tokens.access_token_for(&req, &session, want(&API1));
    assert_eq!(token.await.unwrap().token(), "A1");
    let mut answer = HttpResponse::Ok().finish();
    cookies::put_on(&req, &mut answer);
    browser.take(answer.cookies().map(actix_web::cookie::Cookie::into_owned));
    assert_eq!(browser.value(API1.cookie), "A1");
    // The provider's own tokens are no JWTs here, so the next call renews too:
    // with the successor.
    setup.world.clock.advance(Duration::from_secs(60));
    let session = setup.world.open(&browser, Purpose::Call(&API1)).await;
    let session = session.unwrap();
    let next = ask(&setup.tokens, &browser, &session, want(&API1));
    assert_eq!(next.await.as_deref(), Ok("A2"));
    setup.end().await;
}

#[actix_web::test]
async fn a_token_that_the_api_refused_is_not_shared_again() {
    let setup = setup();
    setup.stub.grace.store(true, SeqCst);
    let (browser, session) = signed_in(&setup).await;
    let first = ask(&setup.tokens, &browser, &session, want(&API1)).await;
    assert_eq!(first.as_deref(), Ok("A1"));
    let refused = Wanted {
        audience: &API1,
        not: Bearer::new("A1"),
    };
    let second = ask(&setup.tokens, &browser, &session, refused).await;
    assert_eq!(second.as_deref(), Ok("A1-again"));
    setup.end().await;
}

#[actix_web::test]
async fn an_answer_that_leaves_late_does_not_put_an_older_refresh_token_back() {
    let setup = setup();
    let (mut browser, session) = signed_in(&setup).await;
    let req = browser.request("/api1/data");
    let token = setup.tokens.access_token_for(&req, &session, want(&API1));
    token.await.unwrap();
    // Before that answer leaves, another one has brought R1, and R1 was used.
    let mut quick = HttpResponse::Ok().finish();
    let other = browser.request("/api1/data");
    let token = setup.tokens.access_token_for(&other, &session, want(&API1));
    token.await.unwrap();
    cookies::put_on(&other, &mut quick);
    browser.take(quick.cookies().map(actix_web::cookie::Cookie::into_owned));
    let next = browser.request("/api2/data");
    let session = setup.world.open(&browser, Purpose::Call(&API2)).await;
    let session = session.unwrap();
    let token = setup.tokens.access_token_for(&next, &session, want(&API2));
    assert_eq!(token.await.unwrap().token(), "A2");
    let mut late = HttpResponse::Ok().finish();
    cookies::put_on(&req, &mut late);
    let set: Vec<_> = late.cookies().map(|c| c.name().to_owned()).collect();
    assert_eq!(set, [API1.cookie], "its access token, and no refresh token");
    setup.end().await;
}

#[actix_web::test]
async fn a_retry_in_one_request_goes_on_with_what_the_first_try_gave() {
    let setup = setup();
    let (browser, session) = signed_in(&setup).await;
    let req = browser.request("/api1/data");
    let first = setup.tokens.access_token_for(&req, &session, want(&API1));
    assert_eq!(first.await.unwrap().token(), "A1");
    let refused = Wanted {
        audience: &API1,
        not: Bearer::new("A1"),
    };
    let second = setup.tokens.access_token_for(&req, &session, refused);
    assert_eq!(second.await.unwrap().token(), "A2");
    assert!(setup.stub.seen.lock()[1].contains("refresh_token=R1"));
    setup.end().await;
}

#[actix_web::test]
async fn invalid_grant_makes_the_browser_forget_the_session_and_an_outage_does_not() {
    let setup = setup();
    let (browser, session) = signed_in(&setup).await;
    let away = (503, json!({}));
    setup.stub.instead.lock().extend([away.clone(), away]);
    let req = browser.request("/api1/data");
    let failed = setup.tokens.access_token_for(&req, &session, want(&API1));
    assert!(matches!(failed.await, Err(TokenError::Provider(_))));
    let mut answer = HttpResponse::Ok().finish();
    cookies::put_on(&req, &mut answer);
    assert_eq!(answer.cookies().count(), 0);

    let gone = json!({"error": "invalid_grant"});
    setup.stub.instead.lock().push((400, gone));
    let ended = setup.tokens.access_token_for(&req, &session, want(&API1));
    assert_eq!(ended.await, Err(TokenError::Ended));
    let mut after = browser.clone();
    cookies::put_on(&req, &mut answer);
    after.take(answer.cookies().map(actix_web::cookie::Cookie::into_owned));
    assert_eq!(after.names(), [cookies::ENDED]);
    setup.end().await;
}
