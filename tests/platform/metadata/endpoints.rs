//! The addresses, each used as its specification says.

use reqwest::Method;
use testkit::{Answer, ClientAuth};
use tests::{Party, words::API1_READ};

use super::{Scene, unused};

pub(super) const MEMBERS: &[&str] = &[
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "end_session_endpoint",
    "grants_endpoint",
    "jwks_uri",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
];

/// Uses the endpoint `member`, which programs call. Returns the answer, and what it has
/// (a JSON pointer) if it is the right one.
async fn called(scene: &Scene, member: &str, path: &str) -> (Answer, &'static str) {
    let party = Party::demo_rp(&scene.platform);
    let url = format!("{}{path}", scene.platform.issuer());
    let batch = scene.machine(ClientAuth::basic("batch", "batch-secret"));
    let api1 = scene.machine(ClientAuth::basic("api-1", "api-1-secret"));
    let tv = scene.machine(ClientAuth::public("tv"));
    match member {
        "token_endpoint" => {
            let form = [("grant_type", "client_credentials")];
            (batch.post_as_client(path, &form).await, "/access_token")
        }
        "userinfo_endpoint" => {
            let tokens = party.tokens(&mut party.cli(), &[]).await;
            let token = tokens.text("access_token");
            (party.machine.call(Method::GET, &url, &token).await, "/sub")
        }
        "introspection_endpoint" => {
            let answer = api1.post_as_client(path, &[("token", "x")]).await;
            (answer, "/active")
        }
        "grants_endpoint" => {
            let tokens = party.tokens(&mut party.cli(), &[]).await;
            let form = [("token", tokens.text("refresh_token"))];
            let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
            (party.machine.post_as_client(path, &form).await, "/0/id")
        }
        "jwks_uri" => (batch.call_unsigned(Method::GET, &url).await, "/keys"),
        "pushed_authorization_request_endpoint" => {
            let form = party.parameters(&[]);
            let answer = party.machine.post_as_client(path, &form).await;
            (answer, "/request_uri")
        }
        "device_authorization_endpoint" => {
            let form = [("scope", API1_READ)];
            (tv.post_as_client(path, &form).await, "/user_code")
        }
        other => unused("the metadata", other),
    }
}

/// Uses `member`.
async fn used(scene: &Scene, member: &str) {
    let party = Party::demo_rp(&scene.platform);
    let mut cli = party.cli();
    match member {
        "issuer" => assert_eq!(scene.metadata[member], scene.platform.issuer()),
        "authorization_endpoint" => {
            let url = party.authorize_url(&[]);
            assert!(url.starts_with(scene.metadata[member].as_str().unwrap()));
            assert!(cli.goto(&url).await.asks_for("username"));
        }
        "end_session_endpoint" => {
            let url = scene.metadata[member].as_str().unwrap();
            let page = cli.goto(url).await;
            assert!(page.text().contains("signed out"), "{page}");
        }
        // RFC 7009 §2.2: the response has no body.
        "revocation_endpoint" => {
            let path = scene.path(member);
            let tokens = party.tokens(&mut cli, &[]).await;
            let token = tokens.text("refresh_token");
            let form = [("token", token.as_str())];
            party.machine.post_as_client(path, &form).await.granted();
            assert_eq!(party.machine.refresh(&token, &[]).await.status, 400);
        }
        _ => {
            let (answer, expected) = called(scene, member, scene.path(member)).await;
            assert!(matches!(answer.status, 200 | 201), "{member}: {answer:?}");
            let json = answer.json();
            assert!(json.pointer(expected).is_some(), "{member}: {json}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_that_is_advertised_does_its_work() {
    let scene = Scene::start("").await;
    for member in MEMBERS {
        used(&scene, member).await;
    }
}
