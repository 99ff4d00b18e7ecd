//! What is kept of one in the store, and in the apps.

use std::{sync::Arc, time::Duration};

use kit::{clock::SystemClock, config::RedisSettings};
use testkit::{HeadlessBrowser, RedisServer};
use tests::{ALICE, sign_in_to};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_has_neither_an_opaque_token_nor_believes_a_record_of_a_strangers() {
    let redis = RedisServer::start();
    let store = store::open(
        Some(&RedisSettings::at(&redis.url())),
        Arc::new(SystemClock),
    )
    .unwrap();
    let read = async |key: &str| {
        let value = store.get(key).await.unwrap().expect("a record");
        String::from_utf8(value.to_vec()).unwrap()
    };
    let write = async |key: &str, value: String| {
        store
            .put(key, value.into(), Duration::from_secs(60))
            .await
            .unwrap();
    };
    let config = opaque();
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with_idp_on(&redis, &flags).await;
    let token = own_token(&batch(&platform), API2).await;
    let other = own_token(&batch(&platform), API2).await;
    let secret = &token[PREFIX.len()..];
    let keys = redis.ask("KEYS *");
    assert!(keys.contains("idp:access-token:"), "{keys}");
    assert!(!keys.contains(secret));
    let key = |token: &str| format!("idp:access-token:{}", kit::seal::fingerprint(token));
    for name in keys
        .lines()
        .filter(|name| name.starts_with("idp:access-token:"))
    {
        let value = read(name).await;
        assert!(
            value.contains("\"mac\"") && !value.contains(secret),
            "{value}"
        );
    }
    assert_eq!(introspect(&platform, &token).await["active"], true);
    // Its record says more, or is another token's.
    let genuine = read(&key(&token)).await;
    write(&key(&token), genuine.replace("batch", "u-7f3c1e0a52")).await;
    assert_eq!(introspect(&platform, &token).await, inactive());
    write(&key(&other), genuine).await;
    assert_eq!(introspect(&platform, &other).await, inactive());
}

/// Signs in, and calls both APIs by every way.
async fn call_everything(cli: &mut HeadlessBrowser, app: &str) {
    let order = json!({ "item": "chess-set", "quantity": 1 });
    for path in ["/api1/data", "/api1/report", "/api2/data", "/api2/data"] {
        let answer = cli.fetch_get(path).await;
        assert_eq!(answer.status, 200, "{app}{path}: {}", answer.body);
    }
    for path in ["/api1/data", "/api2/data"] {
        let answer = cli.fetch_post(path, &order).await;
        assert_eq!(answer.status, 201, "{app}{path}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_in_any_mode_and_api1_need_no_change_for_opaque_tokens() {
    for mode in ["stateful", "cached", "hybrid", "stateless"] {
        let config = opaque();
        let idp = ["--config", config.path().to_str().unwrap()];
        let platform = Platform::start_in_mode_with(mode, &idp, &INTROSPECTING).await;
        let app = platform.url(Site::App1);
        let mut cli = platform.cli();
        sign_in_to(&mut cli, &app, ALICE).await;
        call_everything(&mut cli, &app).await;
        // The token of API-2 was issued once for all calls.
        let issued = platform.tap(Site::Idp).answered_values("access_token");
        let opaque = issued.iter().filter(|token| is_opaque(token)).count();
        // One of the app, two exchanges over HTTP or gRPC, of which the tap hears one.
        assert_eq!(opaque, 2, "{mode}: {issued:?}");
    }
}
