//! What a token is worth to whom it is presented.

use std::time::Duration;

use reqwest::Method;
use testkit::{ClientAuth, Platform, UnverifiedClaims};
use tests::{Party, words::API1};

use crate::receiver::{BUILT_IN, file};

const GRACE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_listed_and_ended_only_with_a_refresh_token() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let refresh = tokens.text("refresh_token");
    let id = refresh.split('.').next().unwrap();
    for path in ["/grants", "/grants/end"] {
        // The access token was sent to API-1, which could send it on.
        for name in ["access_token", "id_token"] {
            let token = tokens.text(name);
            let body = [("token", token.as_str()), ("id", id)];
            let refused = party.machine.post_as_client(path, &body).await;
            assert_eq!(
                refused.refusal(),
                (400, "invalid_grant".to_owned()),
                "{path} {name}"
            );
        }
    }
    let body = [("token", refresh.as_str())];
    party
        .machine
        .post_as_client("/grants", &body)
        .await
        .granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_14_2_a_refresh_token_after_its_grace_period_ends_its_family_at_every_endpoint() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    for (path, status) in [("/grants", 400), ("/grants/end", 400), ("/revoke", 200)] {
        let first = party
            .tokens(&mut party.cli(), &[])
            .await
            .text("refresh_token");
        let newer = party.machine.refresh(&first, &[]).await.granted();
        let newer = newer.text("refresh_token");
        let id = first.split('.').next().unwrap();
        let body = [("token", first.as_str()), ("id", id)];
        if path == "/grants" {
            // Inside the grace it is as good as its successor.
            party.machine.post_as_client(path, &body).await.granted();
        }
        platform.advance(GRACE + Duration::from_secs(1));
        let answer = party.machine.post_as_client(path, &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let refused = party.machine.refresh(&newer, &[]).await;
        assert_eq!(refused.error(), "invalid_grant", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_6_another_clients_refresh_token_after_its_grace_period_ends_nothing() {
    let platform = Platform::start().await;
    let (party, stranger) = (Party::app1(&platform), Party::demo_rp(&platform));
    let first = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("refresh_token");
    let newer = party.machine.refresh(&first, &[]).await.granted();
    platform.advance(GRACE + Duration::from_secs(1));
    for path in ["/grants", "/grants/end", "/revoke"] {
        let body = [("token", first.as_str()), ("id", "x")];
        let refused = stranger.machine.post_as_client(path, &body).await;
        assert_eq!(
            refused.refusal(),
            (400, "invalid_grant".to_owned()),
            "{path}"
        );
    }
    let newer = newer.text("refresh_token");
    party.machine.refresh(&newer, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_and_exchange_take_access_tokens_alone() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let userinfo = format!("{}/userinfo", platform.issuer());
    let api1 = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    for name in ["refresh_token", "id_token"] {
        let token = tokens.text(name);
        let info = party.machine.call(Method::GET, &userinfo, &token).await;
        assert_eq!(info.status, 401, "{name}");
        let exchanged = api1.exchange(&token, "https://api-2", &[]).await;
        assert_eq!(
            exchanged.refusal(),
            (400, "invalid_request".to_owned()),
            "{name}"
        );
    }
}

/// The built-in configuration with a client that only signs users in.
const LOGIN_ONLY: &str = r#"
[[clients]]
client_id = "login-only"
name = "Login only"
first_party = true
auth = ["client_secret_basic"]
secret = "a-secret-for-login-only"
grants = ["authorization_code", "refresh_token"]
redirect_uris = ["http://127.0.0.1:9999/login-only"]
rotate_refresh_tokens = true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_client_without_audiences_is_valid_only_at_userinfo() {
    let config = file(&format!("{BUILT_IN}{LOGIN_ONLY}"));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let auth = ClientAuth::basic("login-only", "a-secret-for-login-only");
    let uri = "http://127.0.0.1:9999/login-only".to_owned();
    let scope = "openid profile email offline_access https://api-1/read";
    let party = Party::new(&platform, "login-only", uri, auth, scope);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    assert_eq!(tokens.text("scope"), "email offline_access openid profile");
    let userinfo = format!("{}/userinfo", platform.issuer());
    let refreshed = party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await;
    for answer in [tokens, refreshed.granted()] {
        let token = answer.text("access_token");
        let claims = UnverifiedClaims::of(&token);
        assert_eq!(claims.header["typ"], "at+jwt");
        assert_eq!(claims.text("aud"), userinfo);
        let info = party
            .machine
            .call(Method::GET, &userinfo, &token)
            .await
            .granted();
        assert_eq!(info.json()["name"], "Alice Liddell");
        for api in [kit::config::Site::Api1, kit::config::Site::Api2] {
            let url = format!("{}/resource", platform.url(api));
            let answer = party.machine.call(Method::GET, &url, &token).await;
            assert_eq!(answer.status, 401, "{}", answer.body);
        }
        let api1 = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
        let exchanged = api1.exchange(&token, "https://api-2", &[]).await;
        assert_eq!(exchanged.error(), "invalid_target");
        let body = [("token", token.as_str())];
        let refused = party.machine.post_as_client("/grants", &body).await;
        assert_eq!(refused.error(), "invalid_grant");
        if let Some(refresh) = answer.json()["refresh_token"].as_str() {
            let refused = party.machine.refresh(refresh, &[("resource", API1)]).await;
            assert_eq!(refused.error(), "invalid_target");
        }
    }
}
