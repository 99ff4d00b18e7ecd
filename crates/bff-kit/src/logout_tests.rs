//! Signing out where something is away. Its provider was never reached.

use std::sync::atomic::Ordering::SeqCst;

use actix_web::{
    http::{Method, StatusCode},
    test::TestRequest,
};
use serde_json::{Value, json};
use token_verify::testing::TestKey;

use super::tests::{Seen, Setup, setup};
use crate::sessions::tests::Browser;

async fn log_out(setup: &Setup, browser: &Browser, uri: &str) -> Seen {
    let request = browser.test_request("/").method(Method::POST).uri(uri);
    let script = request.insert_header(("x-csrf", "1"));
    let script = script.insert_header(("accept", "application/json"));
    setup.ask(script).await
}

#[actix_web::test]
async fn without_a_provider_the_apps_session_ends_alone_and_the_answer_says_so() {
    let setup = setup();
    let (browser, _) = setup.world.session().await;
    let seen = log_out(&setup, &browser, "/logout").await;
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let alone = json!({"redirect_to": "/", "ends": "app", "still_valid": []});
    assert_eq!((seen.status, body), (StatusCode::OK, alone));
    assert_eq!(seen.header("cache-control"), "no-store");
    assert!(seen.header("set-cookie").contains("Max-Age=0"));
    assert!(setup.world.peek(&browser).await.is_none());
}

#[actix_web::test]
async fn where_the_store_is_away_or_keeps_it_the_session_and_its_cookie_stay() {
    let setup = setup();
    let (browser, _) = setup.world.session().await;
    for fault in [&setup.store.away, &setup.store.keeps] {
        fault.store(true, SeqCst);
        let seen = log_out(&setup, &browser, "/logout?scope=app").await;
        fault.store(false, SeqCst);
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            (seen.header("retry-after"), seen.header("set-cookie")),
            ("1", "")
        );
        assert!(setup.world.peek(&browser).await.is_some());
    }
}

#[actix_web::test]
async fn a_cookie_of_a_session_that_is_over_is_forgotten() {
    let setup = setup();
    let (browser, session) = setup.world.session().await;
    setup
        .world
        .sessions
        .end(&browser.request("/"), &session)
        .await
        .unwrap();
    for _ in 0..2 {
        let seen = log_out(&setup, &browser, "/logout").await;
        assert_eq!(seen.status, StatusCode::OK);
        assert!(seen.header("set-cookie").starts_with("__Host-session_id=;"));
    }
    let nobody = log_out(&setup, &Browser::default(), "/logout").await;
    assert_eq!(
        (nobody.status, nobody.header("set-cookie")),
        (StatusCode::OK, "")
    );
}

#[actix_web::test]
async fn a_provider_that_was_never_reached_has_to_tell_of_a_logout_again() {
    let setup = setup();
    let signed = TestKey::es256().sign(&json!({"alg": "ES256"}), &json!({}));
    for (token, status) in [
        (signed.as_str(), StatusCode::SERVICE_UNAVAILABLE),
        ("a.b.c", StatusCode::BAD_REQUEST),
    ] {
        let told = TestRequest::post().uri("/backchannel-logout");
        let seen = setup.ask(told.set_form([("logout_token", token)])).await;
        assert_eq!(seen.status, status, "{token}");
        assert_eq!(seen.header("cache-control"), "no-store");
    }
}
