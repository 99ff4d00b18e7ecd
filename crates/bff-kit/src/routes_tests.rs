use std::sync::{Arc, atomic::Ordering::SeqCst};

use actix_web::{
    App as ActixApp,
    http::{StatusCode, header},
    test::{self, TestRequest},
};
use kit::{
    config::{Addresses, Site},
    seal::Keyring,
    state_dir::StateDir,
};
use serde_json::json;
use store::SharedStore;
use token_verify::Issuer;

use super::*;
use crate::{
    app::{App, RequestBy},
    client_auth::{ClientAuth, client_key},
    meters::Meters,
    pre_session::PreSessions,
    provider::{Provider, ProviderSettings},
    proxy::UpstreamUrls,
    recent_logouts::RecentLogouts,
    sessions::{
        SessionMode,
        tests::{World, world},
    },
    used_logout_tokens::UsedLogoutTokens,
    watched::Watched,
};

pub(super) struct Setup {
    pub(super) world: World,
    pub(super) store: Arc<Watched>,
    pub(super) bff: web::Data<Bff>,
    csrf: web::Data<Csrf>,
}

/// Provider and APIs are at a port where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

pub(super) fn setup() -> Setup {
    setup_at(
        Issuer::new("http://idp.localhost:8081", NOBODY),
        RequestBy::Url,
    )
}

/// With this provider. Who pushes signs assertions, as the second app.
pub(super) fn setup_at(issuer: Issuer, request: RequestBy) -> Setup {
    let world = world();
    let store = Arc::new(Watched::new(world.store.clone()));
    let shared: SharedStore = store.clone();
    let deps = &world.deps;
    let keyring = || Keyring::new(&[[9; 32]], "test");
    let provider = ProviderSettings {
        issuer,
        client_id: "app1".into(),
        auth: match request {
            RequestBy::Url => ClientAuth::SecretBasic("app1-secret".to_owned().into()),
            RequestBy::Push => {
                let key = client_key(&StateDir::default(), "app1", &*deps.random);
                ClientAuth::PrivateKeyJwt(key.unwrap())
            }
        },
        redirect_uri: "http://app1.localhost:8082/callback".into(),
    };
    let provider = Arc::new(Provider::new(provider, deps, Meters::for_test()));
    let sessions = Arc::new(world.sessions_with(&shared, &provider));
    let app = App {
        service: "app1-bff",
        client_id: "app1",
        name: "App 1",
        site: Site::App1,
        other: Site::App2,
        mode: SessionMode::Stateful,
        request,
    };
    let bff = Bff {
        second_provider: None,
        control: None,
        weaknesses: kit::config::Weaknesses::default(),
        app,
        addresses: Addresses::default(),
        clock: deps.clock.clone(),
        random: deps.random.clone(),
        provider,
        pre_sessions: PreSessions::new(
            shared,
            keyring(),
            deps,
            "app1",
            kit::config::LoginBudget::default(),
        ),
        sessions,
        used_logout_tokens: UsedLogoutTokens::new(store.clone(), "app1"),
        recent_logouts: RecentLogouts::default(),
        meters: Meters::for_test(),
    };
    let csrf = Csrf::new("http://app1.localhost:8082", &[7; 32], "app1");
    Setup {
        world,
        store,
        bff: web::Data::new(bff),
        csrf: web::Data::new(csrf),
    }
}

pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: header::HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

impl Setup {
    pub(super) async fn ask(&self, request: TestRequest) -> Seen {
        let urls = UpstreamUrls::read(
            (NOBODY, NOBODY),
            &kit::net::Trust::default(),
            None,
            &mut kit::config::Problems::new(),
        )
        .unwrap();
        let (bff, csrf) = (self.bff.clone(), self.csrf.clone());
        let upstreams = web::Data::new(Upstreams::new(&urls));
        let app = ActixApp::new().configure(move |cfg| routes(cfg, bff, csrf, upstreams));
        let app = test::init_service(app).await;
        // An error would leave the frame without trace, headers and metrics:
        // `call_service` panics at one.
        let response = test::call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = test::read_body(response).await;
        Seen {
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// A request of a browser that is signed in.
    async fn signed_in(&self, path: &str) -> TestRequest {
        let (browser, _) = self.world.session().await;
        browser.test_request(path)
    }
}

#[actix_web::test]
async fn without_a_session_an_api_is_401_with_no_redirect_and_no_cookie() {
    let setup = setup();
    for path in ["/api1/data", "/api1/report", "/api2/data"] {
        let stale = cookies::session(&"a".repeat(43));
        for request in [
            TestRequest::get().uri(path),
            TestRequest::get().uri(path).cookie(stale),
        ] {
            let seen = setup.ask(request).await;
            assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
            assert_eq!(seen.header("content-type"), "application/problem+json");
            assert_eq!(
                (seen.header("location"), seen.header("set-cookie")),
                ("", "")
            );
        }
    }
}

#[actix_web::test]
async fn without_a_session_a_post_is_401_whatever_its_body() {
    let setup = setup();
    for path in ["/api1/data", "/api2/data"] {
        let post = || TestRequest::post().uri(path).insert_header(("x-csrf", "1"));
        let order = json!({"item": "chess-set", "quantity": 1});
        for request in [
            post(),
            post().set_payload("no order"),
            post().set_json(json!({"item": 1})),
            post().set_json(order),
        ] {
            let seen = setup.ask(request).await;
            assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(seen.header("content-type"), "application/problem+json");
        }
    }
}

#[actix_web::test]
async fn an_authenticated_call_costs_one_read_of_the_store() {
    let setup = setup();
    let request = setup.signed_in("/api1/data").await;
    let before = setup.store.asked.load(SeqCst);
    let seen = setup.ask(request).await;
    assert_eq!(
        seen.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "the API is away"
    );
    assert_eq!(setup.store.asked.load(SeqCst) - before, 1);
}

#[actix_web::test]
async fn a_store_that_is_away_is_503_and_costs_nobody_the_session() {
    let setup = setup();
    for path in [
        "/api1/data",
        "/api2/data",
        "/session",
        "/",
        "/docs",
        "/login",
    ] {
        setup.store.away.store(false, SeqCst);
        let request = setup.signed_in(path).await;
        setup.store.away.store(true, SeqCst);
        let seen = setup.ask(request).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(seen.header("retry-after"), "1", "{path}");
        assert_eq!(seen.header("set-cookie"), "", "{path}");
    }
}

#[actix_web::test]
async fn the_session_is_told_without_a_token() {
    let setup = setup();
    let signed_out = setup.ask(TestRequest::get().uri("/session")).await;
    assert_eq!(signed_out.status, StatusCode::OK);
    assert!(signed_out.body.contains("\"authenticated\":false"));
    let seen = setup.ask(setup.signed_in("/session").await).await;
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(
        (&body["authenticated"], &body["mode"]),
        (&true.into(), &"stateful".into())
    );
    assert_eq!(
        body["user"],
        json!({"sub": "user-1", "name": "Alice", "email": "alice@example.com"})
    );
    assert_eq!(seen.header("cache-control"), "no-store");
    for path in ["/", "/docs", "/session"] {
        let seen = setup.ask(setup.signed_in(path).await).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}");
        for secret in ["access-secret", "id-token-secret", "R0"] {
            assert!(!seen.body.contains(secret), "{path}");
        }
    }
}

#[actix_web::test]
async fn a_live_session_goes_straight_to_return_to() {
    let setup = setup();
    let seen = setup
        .ask(setup.signed_in("/login?return_to=/docs").await)
        .await;
    assert_eq!(
        (seen.status, seen.header("location")),
        (StatusCode::FOUND, "/docs")
    );
    let more = setup
        .ask(setup.signed_in("/login?return_to=/docs&prompt=login").await)
        .await;
    assert_eq!(
        more.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "the provider is asked, and is away"
    );
}

#[actix_web::test]
async fn a_login_that_cannot_begin_is_a_page_that_says_so() {
    let setup = setup();
    let get = |path: &str| {
        TestRequest::get()
            .uri(path)
            .insert_header(("accept", "text/html"))
    };
    let bad = setup.ask(get("/login?return_to=//evil.localhost")).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    assert!(bad.header("content-type").starts_with("text/html"));
    let away = setup.ask(get("/login")).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!away.header("retry-after").is_empty());
    assert!(away.header("content-type").starts_with("text/html"));
}

#[actix_web::test]
async fn a_callback_of_no_login_is_a_400_page_with_a_way_on() {
    let setup = setup();
    for query in [
        "",
        "?code=c",
        "?code=c&state=unknown",
        "?state=a&state=b&code=c",
        "?error=access_denied&state=x",
    ] {
        let seen = setup
            .ask(TestRequest::get().uri(&format!("/callback{query}")))
            .await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(
            seen.header("content-type").starts_with("text/html"),
            "{query}"
        );
        assert!(seen.body.contains("/login?return_to=/"), "{query}");
        assert!(
            !seen.header("set-cookie").contains(cookies::SESSION),
            "{query}"
        );
    }
}

#[actix_web::test]
async fn a_used_state_says_that_the_session_is_fine_where_there_is_one() {
    let setup = setup();
    let seen = setup
        .ask(setup.signed_in("/callback?code=c&state=used").await)
        .await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert!(seen.body.contains("You are already signed in"));
}
