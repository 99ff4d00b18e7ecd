//! Renewing the tokens of sessions in the store.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::{
        SessionMode, TokenError, Wanted,
        in_store::{LEASE, hold},
    },
    provider_stub::{ask, setup, want},
    world,
};
use crate::{
    audiences::{API1, API2},
    bearer::Bearer,
    credentials::UserToken,
};

#[actix_web::test]
async fn a_hundred_at_once_cost_one_redeem() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    let asking = (0..100).map(|_| {
        let (browser, session) = &signed_in;
        ask(&setup.world.sessions, browser, session, want(&API2))
    });
    for asked in join_all(asking).await {
        assert_eq!(asked.as_deref(), Ok("A1"));
    }
    assert_eq!(setup.stub.redeemed.load(SeqCst), 1);
    setup.end().await;
}

#[actix_web::test]
async fn two_replicas_and_two_audiences_never_fork_the_family() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    let other = setup.replica();
    let asking = (0..20).map(|n| {
        let sessions = if n % 2 == 0 {
            &*setup.world.sessions
        } else {
            &other
        };
        let wanted = Wanted {
            audience: if n % 4 < 2 { &API1 } else { &API2 },
            token: UserToken::Own,
            rejected: Bearer::new("access-secret"),
        };
        ask(sessions, &signed_in.0, &signed_in.1, wanted)
    });
    for asked in join_all(asking).await {
        assert!(asked.is_ok());
    }
    assert_eq!(setup.stub.redeemed.load(SeqCst), 2, "one for each audience");
    let saved = setup.saved(&signed_in.0).await;
    assert_eq!(saved.refresh_token.as_deref(), Some("R2"));
    setup.end().await;
}

#[actix_web::test]
async fn a_kept_token_is_used_until_shortly_before_its_end() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    assert_eq!(
        setup.ask(&signed_in, &API1).await.as_deref(),
        Ok("access-secret")
    );
    setup.world.clock.advance(Duration::from_secs(869));
    assert_eq!(
        setup.ask(&signed_in, &API1).await.as_deref(),
        Ok("access-secret")
    );
    setup.world.clock.advance(Duration::from_secs(1));
    assert_eq!(setup.ask(&signed_in, &API1).await.as_deref(), Ok("A1"));
    assert!(setup.stub.seen.lock()[0].contains("resource=https%3A%2F%2Fapi-1"));
    setup.end().await;
}

#[actix_web::test]
async fn after_a_server_error_the_same_refresh_token_is_sent_once_more() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    setup.stub.instead.lock().push((500, json!({})));
    assert_eq!(setup.ask(&signed_in, &API2).await.as_deref(), Ok("A1"));
    setup
        .stub
        .instead
        .lock()
        .extend([(503, json!({})), (502, json!({}))]);
    let wanted = Wanted {
        audience: &API2,
        token: UserToken::Own,
        rejected: Bearer::new("A1"),
    };
    let failed = ask(&setup.world.sessions, &signed_in.0, &signed_in.1, wanted).await;
    assert!(matches!(failed, Err(TokenError::Provider(_))), "{failed:?}");
    assert_eq!(setup.stub.seen.lock().len(), 4);
    assert!(
        setup.world.peek(&signed_in.0).await.is_some(),
        "the session stays"
    );
    setup.end().await;
}

#[actix_web::test]
async fn invalid_grant_ends_the_session_and_another_refusal_does_not() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    setup
        .stub
        .instead
        .lock()
        .push((400, json!({"error": "invalid_target"})));
    assert!(matches!(
        setup.ask(&signed_in, &API2).await,
        Err(TokenError::Provider(_))
    ));
    assert!(setup.world.peek(&signed_in.0).await.is_some());
    setup
        .stub
        .instead
        .lock()
        .push((400, json!({"error": "invalid_grant"})));
    assert_eq!(setup.ask(&signed_in, &API2).await, Err(TokenError::Ended));
    assert!(setup.world.peek(&signed_in.0).await.is_none());
    setup.end().await;
}

#[actix_web::test]
async fn a_session_that_ended_meanwhile_gets_no_token_and_is_not_brought_back() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    let request = signed_in.0.request("/");
    let ending = setup.world.sessions.end(&request, &signed_in.1);
    ending.await.unwrap();
    assert_eq!(setup.ask(&signed_in, &API2).await, Err(TokenError::Ended));
    assert_eq!(setup.stub.redeemed.load(SeqCst), 0);
    assert!(setup.world.peek(&signed_in.0).await.is_none());
    setup.end().await;
}

#[actix_web::test]
async fn a_token_for_another_audience_is_refused_and_the_rotation_kept() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    // {"aud":"https://api-9"}
    let jwt = "x.eyJhdWQiOiJodHRwczovL2FwaS05In0.y";
    let answer = json!({"access_token": jwt, "token_type": "Bearer", "expires_in": 900, "refresh_token": "R7"});
    setup.stub.instead.lock().push((200, answer));
    assert_eq!(
        setup.ask(&signed_in, &API2).await,
        Err(TokenError::WrongAudience)
    );
    let saved = setup.saved(&signed_in.0).await;
    assert_eq!(saved.refresh_token.as_deref(), Some("R7"));
    assert!(!saved.tokens.contains_key(API2.uri));
    setup.end().await;
}

#[actix_web::test]
async fn without_a_refresh_token_the_session_lasts_as_long_as_a_token_is_of_use() {
    let setup = setup();
    let record = || {
        setup
            .world
            .record(SessionMode::Stateful, "access-secret", None)
    };
    let browser = setup.world.begin(&record()).await;
    let session = setup.world.peek(&browser).await.unwrap();
    let signed_in = (browser, session);
    assert_eq!(
        setup.ask(&signed_in, &API2).await,
        Err(TokenError::NoRefreshToken)
    );
    assert_eq!(
        setup.ask(&signed_in, &API1).await.as_deref(),
        Ok("access-secret"),
        "the session stays"
    );
    let refused = Wanted {
        audience: &API1,
        token: UserToken::Own,
        rejected: Bearer::new("access-secret"),
    };
    let ended = ask(&setup.world.sessions, &signed_in.0, &signed_in.1, refused).await;
    assert_eq!(ended, Err(TokenError::Ended), "the last one was refused");
    assert!(setup.world.peek(&signed_in.0).await.is_none());
    let browser = setup.world.begin(&record()).await;
    let session = setup.world.peek(&browser).await.unwrap();
    let signed_in = (browser, session);
    setup.world.clock.advance(Duration::from_secs(870));
    assert_eq!(setup.ask(&signed_in, &API2).await, Err(TokenError::Ended));
    assert!(setup.world.peek(&signed_in.0).await.is_none());
    setup.end().await;
}

#[actix_web::test]
async fn a_new_refresh_token_that_the_store_could_not_take_is_saved_once_it_is_back() {
    let mut setup = setup();
    let store = setup.watch_the_store();
    let signed_in = setup.world.session().await;
    store.only_reads.store(true, SeqCst);
    assert_eq!(setup.ask(&signed_in, &API2).await.as_deref(), Ok("A1"));
    let kept = setup.saved(&signed_in.0).await;
    assert_eq!(kept.refresh_token.as_deref(), Some("R0"), "not saved yet");
    store.only_reads.store(false, SeqCst);
    // Whether the next call or the one that waits for the store saves it: the
    // old one is not redeemed again.
    let other = Wanted {
        audience: &API1,
        token: UserToken::Own,
        rejected: Bearer::new("access-secret"),
    };
    let next = ask(&setup.world.sessions, &signed_in.0, &signed_in.1, other).await;
    assert_eq!(next.as_deref(), Ok("A2"));
    assert!(setup.stub.seen.lock()[1].contains("refresh_token=R1"));
    setup.end().await;
}

#[actix_web::test]
async fn a_provider_that_asks_to_wait_is_not_asked_again_at_once() {
    let setup = setup();
    let signed_in = setup.world.session().await;
    setup.stub.instead.lock().push((429, json!({})));
    let refused = setup.ask(&signed_in, &API2).await;
    assert!(
        matches!(refused, Err(TokenError::Provider(_))),
        "{refused:?}"
    );
    assert_eq!(setup.stub.seen.lock().len(), 1);
    setup.end().await;
}

#[actix_web::test]
async fn a_lease_that_another_has_taken_is_prolonged_no_more() {
    let world = world();
    let every = Duration::from_millis(1);
    assert!(world.store.lease("l", "first", LEASE).await.unwrap());
    world.clock.advance(LEASE);
    assert!(world.store.lease("l", "second", LEASE).await.unwrap());
    hold(&*world.store, "l", "first", every).await;
    assert!(world.store.release("l", "second").await.unwrap());
}
