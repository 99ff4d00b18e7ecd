//! Apps whose access tokens are bound to a key of their own (`BFF_DPOP`, RFC 9449): a token
//! that is taken out of the store, or out of a cookie, is of no use without the key.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use kit::{
    clock::SystemClock,
    config::{RedisSettings, Site},
    random::OsRandom,
    seal::Keyring,
    state_dir::StateDir,
};
use reqwest::Method;
use serde_json::Value;
use testkit::{ClientAuth, HeadlessBrowser, Platform, RedisServer, UnverifiedClaims};
use tests::{ALICE, new_key, sign_in_to};

const MODES: [&str; 4] = ["stateful", "cached", "hybrid", "stateless"];
const BOUND: [&str; 2] = ["--bff-dpop", "on"];

/// What both apps can do for alice, over HTTP and gRPC, by GET and POST.
async fn calls(cli: &mut HeadlessBrowser, app: &str) {
    for (method, path, body, status) in [
        (Method::GET, "/api1/data", "", 200),
        (Method::GET, "/api2/data", "", 200),
        (Method::GET, "/api1/report", "", 200),
        (Method::POST, "/api1/data", ORDER, 201),
        (Method::POST, "/api2/data", ORDER, 201),
        (Method::GET, "/api1/data", "", 200),
    ] {
        let headers = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("x-csrf", "1"),
        ];
        let url = format!("{app}{path}");
        let answer = cli.raw(method.clone(), &url, &headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
}

const ORDER: &str = r#"{"item": "chess-set", "quantity": 1}"#;

/// A thief with `token` gets nothing at API-1, neither with the token alone nor with a key.
async fn is_of_no_use(platform: &Platform, token: &str) {
    let url = format!("{}/resource", platform.url(Site::Api1));
    let thief = platform.machine(ClientAuth::public("nobody"));
    let alone = thief.call(Method::GET, &url, token).await;
    assert_eq!(alone.status, 401, "{}", alone.body);
    let with_a_key = thief.with_key(&new_key());
    let with_a_key = with_a_key.call_bound(Method::GET, &url, token).await;
    assert_eq!(with_a_key.status, 401, "{}", with_a_key.body);
}

/// The key to which `token` is bound; null if it is bound to none.
fn bound_to(token: &str) -> Value {
    UnverifiedClaims::of(token).claims["cnf"]["jkt"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_works_in_every_session_mode_with_bound_tokens_and_with_nonces() {
    let nonces = ["--api-dpop-nonce-key", "0123456789abcdef0123456789abcdef"];
    for mode in MODES {
        let flags = [&BOUND[..], &["--bff-session-mode", mode]].concat();
        let platform = Platform::start_with_bff_and_apis(&flags, &nonces, None).await;
        for site in [Site::App1, Site::App2] {
            let mut cli = platform.cli();
            let app = platform.url(site);
            sign_in_to(&mut cli, &app, ALICE).await;
            calls(&mut cli, &app).await;
        }
        let mut issued = platform.tap(Site::Idp).answered_values("access_token");
        // API-1 exchanges tokens too, and has no key.
        issued.retain(|token| UnverifiedClaims::of(token).text("client_id") != "api-1");
        assert!(!issued.is_empty());
        for token in &issued {
            assert!(bound_to(token).is_string(), "{mode}");
        }
        let keys = issued.iter().map(|token| bound_to(token).to_string());
        let keys: BTreeSet<_> = keys.collect();
        assert_eq!(keys.len(), 2, "each app has one key in {mode}");
        is_of_no_use(&platform, &issued[0]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_out_of_a_session_is_of_no_use_in_any_mode() {
    for mode in MODES {
        let redis = RedisServer::start();
        let flags = [&BOUND[..], &["--bff-session-mode", mode]].concat();
        let platform = Platform::start_with_bff_and_apis(&flags, &[], Some(&redis)).await;
        let mut cli = platform.cli();
        let app = platform.url(Site::App1);
        sign_in_to(&mut cli, &app, ALICE).await;
        calls(&mut cli, &app).await;
        let token = match mode {
            "stateful" | "cached" => in_the_store(&redis, platform.state_dir()).await,
            _ => in_a_cookie(&cli, &platform),
        };
        assert!(bound_to(&token).is_string(), "{mode}");
        let issued = platform.tap(Site::Idp).answered_values("access_token");
        assert!(
            issued.contains(&token),
            "{mode}: it is one that the app uses"
        );
        is_of_no_use(&platform, &token).await;
        // The app goes on with it.
        calls(&mut cli, &app).await;
    }
}

/// The access token for API-1 in the one session of app1, by a thief who can open the seal
/// of sessions.
async fn in_the_store(redis: &RedisServer, state: &Path) -> String {
    let keys = redis.ask("KEYS sso-lab:bff:app1:session:*");
    let mut words = keys.split_whitespace();
    let key = words
        .find_map(|word| word.strip_prefix("sso-lab:"))
        .unwrap();
    let settings = RedisSettings::at(&redis.url());
    let store = store::open(Some(&settings), Arc::new(SystemClock)).unwrap();
    let sealed = store.get(key).await.unwrap().unwrap();
    let state = StateDir::open(Some(state.to_owned())).unwrap();
    let masters = state.sealing_keys("bff-sealing.key", &OsRandom).unwrap();
    let keyring = Keyring::new(&masters, "bff app1 session");
    let plain = keyring.open(key, sealed.to_vec()).unwrap();
    let record: Value = serde_json::from_slice(&plain).unwrap();
    let token = record["tokens"]["https://api-1"]["token"].as_str().unwrap();
    token.strip_prefix("DPoP ").unwrap().to_owned()
}

/// The access token for API-1 in the browser's cookies of app1.
fn in_a_cookie(cli: &HeadlessBrowser, platform: &Platform) -> String {
    let app = platform.url(Site::App1);
    let host = app.trim_start_matches("http://").split(':').next().unwrap();
    let jar = cli.jar();
    jar.get(host, "__Secure-access_api1").unwrap().value.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_tokens_are_bearer_tokens_and_nothing_is_proven() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app = platform.url(Site::App1);
    sign_in_to(&mut cli, &app, ALICE).await;
    calls(&mut cli, &app).await;
    for site in [Site::Idp, Site::Api1] {
        let seen = platform.tap(site).requests().to_lowercase();
        assert!(!seen.contains("dpop:"), "{site:?}");
    }
    for token in platform.tap(Site::Idp).answered_values("access_token") {
        assert_eq!(bound_to(&token), Value::Null);
    }
}
