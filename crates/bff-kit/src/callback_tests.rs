//! Answers that do not simply end in a session, and what they leave of the login.

use std::sync::atomic::Ordering::SeqCst;

use actix_web::{http::StatusCode, test::TestRequest};

use super::{
    flow::{Begun, flow, session_cookie},
    tests::setup,
    *,
};
use crate::{app::RequestBy, pre_session::NewLogin};

#[actix_web::test]
async fn a_denied_consent_is_a_403_page() {
    let flow = flow(RequestBy::Url);
    let begun = flow.begin("").await;
    let state = &begun.params["state"];
    let query = format!("error=access_denied&state={state}&iss=http%3A%2F%2Fidp.localhost%3A8081");
    let seen = flow.answer(&begun, &query).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(seen.body.contains("access_denied"));
}

#[actix_web::test]
async fn a_callback_while_the_store_is_away_can_be_sent_again() {
    let flow = flow(RequestBy::Url);
    let begun = flow.begin("?return_to=/docs").await;
    flow.setup.store.away.store(true, SeqCst);
    let away = flow.good_answer(&begun).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(away.header("set-cookie"), "", "the login's cookie stays");
    flow.setup.store.away.store(false, SeqCst);
    let again = flow.good_answer(&begun).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.body);
}

#[actix_web::test]
async fn a_callback_while_the_provider_is_away_uses_nothing_up() {
    let setup = setup();
    let logins = &setup.bff.pre_sessions;
    let request = TestRequest::default().to_http_request();
    let begun = logins
        .begin(
            &request,
            "S555",
            NewLogin {
                return_to: "/",
                signed_in_since: None,
                mode: None,
                credentials: crate::credentials::Chosen::default(),
                pushes: false,
                second_provider: false,
            },
        )
        .await
        .unwrap();
    let cookie = begun.cookies[0].clone();
    let callback = TestRequest::get()
        .uri("/callback?code=c&state=S555")
        .cookie(cookie.clone());
    let away = setup.ask(callback).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!away.header("retry-after").is_empty());
    assert_eq!(away.header("set-cookie"), "", "the login's cookie stays");
    let request = TestRequest::default().cookie(cookie).to_http_request();
    assert!(logins.find(&request, "S555").await.is_ok());
}

#[actix_web::test]
async fn a_made_up_cookie_leaves_the_login_to_the_browser_that_began_it() {
    let flow = flow(RequestBy::Url);
    let begun = flow.begin("").await;
    let forged = Begun {
        params: begun.params.clone(),
        cookies: vec![cookies::login(
            &begun.params["state"],
            "1.guess",
            std::time::Duration::ZERO,
        )],
    };
    assert_eq!(
        flow.good_answer(&forged).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(flow.good_answer(&begun).await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn a_former_session_that_cannot_be_ended_does_not_fail_the_new_one() {
    let flow = flow(RequestBy::Url);
    let (old, _) = flow.setup.world.session().await;
    let old = old.id();
    let mut begun = flow.begin("").await;
    begun.cookies.push(cookies::session(old.expose()));
    flow.setup.store.keeps.store(true, SeqCst);
    let seen = flow.good_answer(&begun).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
    assert_ne!(session_cookie(&seen).unwrap().value(), old.expose());
}

#[actix_web::test]
async fn a_cookie_that_comes_twice_ends_on_a_page_that_names_it_and_uses_nothing_up() {
    let flow = flow(RequestBy::Url);
    let begun = flow.begin("").await;
    let login = begun.cookies[0].clone();
    let (state, nonce) = (&begun.params["state"], &begun.params["nonce"]);
    let query = format!("code={nonce}&state={state}&iss=http%3A%2F%2Fidp.localhost%3A8081");
    let own = format!("{}={}", login.name(), login.value());
    for twice in [
        login.name(),
        cookies::SESSION,
        "__Host-ended",
        "__Host-session.1",
    ] {
        let line = format!("{own}; {twice}=a; {twice}=b");
        for uri in [
            "/login",
            "/login?prompt=login",
            &format!("/callback?{query}"),
        ] {
            let harmless = twice == login.name() && uri.starts_with("/login");
            let request = TestRequest::get().uri(uri);
            let seen = flow
                .setup
                .ask(request.insert_header(("cookie", line.as_str())))
                .await;
            if harmless {
                assert_eq!(seen.status, StatusCode::FOUND, "another login is begun");
                continue;
            }
            assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{uri} {twice}");
            let words = format!("delete every cookie with the name {twice},");
            assert!(seen.body.contains(&words), "{uri} {twice}: {}", seen.body);
            assert_eq!(seen.header("set-cookie"), "", "none is removed");
        }
    }
    assert_eq!(flow.good_answer(&begun).await.status, StatusCode::SEE_OTHER);
}
