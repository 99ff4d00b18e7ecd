//! Credentials by other methods than `refresh`, with sessions in each place.

use std::sync::atomic::Ordering::SeqCst;

use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::{Purpose, Session, SessionMode, TokenError},
    Browser, UNSIGNED,
    provider_stub::{Setup, copy, setup},
};
use crate::{
    audiences::{API1, API2, Audience, PerApi},
    credentials::{Credential, CredentialMethod},
    provider::ProviderError,
};

use CredentialMethod::{ApiKey, ClientCredentials, JwtBearer, Refresh, TokenExchange};

/// A browser that signed in, whose session gets credentials for both APIs by `method`.
async fn signed_in(
    setup: &Setup,
    mode: SessionMode,
    method: CredentialMethod,
) -> (Browser, Session) {
    let world = &setup.world;
    let chosen = PerApi {
        api1: Some(method),
        api2: Some(method),
    };
    let record = world.record(mode, UNSIGNED, Some("R0")).choosing(chosen);
    let browser = world.begin(&record).await;
    let session = world.open(&browser, Purpose::Call(&API1)).await;
    (browser, session.unwrap())
}

/// The credential for `audience`, as another request of the browser gets it.
async fn ask(
    setup: &Setup,
    (browser, session): &(Browser, Session),
    audience: &'static Audience,
    rejected: Option<Credential>,
) -> Result<String, TokenError> {
    let req = browser.request(audience.path);
    let mut session = copy(session);
    let sessions = &setup.world.sessions;
    let got = sessions.credential(&req, &mut session, audience, rejected);
    got.await.map(|got| got.token().unwrap().token().to_owned())
}

fn token(method: CredentialMethod, text: &str) -> Credential {
    Credential::of_token(method, crate::bearer::Bearer::new(text).unwrap())
}

#[actix_web::test]
async fn rfc8693_2_the_logins_token_is_exchanged_once_for_each_api() {
    let setup = setup();
    let alice = signed_in(&setup, SessionMode::Stateful, TokenExchange).await;
    for (audience, expected) in [(&API1, "X1"), (&API2, "X2"), (&API1, "X1"), (&API2, "X2")] {
        let again = (alice.0.clone(), setup.world.peek(&alice.0).await.unwrap());
        let got = ask(&setup, &again, audience, None).await;
        assert_eq!(got.as_deref(), Ok(expected));
    }
    assert_eq!(
        setup.asked(),
        ["token-exchange"; 2],
        "the login's token was enough"
    );
    let seen = setup.stub.seen.lock().clone();
    assert!(
        seen.iter()
            .all(|body| body.contains(&format!("subject_token={UNSIGNED}")))
    );
    assert!(seen[0].contains("resource=https%3A%2F%2Fapi-1"));
    assert!(seen[1].contains("resource=https%3A%2F%2Fapi-2"));
    setup.end().await;
}

#[actix_web::test]
async fn a_hundred_calls_at_once_cost_one_exchange() {
    let setup = setup();
    let alice = signed_in(&setup, SessionMode::Stateful, TokenExchange).await;
    let all = join_all((0..100).map(|_| ask(&setup, &alice, &API1, None))).await;
    assert!(all.iter().all(|got| got.as_deref() == Ok("X1")), "{all:?}");
    assert_eq!(setup.asked(), ["token-exchange"]);
    setup.end().await;
}

#[actix_web::test]
async fn a_subject_token_that_the_provider_refuses_is_renewed_and_exchanged_once_more() {
    let setup = setup();
    let alice = signed_in(&setup, SessionMode::Stateful, TokenExchange).await;
    let refusal = (400, json!({"error": "invalid_request"}));
    setup.stub.instead.lock().push(refusal);
    let got = ask(&setup, &alice, &API2, None).await;
    assert_eq!(got.as_deref(), Ok("X1"));
    let asked = setup.asked();
    assert_eq!(asked, ["token-exchange", "refresh_token", "token-exchange"]);
    let saved = setup.saved(&alice.0).await;
    assert_eq!(saved.refresh_token.as_deref(), Some("R1"));
    assert_eq!(saved.tokens[API2.exchanged].token.token(), "X1");
    setup.end().await;
}

#[actix_web::test]
async fn an_exchange_that_no_policy_allows_costs_the_session_nothing() {
    let setup = setup();
    let alice = signed_in(&setup, SessionMode::Stateful, TokenExchange).await;
    let refusal = (400, json!({"error": "invalid_target"}));
    setup.stub.instead.lock().push(refusal);
    let refused = ask(&setup, &alice, &API2, None).await.unwrap_err();
    let code = ProviderError::Refused {
        code: "invalid_target".to_owned(),
    };
    assert_eq!(refused, TokenError::Provider(code));
    assert_eq!(setup.asked(), ["token-exchange"], "no refresh");
    assert!(setup.world.peek(&alice.0).await.is_some());
    setup.end().await;
}

#[actix_web::test]
async fn rfc7523_2_1_an_assertion_names_the_user_once_the_refresh_token_has_proven_the_login() {
    for mode in [SessionMode::Stateful, SessionMode::Stateless] {
        let setup = setup();
        let alice = signed_in(&setup, mode, JwtBearer).await;
        let got = ask(&setup, &alice, &API1, None).await;
        assert_eq!(got.as_deref(), Ok("J1"), "{mode}");
        assert_eq!(setup.asked(), ["refresh_token", "jwt-bearer"], "{mode}");
        let again = ask(&setup, &alice, &API1, None).await;
        assert_eq!(again.as_deref(), Ok("J1"), "{mode}: kept, or shared");
        assert_eq!(setup.asked().len(), 2, "{mode}");
        setup.end().await;
    }
}

#[actix_web::test]
async fn a_user_whom_the_app_may_not_name_stays_signed_in() {
    for mode in [SessionMode::Stateful, SessionMode::Stateless] {
        let setup = setup();
        setup.stub.grace.store(true, SeqCst);
        let alice = signed_in(&setup, mode, JwtBearer).await;
        // First the answer to the refresh, then the one to the assertion.
        let tokens = json!({
            "access_token": "A1", "token_type": "Bearer", "expires_in": 900, "refresh_token": "R1",
        });
        let refusal = json!({"error": "invalid_grant"});
        *setup.stub.instead.lock() = vec![(400, refusal), (200, tokens)];
        let refused = ask(&setup, &alice, &API1, None).await.unwrap_err();
        assert!(
            matches!(refused, TokenError::Provider(_)),
            "{mode}: {refused}"
        );
        let peeked = setup.world.peek(&alice.0).await;
        assert!(peeked.is_some(), "{mode}");
        setup.end().await;
    }
}

#[actix_web::test]
async fn a_refresh_token_that_was_redeemed_reaches_the_browser_although_nothing_was_made() {
    let setup = setup();
    let (mut browser, mut session) = signed_in(&setup, SessionMode::Stateless, JwtBearer).await;
    let before = browser.value(crate::cookies::RENEWAL).to_owned();
    let tokens = json!({
        "access_token": "A1", "token_type": "Bearer", "expires_in": 900, "refresh_token": "R1",
    });
    let refusal = json!({"error": "invalid_grant"});
    *setup.stub.instead.lock() = vec![(400, refusal), (200, tokens)];
    let req = browser.request("/api1/data");
    let sessions = &setup.world.sessions;
    let got = sessions.credential(&req, &mut session, &API1, None).await;
    assert!(got.is_err());
    browser.take(session.cookies.into_cookies());
    assert_ne!(browser.value(crate::cookies::RENEWAL), before);
    setup.stub.redeemed.store(1, SeqCst);
    setup
        .world
        .clock
        .advance(std::time::Duration::from_secs(60));
    let session = setup.world.open(&browser, Purpose::Call(&API1)).await;
    let alice = (browser, session.unwrap());
    let got = ask(&setup, &alice, &API1, None).await;
    assert_eq!(got.as_deref(), Ok("J1"), "R1 is good");
    setup.end().await;
}

#[actix_web::test]
async fn rfc6749_4_4_all_sessions_share_the_apps_own_token_and_one_request_gets_it() {
    let setup = setup();
    let alice = signed_in(&setup, SessionMode::Stateful, ClientCredentials).await;
    let bob = signed_in(&setup, SessionMode::Stateful, ClientCredentials).await;
    let asking = (0..100).map(|n| {
        let who = if n % 2 == 0 { &alice } else { &bob };
        ask(&setup, who, &API1, None)
    });
    let all = join_all(asking).await;
    assert!(all.iter().all(|got| got.as_deref() == Ok("C1")), "{all:?}");
    assert_eq!(setup.asked(), ["client_credentials"]);
    let body = setup.stub.seen.lock()[0].clone();
    assert!(body.contains("client_assertion=") && !body.contains("client_secret"));
    // An API that refuses it gets another one.
    let rejected = Some(token(ClientCredentials, "C1"));
    let next = ask(&setup, &alice, &API1, rejected.clone()).await;
    assert_eq!(next.as_deref(), Ok("C2"));
    let next = ask(&setup, &bob, &API1, rejected).await;
    assert_eq!(next.as_deref(), Ok("C2"), "it is another one already");
    assert_eq!(setup.asked().len(), 2);
    let saved = setup.saved(&alice.0).await;
    let kept: Vec<_> = saved.tokens.keys().collect();
    assert_eq!(
        kept,
        ["https://api-1"],
        "the session keeps the user's alone"
    );
    setup.end().await;
}

#[actix_web::test]
async fn an_api_key_costs_no_request_while_the_users_own_token_lives() {
    let setup = setup();
    let alice = signed_in(&setup, SessionMode::Stateful, ApiKey).await;
    let req = alice.0.request("/api1/data");
    let mut session = copy(&alice.1);
    let sessions = &setup.world.sessions;
    let got = sessions
        .credential(&req, &mut session, &API1, None)
        .await
        .unwrap();
    assert!(got.token().is_none());
    let mut headers = http::HeaderMap::new();
    got.put_on(&mut headers);
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["x-api-key"], "api1_key");
    assert_eq!(setup.asked(), [""; 0]);
    setup
        .world
        .clock
        .advance(std::time::Duration::from_secs(900));
    let again = setup.world.peek(&alice.0).await.unwrap();
    let mut session = copy(&again);
    sessions
        .credential(&req, &mut session, &API1, None)
        .await
        .unwrap();
    assert_eq!(setup.asked(), ["refresh_token"], "the login goes on");
    setup.end().await;
}

#[actix_web::test]
async fn the_apps_own_token_is_replaced_before_it_ends() {
    let setup = setup();
    let alice = signed_in(&setup, SessionMode::Stateful, ClientCredentials).await;
    let first = ask(&setup, &alice, &API1, None).await;
    assert_eq!(first.as_deref(), Ok("C1"));
    setup
        .world
        .clock
        .advance(std::time::Duration::from_secs(869));
    let same = ask(&setup, &alice, &API1, None).await;
    assert_eq!(same.as_deref(), Ok("C1"));
    setup.world.clock.advance(std::time::Duration::from_secs(1));
    let again = (alice.0.clone(), setup.world.peek(&alice.0).await.unwrap());
    let next = ask(&setup, &again, &API1, None).await;
    assert_eq!(next.as_deref(), Ok("C2"));
    // The user's own token had to be renewed too: that the login goes on was proven.
    let asked = setup.asked();
    assert_eq!(
        asked,
        ["client_credentials", "refresh_token", "client_credentials"]
    );
    setup.end().await;
}

#[actix_web::test]
async fn a_login_that_has_ended_ends_the_session_whatever_its_method() {
    for method in [Refresh, TokenExchange, ClientCredentials, JwtBearer, ApiKey] {
        for mode in [SessionMode::Stateful, SessionMode::Stateless] {
            let setup = setup();
            let alice = signed_in(&setup, mode, method).await;
            // The provider knows neither refresh token nor access token any more.
            setup.stub.redeemed.store(7, SeqCst);
            setup
                .world
                .clock
                .advance(std::time::Duration::from_secs(3600));
            let session = setup.world.open(&alice.0, Purpose::Call(&API1)).await;
            let again = (alice.0.clone(), session.unwrap());
            let got = ask(&setup, &again, &API1, None).await;
            assert_eq!(got, Err(TokenError::Ended), "{method} {mode}");
            assert_eq!(setup.asked(), ["refresh_token"], "{method} {mode}");
            setup.end().await;
        }
    }
}
