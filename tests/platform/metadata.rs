//! What the metadata advertises is used, value by value (OIDC Discovery §3, RFC 8414 §2):
//! a value that this test does not know fails it.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, ClientAuth, Machine, Platform};
use tests::{
    ALICE, Device, Party,
    words::{API1, API1_READ, API2, EVERYTHING},
};
use token_verify::testing::TestKey;

use crate::{
    receiver::{BUILT_IN, file},
    rfc7523_jwt_bearer::token_for_alice,
};

async fn metadata(platform: &Platform) -> Value {
    let machine = platform.machine(ClientAuth::public("my_spa"));
    let path = "/.well-known/oauth-authorization-server";
    machine.get(path).await.granted().json()
}

fn listed<'m>(metadata: &'m Value, name: &str) -> Vec<&'m str> {
    let all = metadata[name].as_array();
    let all = all.unwrap_or_else(|| panic!("no {name} in {metadata}"));
    assert!(!all.is_empty(), "{name}");
    all.iter().map(|value| value.as_str().unwrap()).collect()
}

async fn by_client_credentials(machine: &Machine) -> Answer {
    let form = [("grant_type", "client_credentials"), ("scope", API1_READ)];
    machine.token(&form).await
}

/// Gets tokens by `grant`.
async fn granted_by(platform: &Platform, grant: &str) -> Answer {
    let party = Party::app1(platform);
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    match grant {
        "authorization_code" => party.tokens(&mut party.cli(), &[]).await,
        "refresh_token" => {
            let tokens = party.tokens(&mut party.cli(), &[]).await;
            let token = tokens.text("refresh_token");
            party.machine.refresh(&token, &[]).await
        }
        "client_credentials" => by_client_credentials(&batch).await,
        "urn:ietf:params:oauth:grant-type:device_code" => {
            let device = Device::start(&batch).await;
            device.is_allowed_by(&mut platform.cli(), ALICE).await;
            device.poll().await
        }
        "urn:ietf:params:oauth:grant-type:token-exchange" => {
            let tokens = party.tokens(&mut party.cli(), &[("resource", API1)]).await;
            let token = tokens.text("access_token");
            let api1 = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
            api1.exchange(&token, API2, &[]).await
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => token_for_alice().await,
        other => panic!("{other} is advertised, and not used here"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_grant_type_that_is_advertised_issues_tokens() {
    let platform = Platform::start().await;
    let metadata = metadata(&platform).await;
    for grant in listed(&metadata, "grant_types_supported") {
        let tokens = granted_by(&platform, grant).await.granted();
        assert!(tokens.json()["access_token"].is_string(), "{grant}");
    }
}

/// The built-in configuration, and a client with `key`.
fn with_client(key: &TestKey) -> String {
    let jwk = key.jwk("1");
    let members = jwk.as_object().unwrap().iter();
    let members: Vec<_> = members
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let members = members.join(", ");
    format!(
        "{BUILT_IN}\n[[clients]]\nclient_id = \"lib\"\nname = \"A library\"\n\
         auth = [\"private_key_jwt\"]\njwks = {{ keys = [{{ {members} }}] }}\n\
         grants = [\"client_credentials\"]\naudiences = [\"https://api-1\"]\n"
    )
}

/// Gets tokens as a client that authenticates by `method`.
async fn granted_to(platform: &Platform, method: &str, key: &TestKey) -> Answer {
    let party = Party::demo_rp(platform);
    match method {
        "client_secret_basic" => {
            let auth = ClientAuth::basic("batch", "batch-secret");
            by_client_credentials(&platform.machine(auth)).await
        }
        "client_secret_post" => {
            let code = party.code(&mut party.cli(), &[]).await;
            let auth = ClientAuth::post("demo_rp", "demo-rp-secret");
            let machine = party.machine.identified_by(auth);
            let verifier = &party.pkce.verifier;
            machine.redeem(&code, &party.redirect_uri, verifier).await
        }
        "private_key_jwt" => {
            let now = platform.clock().now().secs();
            let claims = json!({
                "iss": "lib", "sub": "lib", "aud": platform.issuer(), "jti": "once",
                "iat": now, "exp": now + 60,
            });
            let assertion = key.sign(&json!({"alg": "ES256", "kid": "1"}), &claims);
            let machine = platform.machine(ClientAuth::public("lib"));
            let form = [
                ("grant_type", "client_credentials"),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", &assertion),
            ];
            machine.token(&form).await
        }
        "none" => {
            let party = Party::my_spa(platform);
            party.tokens(&mut party.cli(), &[]).await
        }
        other => panic!("{other} is advertised, and not used here"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_authentication_that_is_advertised_is_taken() {
    let key = TestKey::es256();
    let config = file(&with_client(&key));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let metadata = metadata(&platform).await;
    for method in listed(&metadata, "token_endpoint_auth_methods_supported") {
        granted_to(&platform, method, &key).await.granted();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_that_is_advertised_is_granted() {
    let platform = Platform::start().await;
    let metadata = metadata(&platform).await;
    let scopes = listed(&metadata, "scopes_supported");
    let party = Party::demo_rp(&platform);
    let asked = scopes.join(" ");
    let tokens = party.tokens(&mut party.cli(), &[("scope", &asked)]).await;
    let token = tokens.text("refresh_token");
    let mut granted = Vec::new();
    for audience in [API1, API2] {
        let resource = [("resource", audience)];
        let answer = party.machine.refresh(&token, &resource).await.granted();
        let scope = answer.text("scope");
        granted.extend(scope.split(' ').map(str::to_owned));
    }
    for scope in &scopes {
        let is_granted = granted.iter().any(|one| one == scope);
        assert!(is_granted, "{scope} is not in {granted:?}");
    }
    assert_eq!(scopes.len(), EVERYTHING.split_whitespace().count());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_that_is_advertised_is_there() {
    let platform = Platform::start().await;
    let metadata = metadata(&platform).await;
    let machine = platform.machine(ClientAuth::public("my_spa"));
    let named = metadata.as_object().unwrap().iter();
    let endpoints = named.filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    let mut count = 0;
    for (name, url) in endpoints {
        let url = url.as_str().unwrap();
        for method in [Method::GET, Method::POST] {
            let answer = machine.call_unsigned(method, url).await;
            assert_ne!(answer.status, 404, "{name}");
            assert!(answer.status < 500, "{name}: {}", answer.body);
        }
        count += 1;
    }
    assert!(count >= 9, "{metadata}");
}
