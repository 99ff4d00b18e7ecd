//! API-2 over real HTTP and gRPC, with tokens of an issuer on a port of its own.

use std::{sync::Arc, time::Duration};

use kit::{
    Deps,
    clock::{ManualClock, SystemClock},
    listeners::Listeners,
    random::OsRandom,
    running::Running,
    shutdown::Shutdown,
};
use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value, json};
use sso_proto::inventory::{ListRequest, ReserveRequest, inventory_client::InventoryClient};
use token_verify::{
    ResourceServer,
    testing::{START, TestIssuer, TestKey},
};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{AUDIENCE, Config, SERVICE, build, scope};

struct World {
    issuer: TestIssuer,
    http: Client,
    url: String,
    channel: Channel,
    shutdown: Shutdown,
    running: Running,
}

impl World {
    async fn new() -> Self {
        let issuer = TestIssuer::start(TestKey::es256()).unwrap();
        let listeners = Listeners::free(true).unwrap();
        let url = format!("http://{}", listeners.http[0].local_addr().unwrap());
        let grpc = listeners.grpc[0].local_addr().unwrap();
        let config = Config {
            server: ResourceServer {
                grpc_url: Some(format!("http://{grpc}")),
                ..issuer.resource_server(SERVICE, AUDIENCE, &url)
            },
        };
        let deps = Deps {
            clock: Arc::new(ManualClock::new(START)),
            random: Arc::new(OsRandom),
            shutdown: Shutdown::new(),
        };
        let shutdown = deps.shutdown.clone();
        let store = store::open(None, Arc::new(SystemClock)).unwrap();
        let running = build(config, listeners, store, deps).await.unwrap();
        let world = Self {
            issuer,
            http: kit::net::http_client(),
            url,
            channel: kit::net::Trust::default()
                .grpc_channel(&format!("http://{grpc}"))
                .unwrap(),
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

    async fn call(&self, method: Method, token: &str, body: Option<&str>) -> reqwest::Response {
        let mut request = self.http.request(method, format!("{}/resource", self.url));
        request = request.bearer_auth(token);
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_owned());
        }
        request.send().await.unwrap()
    }

    async fn post(&self, token: &str, body: &Value) -> (StatusCode, Value) {
        let body = body.to_string();
        let response = self.call(Method::POST, token, Some(&body)).await;
        (response.status(), response.json().await.unwrap())
    }

    async fn end(self) {
        drop(self.channel);
        self.shutdown.begin();
        self.running.join().await.unwrap();
        self.issuer.stop().await;
    }
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_faces_show_and_reserve_one_stock() {
    let world = World::new().await;
    let (read, write) = (world.token(scope::READ), world.token(scope::WRITE));

    let wish = json!({"item": "chess-set", "quantity": 2});
    let (status, reserved) = world.post(&write, &wish).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        (&reserved["item"], &reserved["left"]),
        (&json!("chess-set"), &json!(23))
    );
    assert!(reserved["id"].as_str().unwrap().len() > 10);

    let mut grpc = InventoryClient::new(world.channel.clone());
    let wish = ReserveRequest {
        item: "chess-set".into(),
        quantity: 3,
    };
    let reserved = grpc.reserve(with_token(wish, &write)).await.unwrap();
    assert_eq!(reserved.into_inner().left, 20);

    let listed = world.call(Method::GET, &read, None).await;
    let listed: Value = listed.json().await.unwrap();
    let over_grpc = grpc.list(with_token(ListRequest {}, &read)).await.unwrap();
    let over_grpc: Vec<_> = over_grpc
        .into_inner()
        .items
        .into_iter()
        .map(|stock| json!({"item": stock.item, "quantity": stock.quantity}))
        .collect();
    assert_eq!(listed["items"], json!(over_grpc));
    assert!(over_grpc.contains(&json!({"item": "chess-set", "quantity": 20})));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_has_its_status_over_http() {
    let world = World::new().await;
    let write = world.token(scope::WRITE);
    for (wish, expected) in [
        (
            json!({"item": "looking-glass", "quantity": 8}),
            StatusCode::CONFLICT,
        ),
        (
            json!({"item": "jabberwock", "quantity": 1}),
            StatusCode::NOT_FOUND,
        ),
        (
            json!({"item": "tea-pot", "quantity": 0}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (json!({"item": "tea-pot"}), StatusCode::BAD_REQUEST),
        (
            json!({"item": "tea-pot", "quantity": -1}),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({"item": "x".repeat(20_000), "quantity": 1}),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let (status, problem) = world.post(&write, &wish).await;
        assert_eq!(status, expected);
        assert_eq!(problem["status"], expected.as_u16());
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_has_its_status_over_grpc() {
    let world = World::new().await;
    let write = world.token(scope::WRITE);
    let mut grpc = InventoryClient::new(world.channel.clone());
    for (item, quantity, expected) in [
        ("looking-glass", 8, Code::FailedPrecondition),
        ("jabberwock", 1, Code::NotFound),
        ("tea-pot", 0, Code::InvalidArgument),
    ] {
        let item = item.to_owned();
        let wish = with_token(ReserveRequest { item, quantity }, &write);
        assert_eq!(grpc.reserve(wish).await.unwrap_err().code(), expected);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6750_3_1_both_faces_want_a_token_for_us_with_the_scope() {
    let world = World::new().await;
    let read = world.token(scope::READ);
    let foreign = world.issuer.token("https://api-1", scope::READ);
    let mut grpc = InventoryClient::new(world.channel.clone());

    let refused = world.call(Method::GET, &foreign, None).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = refused.headers()[header::WWW_AUTHENTICATE]
        .to_str()
        .unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    let refused = grpc.list(with_token(ListRequest {}, &foreign)).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let refused = grpc.list(ListRequest {}).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);

    // The scope is checked before the body is read.
    let refused = world.call(Method::POST, &read, Some("{")).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let wish = ReserveRequest::default();
    let refused = grpc.reserve(with_token(wish, &read)).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_health_says_serving_once_ready() {
    let world = World::new().await;
    let mut health = HealthClient::new(world.channel.clone());
    let serving = async {
        loop {
            let service = "sso.inventory.v1.Inventory".to_owned();
            let answer = health.check(HealthCheckRequest { service }).await.unwrap();
            if answer.into_inner().status == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), serving)
        .await
        .expect("serving in time");
    world.end().await;
}
