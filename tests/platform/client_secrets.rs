//! Wrong secrets are slowed for a client at an address, and nowhere else.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kit::config::Site;
use sso_proto::idp::{
    ExchangeRequest, ListSessionsRequest, sessions_client::SessionsClient,
    token_exchange_client::TokenExchangeClient,
};
use testkit::{ClientAuth, Platform};
use tonic::{Code, Request};

/// From this failure on.
const LIMIT: usize = 10;

/// What `/token` says to `batch` with `secret`, as if from `address`.
async fn ask(platform: &Platform, secret: &str, address: &str) -> reqwest::Response {
    kit::net::http_client()
        .post(format!("{}/token", platform.issuer()))
        .basic_auth("batch", Some(secret))
        .header("x-forwarded-for", address)
        .form(&[
            ("grant_type", "client_credentials"),
            ("resource", "https://api-1"),
        ])
        .send()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_client_secrets_are_throttled_by_address() {
    let platform = Platform::start_with(&["--trusted-proxies", "127.0.0.1"]).await;
    for _ in 0..LIMIT {
        let answer = ask(&platform, "wrong", "198.51.100.1").await;
        assert_eq!(answer.status(), 401);
    }
    let mut said = Vec::new();
    for secret in ["wrong", "batch-secret"] {
        let answer = ask(&platform, secret, "198.51.100.1:4711").await;
        assert_eq!(answer.headers()["retry-after"], "1");
        said.push((answer.status(), answer.text().await.unwrap()));
    }
    assert_eq!(said[0].0, 429);
    assert_eq!(said[0], said[1], "no answer depends on the secret");
    let elsewhere = ask(&platform, "batch-secret", "198.51.100.2").await;
    assert_eq!(elsewhere.status(), 200, "the client itself goes on");
    platform.advance(Duration::from_secs(1));
    let later = ask(&platform, "batch-secret", "198.51.100.1").await;
    assert_eq!(later.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_client_secrets_over_grpc_are_throttled() {
    let platform = Platform::start().await;
    let channel = kit::net::Trust::default()
        .grpc_channel(&platform.grpc_url(Site::Idp))
        .unwrap();
    let mut client = TokenExchangeClient::new(channel);
    let mut codes = Vec::new();
    for n in 0..=LIMIT {
        let secret = if n < LIMIT { "wrong" } else { "api-1-secret" };
        let mut request = Request::new(ExchangeRequest::default());
        let basic = format!("Basic {}", STANDARD.encode(format!("api-1:{secret}")));
        request
            .metadata_mut()
            .insert("authorization", basic.parse().unwrap());
        codes.push(client.exchange(request).await.unwrap_err().code());
    }
    assert_eq!(codes[..LIMIT], [Code::Unauthenticated; LIMIT]);
    assert_eq!(codes[LIMIT], Code::ResourceExhausted);
    // The same secret over HTTP, from the same address, is no way around.
    let api1 = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    assert_eq!(api1.token(&[("grant_type", "x")]).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_operator_keys_are_throttled() {
    const KEY: &str = "an-operators-key-of-a-good-length";
    let platform = Platform::start_with(&["--operator-key", KEY]).await;
    let channel = kit::net::Trust::default()
        .grpc_channel(&platform.grpc_url(Site::Idp))
        .unwrap();
    let mut client = SessionsClient::new(channel);
    let mut list = async |key: &str| {
        let mut request = Request::new(ListSessionsRequest::default());
        let bearer = format!("Bearer {key}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        client.list(request).await.map_err(|status| status.code())
    };
    for _ in 0..LIMIT {
        assert_eq!(list("wrong").await.unwrap_err(), Code::Unauthenticated);
    }
    assert_eq!(list(KEY).await.unwrap_err(), Code::ResourceExhausted);
    platform.advance(Duration::from_secs(1));
    assert!(list(KEY).await.is_ok());
}
