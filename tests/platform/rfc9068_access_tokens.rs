//! JWT access tokens (RFC 9068), and how the APIs take them (RFC 6750 §3).

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use serde_json::json;
use testkit::{Answer, Platform, UnverifiedClaims, tampered};
use tests::{
    Party,
    words::{API1, API2, EVERYTHING},
};

async fn tokens(platform: &Platform, changes: &[(&str, &str)]) -> Answer {
    let party = Party::demo_rp(platform);
    party.tokens(&mut party.cli(), changes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_has_the_required_claims_2_2() {
    let platform = Platform::start().await;
    let tokens = tokens(&platform, &[]).await;
    let token = UnverifiedClaims::of(&tokens.text("access_token"));
    assert_eq!(
        (&token.header["typ"], &token.header["alg"]),
        (&json!("at+jwt"), &json!("ES256"))
    );
    assert_eq!(token.text("iss"), platform.issuer());
    assert_eq!(token.claims["aud"], API1);
    assert_eq!(token.text("client_id"), "demo_rp");
    assert_eq!(token.number("exp") - token.number("iat"), 900);
    for name in ["sub", "jti", "sid", "acr"] {
        assert!(!token.text(name).is_empty(), "{name}: {}", token.claims);
    }
    assert_ne!(token.text("sub"), "alice");
    assert_eq!(token.claims["roles"], json!(["manager"]));
    assert_eq!(token.text("email"), "alice@example.com");
    assert!(token.number("auth_time") <= token.number("iat"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoami_shows_how_the_api_interpreted_the_token() {
    let platform = Platform::start().await;
    let token = tokens(&platform, &[]).await.text("access_token");
    let machine = Party::demo_rp(&platform).machine;
    let whoami = machine
        .call(
            Method::GET,
            &format!("{}/whoami", platform.url(Site::Api1)),
            &token,
        )
        .await;
    assert_eq!(whoami.status, 200, "{}", whoami.body);
    assert_eq!(whoami.json()["client_id"], "demo_rp");
    assert!(!whoami.body.contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_access_token_is_401_invalid_token_4() {
    let platform = Platform::start().await;
    let api1_tokens = tokens(&platform, &[]).await;
    let api2_token = tokens(&platform, &[("resource", API2)])
        .await
        .text("access_token");
    let good = api1_tokens.text("access_token");
    let machine = Party::demo_rp(&platform).machine;
    let jwks = machine.get("/jwks").await;
    let key = jwks.json()["keys"][0].clone();
    let of_api1 = [
        ("an id_token", api1_tokens.text("id_token")),
        ("a token for the other API", api2_token.clone()),
        ("a tampered signature", tampered::signature(&good)),
        (
            "tampered claims",
            tampered::claims(&good, |claims| claims["sub"] = json!("u-2b90d4c8e1")),
        ),
        ("alg none", tampered::unsigned(&good)),
        (
            "HS256 with the public key",
            tampered::hs256(&good, key.to_string().as_bytes()),
        ),
        (
            "HS256 with the public x",
            tampered::hs256(&good, key["x"].as_str().unwrap().as_bytes()),
        ),
        ("a refresh token", api1_tokens.text("refresh_token")),
        ("nonsense", "a.b.c".to_owned()),
    ];
    let url = format!("{}/resource", platform.url(Site::Api1));
    for (what, token) in &of_api1 {
        let answer = machine.call(Method::GET, &url, token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.starts_with("Bearer") && challenge.contains("error=\"invalid_token\""),
            "{what}: {challenge}"
        );
    }
    let api2 = format!("{}/resource", platform.url(Site::Api2));
    assert_eq!(machine.call(Method::GET, &api2, &good).await.status, 401);
    assert_eq!(
        machine.call(Method::GET, &api2, &api2_token).await.status,
        200
    );
    assert_eq!(machine.call(Method::GET, &url, &good).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_token_the_challenge_names_no_error_rfc6750_3_1() {
    let platform = Platform::start().await;
    let machine = Party::demo_rp(&platform).machine;
    for site in [Site::Api1, Site::Api2] {
        let answer = machine
            .call_unsigned(Method::GET, &format!("{}/resource", platform.url(site)))
            .await;
        assert_eq!(answer.status, 401);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.starts_with("Bearer") && !challenge.contains("error="),
            "{challenge}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_401() {
    let platform = Platform::start().await;
    let token = tokens(&platform, &[]).await.text("access_token");
    let machine = Party::demo_rp(&platform).machine;
    let url = format!("{}/resource", platform.url(Site::Api1));
    assert_eq!(machine.call(Method::GET, &url, &token).await.status, 200);
    // Clocks may differ by a minute.
    platform.advance(Duration::from_secs(900 + 61));
    assert_eq!(machine.call(Method::GET, &url, &token).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_is_403_and_names_it_rfc6750_3_1() {
    let platform = Platform::start().await;
    let read_only = "openid https://api-1/read https://api-2/read";
    let machine = Party::demo_rp(&platform).machine;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    for (site, audience) in [(Site::Api1, API1), (Site::Api2, API2)] {
        let token = tokens(&platform, &[("scope", read_only), ("resource", audience)])
            .await
            .text("access_token");
        let url = format!("{}/resource", platform.url(site));
        assert_eq!(machine.call(Method::GET, &url, &token).await.status, 200);
        let answer = machine.call_json(Method::POST, &url, &token, &order).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.contains("error=\"insufficient_scope\"") && challenge.contains("/write"),
            "{challenge}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reserves_stock_in_the_users_name() {
    let platform = Platform::start().await;
    let token = tokens(&platform, &[("scope", EVERYTHING)])
        .await
        .text("access_token");
    let machine = Party::demo_rp(&platform).machine;
    let api1 = platform.url(Site::Api1);
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let placed = machine
        .call_json(Method::POST, &format!("{api1}/resource"), &token, &order)
        .await;
    assert_eq!(placed.status, 201, "{}", placed.body);
    assert!(!placed.json()["id"].is_null(), "{}", placed.body);
    let too_much = json!({ "item": "chess-set", "quantity": 1000 });
    let refused = machine
        .call_json(Method::POST, &format!("{api1}/resource"), &token, &too_much)
        .await;
    assert!(
        refused.status == 409,
        "{}: {}",
        refused.status,
        refused.body
    );
    let report = machine
        .call(Method::GET, &format!("{api1}/report"), &token)
        .await;
    assert_eq!(report.status, 200, "{}", report.body);
}
