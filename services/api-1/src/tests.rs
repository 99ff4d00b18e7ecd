//! Orders over real HTTP, with stand-ins for the token exchange and API-2. The
//! platform's tests cover the real services together.

mod stand_ins;

use std::{sync::Arc, time::Duration};

use kit::{
    Deps,
    clock::{ManualClock, SystemClock},
    listeners::Listeners,
    random::OsRandom,
    running::Running,
    shutdown::Shutdown,
};
use reqwest::{Client, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use stand_ins::{EXCHANGED, Seen, StandIns};
use token_verify::testing::{START, TestIssuer, TestKey};

use crate::{AUDIENCE, Config, SERVICE, build};

const READ: &str = "https://api-1/read";
const WRITE: &str = "https://api-1/write";

struct World {
    issuer: TestIssuer,
    seen: Arc<Seen>,
    http: Client,
    url: String,
    shutdown: Shutdown,
    running: Running,
}

impl World {
    async fn new() -> Self {
        let shutdown = Shutdown::new();
        let stand_ins = StandIns::start(&shutdown);
        let peers = format!("http://{}", stand_ins.address);
        Self::with_peers(&peers, stand_ins, shutdown).await
    }

    /// Uses the gRPC servers at `peers` as the identity provider and API-2.
    async fn with_peers(peers: &str, stand_ins: StandIns, shutdown: Shutdown) -> Self {
        let issuer = TestIssuer::start(TestKey::es256()).unwrap();
        let listeners = Listeners::free(false).unwrap();
        let url = format!("http://{}", listeners.http[0].local_addr().unwrap());
        let config = Config {
            server: issuer.resource_server(SERVICE, AUDIENCE, &url),
            idp_grpc_url: peers.to_owned(),
            api2_url: peers.to_owned(),
            api2_grpc_url: peers.to_owned(),
            client_secret: "api-1-secret".into(),
            trust: kit::net::Trust::default(),
            cors_origins: vec!["http://spa.localhost:8086".to_owned()],
            api_keys_file: None,
            identity_callers: None,
        };
        let deps = Deps {
            clock: Arc::new(ManualClock::new(START)),
            random: Arc::new(OsRandom),
            shutdown: shutdown.clone(),
        };
        let store = store::open(None, Arc::new(SystemClock)).unwrap();
        let mut running = build(config, listeners, store, deps).await.unwrap();
        running.extend(stand_ins.running);
        let world = Self {
            issuer,
            seen: stand_ins.seen,
            http: kit::net::http_client(),
            url,
            shutdown,
            running,
        };
        world.until_ready().await;
        world
    }

    async fn until_ready(&self) {
        let ready = async {
            let url = format!("{}/readyz", self.url);
            while self.http.get(&url).send().await.unwrap().status() != StatusCode::OK {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ready)
            .await
            .expect("ready in time");
    }

    fn token(&self, scope: &str) -> String {
        self.issuer.token(AUDIENCE, scope)
    }

    async fn call(&self, method: Method, path: &str, scope: &str, body: &str) -> Response {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.token(scope))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_owned())
            .send()
            .await
            .unwrap()
    }

    async fn place(&self, item: &str, quantity: u32) -> (StatusCode, Value) {
        let wish = json!({"item": item, "quantity": quantity}).to_string();
        let response = self.call(Method::POST, "/resource", WRITE, &wish).await;
        (response.status(), response.json().await.unwrap())
    }

    async fn end(self) {
        drop(self.http);
        self.shutdown.begin();
        self.running.join().await.unwrap();
        self.issuer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc8693_2_1_an_order_reserves_with_an_exchanged_token() {
    let world = World::new().await;
    let (status, order) = world.place("chess-set", 2).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(order["item"], "chess-set");
    assert_eq!(order["reservation"], "reservation-1");
    assert_eq!(order["placed_at"], START.secs());

    let asked = world.seen.exchange.lock().clone().unwrap();
    // "api-1:api-1-secret"
    assert_eq!(asked.authorization, "Basic YXBpLTE6YXBpLTEtc2VjcmV0");
    assert_eq!(asked.request.audience, ["https://api-2"]);
    assert_eq!(asked.request.scope, "https://api-2/write");
    let subject = &asked.request.subject_token;
    assert_eq!(subject.split('.').count(), 3);
    let shown = world.seen.reserve.lock().clone().unwrap();
    // API-2 receives the exchanged token only, never the user's own.
    assert_eq!(shown, format!("Bearer {EXCHANGED}"));

    let listed = world.call(Method::GET, "/resource", READ, "").await;
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed["orders"], json!([order]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_api_2_refuses_is_no_order_and_keeps_its_status() {
    let world = World::new().await;
    for (item, expected) in [
        ("sold-out", StatusCode::CONFLICT),
        ("unknown", StatusCode::NOT_FOUND),
        ("bounds", StatusCode::UNPROCESSABLE_ENTITY),
        ("forbidden", StatusCode::FORBIDDEN),
        ("unauthenticated", StatusCode::BAD_GATEWAY),
        ("away", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let (status, problem) = world.place(item, 1).await;
        assert_eq!(status, expected, "{item}");
        assert_eq!(problem["status"], expected.as_u16());
    }
    let listed = world.call(Method::GET, "/resource", READ, "").await;
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed["orders"], json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc8693_2_2_2_a_refused_exchange_says_whose_fault_it_is() {
    let world = World::new().await;
    for (code, expected) in [
        ("invalid_scope", StatusCode::FORBIDDEN),
        ("invalid_target", StatusCode::FORBIDDEN),
        ("access_denied", StatusCode::FORBIDDEN),
        ("invalid_client", StatusCode::BAD_GATEWAY),
    ] {
        *world.seen.refuse_with.lock() = Some(code);
        let (status, problem) = world.place("chess-set", 1).await;
        assert_eq!(status, expected, "{code}");
        assert!(problem["detail"].as_str().unwrap().contains(code));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6750_3_1_a_token_that_the_exchange_refuses_is_401_invalid_token() {
    let world = World::new().await;
    let wish = r#"{"item": "chess-set", "quantity": 1}"#;
    for code in ["invalid_grant", "invalid_request"] {
        *world.seen.refuse_with.lock() = Some(code);
        let response = world.call(Method::POST, "/resource", WRITE, wish).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{code}");
        let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str();
        let expected = "Bearer realm=\"https://api-1\", error=\"invalid_token\", \
            error_description=\"the identity provider refused the token exchange: ";
        assert_eq!(challenge.unwrap(), format!("{expected}{code}\""));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_provider_that_is_away_is_503_with_retry_after() {
    let shutdown = Shutdown::new();
    let stand_ins = StandIns::start(&shutdown);
    let world = World::with_peers("http://127.0.0.1:9", stand_ins, shutdown).await;
    let wish = r#"{"item": "chess-set", "quantity": 1}"#;
    let response = world.call(Method::POST, "/resource", WRITE, wish).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6750_3_1_the_scope_is_asked_for_before_the_body_is_looked_at() {
    let world = World::new().await;
    let refused = world.call(Method::POST, "/resource", READ, "{").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    for path in ["/resource", "/report"] {
        let refused = world.call(Method::GET, path, WRITE, "").await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
    }
    for wish in ["{", r#"["tea-pot", 1]"#] {
        let bad = world.call(Method::POST, "/resource", WRITE, wish).await;
        assert_eq!(bad.status(), StatusCode::BAD_REQUEST, "{wish}");
    }
    assert!(world.seen.exchange.lock().is_none());
    world.end().await;
}
