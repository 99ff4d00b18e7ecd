//! A login from `/login` to its session, against a provider of this test's own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix_web::{cookie::Cookie, http::StatusCode, test::TestRequest};
use kit::clock::Clock as _;
use oauth_types::pkce;
use serde_json::json;
use token_verify::{Issuer, testing::START};

use self::provider::{Idp, base, key};
use super::{
    tests::{Seen, Setup, setup_at},
    *,
};
use crate::app::RequestBy;

const ISSUER: &str = "http://idp.localhost:8081";

pub(super) type Form = HashMap<String, String>;

pub(super) struct Flow {
    pub(super) setup: Setup,
    idp: Arc<Idp>,
}

/// A login that has reached the provider.
pub(super) struct Begun {
    pub(super) params: Form,
    pub(super) cookies: Vec<Cookie<'static>>,
}

pub(super) fn flow(request: RequestBy) -> Flow {
    flow_at(ISSUER, request)
}

/// With a provider that calls itself `issuer`.
fn flow_at(issuer: &str, request: RequestBy) -> Flow {
    // The clock of `world()` stands still until a test moves it.
    let (idp, address) = Idp::start(issuer, START.secs());
    Flow {
        setup: setup_at(Issuer::new(issuer, &address), request),
        idp,
    }
}

fn cookies_of(seen: &Seen) -> Vec<Cookie<'static>> {
    let set = seen.headers.get_all("set-cookie");
    set.map(|value| Cookie::parse(value.to_str().unwrap().to_owned()).unwrap())
        .collect()
}

fn query_of(location: &str) -> Form {
    url::Url::parse(location)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}

impl Flow {
    pub(super) async fn begin(&self, query: &str) -> Begun {
        let seen = self
            .setup
            .ask(TestRequest::get().uri(&format!("/login{query}")))
            .await;
        assert_eq!(seen.status, StatusCode::FOUND, "{}", seen.body);
        let authorize = format!("{}/authorize?", base(&self.idp.issuer));
        assert!(seen.header("location").starts_with(&authorize));
        Begun {
            params: query_of(seen.header("location")),
            cookies: cookies_of(&seen),
        }
    }

    /// The provider's answer. Its stub takes the code for the nonce.
    pub(super) async fn answer(&self, begun: &Begun, query: &str) -> Seen {
        let path = format!("/callback?{query}");
        let request = begun
            .cookies
            .iter()
            .fold(TestRequest::get().uri(&path), |req, cookie| {
                req.cookie(cookie.clone())
            });
        self.setup.ask(request).await
    }

    pub(super) async fn good_answer(&self, begun: &Begun) -> Seen {
        let (nonce, state) = (&begun.params["nonce"], &begun.params["state"]);
        let iss: String =
            url::form_urlencoded::byte_serialize(self.idp.issuer.as_bytes()).collect();
        self.answer(begun, &format!("code={nonce}&state={state}&iss={iss}"))
            .await
    }
}

pub(super) fn session_cookie(seen: &Seen) -> Option<Cookie<'static>> {
    cookies_of(seen)
        .into_iter()
        .find(|cookie| cookie.name() == cookies::SESSION)
}

#[actix_web::test]
async fn a_login_ends_in_a_session_and_its_state_works_once() {
    let flow = flow(RequestBy::Url);
    let begun = flow.begin("?return_to=/docs").await;
    assert_eq!(begun.params["response_type"], "code");
    assert_eq!(begun.params["code_challenge_method"], "S256");
    assert!(
        begun.params["scope"].contains("offline_access")
            && begun.params["scope"].contains("https://api-2/write")
    );
    let seen = flow.good_answer(&begun).await;
    assert_eq!(
        (seen.status, seen.header("location")),
        (StatusCode::SEE_OTHER, "/docs"),
        "{}",
        seen.body
    );
    let login = begun.cookies[0].name().to_owned();
    assert!(
        cookies_of(&seen)
            .iter()
            .any(|c| c.name() == login && c.value().is_empty()),
        "its cookie is cleared"
    );
    let cookie = session_cookie(&seen).unwrap();
    let verifier = flow.idp.token_calls.lock()[0]["code_verifier"].clone();
    assert!(pkce::matches(&verifier, &begun.params["code_challenge"]));
    let session = flow
        .setup
        .ask(TestRequest::get().uri("/session").cookie(cookie))
        .await;
    assert!(
        session.body.contains("\"name\":\"Alice\""),
        "{}",
        session.body
    );
    let again = flow.good_answer(&begun).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        flow.idp.token_calls.lock().len(),
        1,
        "the code is not sent again"
    );
}

#[actix_web::test]
async fn rfc9126_a_pushed_request_leaves_only_its_reference_in_the_url() {
    let flow = flow(RequestBy::Push);
    let begun = flow.begin("").await;
    let mut names: Vec<_> = begun.params.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["client_id", "request_uri"]);
    let mut pushed = flow.idp.pushed.lock().clone();
    assert!(pushed.contains_key("code_challenge"));
    assert!(pushed.remove("client_assertion").is_some());
    let seen = flow
        .good_answer(&Begun {
            params: pushed,
            cookies: begun.cookies,
        })
        .await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
    assert!(flow.idp.token_calls.lock()[0].contains_key("client_assertion"));
}

#[actix_web::test]
async fn oidc_core_3_1_3_7_an_id_token_that_fails_a_check_makes_no_session() {
    let wrong = [
        json!({"nonce": "another"}),
        json!({"aud": "app2"}),
        json!({"aud": ["app1", "another"]}),
        json!({"iss": "http://evil.localhost"}),
        json!({"exp": START.secs() - 1}),
        json!({"iat": START.secs() + 100}),
    ];
    for claims in wrong {
        let flow = flow(RequestBy::Url);
        *flow.idp.claims.lock() = claims.clone();
        let begun = flow.begin("").await;
        let seen = flow.good_answer(&begun).await;
        assert_eq!(seen.status, StatusCode::BAD_GATEWAY, "{claims}");
        assert!(session_cookie(&seen).is_none(), "{claims}");
    }
}

#[actix_web::test]
async fn rfc7519_4_1_5_an_id_token_whose_nbf_is_in_the_future_makes_no_session() {
    let flow = flow(RequestBy::Url);
    for (nbf, status) in [
        (START.secs() + 10, StatusCode::SEE_OTHER),
        (START.secs() + 11, StatusCode::BAD_GATEWAY),
        (START.secs() + 900, StatusCode::BAD_GATEWAY),
    ] {
        *flow.idp.claims.lock() = json!({ "nbf": nbf });
        let seen = flow.good_answer(&flow.begin("").await).await;
        assert_eq!(seen.status, status, "{nbf}");
        let has_session = session_cookie(&seen).is_some();
        assert_eq!(has_session, status == StatusCode::SEE_OTHER, "{nbf}");
    }
}

#[actix_web::test]
async fn a_fresh_sign_in_that_was_asked_for_is_checked() {
    let flow = flow(RequestBy::Url);
    *flow.idp.claims.lock() = json!({"auth_time": START.secs() - 1000});
    for (query, status) in [
        ("", 303),
        ("?max_age=2000", 303),
        ("?max_age=60", 502),
        ("?prompt=login", 502),
    ] {
        let begun = flow.begin(query).await;
        assert_eq!(
            flow.good_answer(&begun).await.status.as_u16(),
            status,
            "{query}"
        );
    }
}

#[actix_web::test]
async fn rfc9207_a_missing_or_foreign_iss_ends_the_login_before_the_code_is_sent() {
    for iss in ["", "&iss=http%3A%2F%2Fevil.localhost"] {
        let flow = flow(RequestBy::Url);
        let begun = flow.begin("").await;
        let state = &begun.params["state"];
        let seen = flow
            .answer(&begun, &format!("code=c&state={state}{iss}"))
            .await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST);
        assert!(flow.idp.token_calls.lock().is_empty());
    }
}

#[actix_web::test]
async fn a_login_ends_the_session_that_this_browser_had() {
    let flow = flow(RequestBy::Url);
    let (browser, _) = flow.setup.world.session().await;
    let old = browser.id();
    let mut begun = flow.begin("").await;
    begun.cookies.push(cookies::session(old.expose()));
    let seen = flow.good_answer(&begun).await;
    assert_ne!(session_cookie(&seen).unwrap().value(), old.expose());
    assert!(flow.setup.world.peek(&browser).await.is_none());
}

/// How a new login ends.
async fn sign_in(flow: &Flow) -> StatusCode {
    flow.good_answer(&flow.begin("").await).await.status
}

#[actix_web::test]
async fn a_key_that_is_not_known_yet_is_asked_for_with_a_cooldown() {
    let flow = flow(RequestBy::Url);
    assert_eq!(sign_in(&flow).await, StatusCode::SEE_OTHER);
    flow.idp.keys.lock().push(key(2));
    assert_eq!(sign_in(&flow).await, StatusCode::SEE_OTHER);
    flow.idp.keys.lock().push(key(3));
    assert_eq!(sign_in(&flow).await, StatusCode::BAD_GATEWAY, "too soon");
    flow.setup.world.clock.advance(Duration::from_secs(30));
    assert_eq!(sign_in(&flow).await, StatusCode::SEE_OTHER);
    assert_eq!(flow.setup.world.clock.now().secs(), START.secs() + 30);
}

#[actix_web::test]
async fn a_new_key_with_a_known_id_is_fetched_once_a_cooldown() {
    let flow = flow(RequestBy::Url);
    *flow.idp.publishes_others.lock() = true;
    for fetches in [2, 2] {
        assert_eq!(sign_in(&flow).await, StatusCode::BAD_GATEWAY);
        assert_eq!(*flow.idp.key_fetches.lock(), fetches);
    }
    *flow.idp.publishes_others.lock() = false;
    flow.setup.world.clock.advance(Duration::from_secs(30));
    assert_eq!(sign_in(&flow).await, StatusCode::SEE_OTHER);
    assert_eq!(*flow.idp.key_fetches.lock(), 3);
}

#[path = "error_codes_tests.rs"]
mod error_codes;

#[path = "odd_answers_tests.rs"]
mod odd_answers;

#[path = "flow_provider_tests.rs"]
mod provider;
