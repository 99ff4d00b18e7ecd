//! API keys for API-1, as an operator adds, rotates and revokes them, and as programs and
//! App 1 use them.

use std::{path::Path, time::Duration};

use kit::config::Site;
use serde_json::{Value, json};
use testkit::{Child, Platform, binary};
use tests::{ALICE, BOB, sign_in_to, words::API1_WRITE};
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(60);

/// What `sso-lab keys api` says, and whether it succeeded.
fn keys(file: &Path, flags: &[&str]) -> (String, bool) {
    let file = file.to_str().unwrap();
    let flags = [&["keys", "api"], flags, &["--file", file]].concat();
    let (said, code) = Child::run_to_end(&binary("sso-lab"), &flags, &[], SOON);
    (said, code == Some(0))
}

/// A new key of `name`.
pub fn add(file: &Path, name: &str, more: &[&str]) -> String {
    let (said, done) = keys(file, &[&["add", "--name", name], more].concat());
    assert!(done, "{said}");
    let key = said.lines().find(|line| line.starts_with("api1_"));
    key.unwrap_or_else(|| panic!("no key: {said}")).to_owned()
}

/// The status and the body of a call to API-1 with these headers.
async fn call(platform: &Platform, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let url = format!("{}{path}", platform.url(Site::Api1));
    let mut request = kit::net::http_client().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// Calls until API-1 answers with `status`: it looks at its file once a second. Meanwhile
/// the key is a wrong one, so that the next attempt may have to wait for a minute.
async fn until(platform: &Platform, key: &str, status: u16) {
    let waiting = async {
        while call(platform, "/whoami", &[("x-api-key", key)]).await.0 != status {
            platform.advance(Duration::from_secs(60));
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(SOON, waiting).await.unwrap();
}

async fn with_keys(file: &Path, bff_flags: &[&str]) -> Platform {
    let flags = ["--api1-keys-file", file.to_str().unwrap()];
    Platform::start_with_bff_and_api1(bff_flags, &flags).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_added_used_rotated_and_revoked_while_api_1_runs() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("api-1-keys.json");
    let platform = with_keys(&file, &[]).await;
    let first = add(&file, "till", &[]);
    until(&platform, &first, 200).await;
    let (_, who) = call(&platform, "/whoami", &[("x-api-key", &first)]).await;
    assert_eq!(
        (&who["sub"], &who["api_key"]["name"]),
        (&Value::Null, &json!("till"))
    );
    assert!(!who.to_string().contains(&first));
    let (status, orders) = call(&platform, "/resource", &[("x-api-key", &first)]).await;
    assert_eq!((status, &orders["orders"]), (200, &json!([])));
    let second = add(&file, "till", &[]);
    until(&platform, &second, 200).await;
    until(&platform, &first, 200).await;
    let (said, done) = keys(&file, &["add", "--name", "till"]);
    assert!(!done && said.contains("revoke one first"), "{said}");
    let (listed, _) = keys(&file, &["list"]);
    assert!(listed.contains("till") && !listed.contains(&first) && !listed.contains(&second));
    let id = &first["api1_".len()..][..16];
    assert!(keys(&file, &["revoke", id]).1);
    until(&platform, &first, 401).await;
    until(&platform, &second, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_places_orders_with_the_scope_and_is_refused_without() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("api-1-keys.json");
    let reader = add(&file, "reader", &[]);
    let writer = add(&file, "writer", &["--scope", API1_WRITE]);
    let platform = with_keys(&file, &[]).await;
    let url = format!("{}/resource", platform.url(Site::Api1));
    let place = async |key: &str| {
        let request = kit::net::http_client().post(&url).header("x-api-key", key);
        let order = json!({"item": "tea-pot", "quantity": 1});
        request.json(&order).send().await.unwrap().status().as_u16()
    };
    assert_eq!(place(&reader).await, 403);
    assert_eq!(place(&writer).await, 201);
    // Its own scope does not let it read.
    let (status, _) = call(&platform, "/resource", &[("x-api-key", &writer)]).await;
    assert_eq!(status, 403);
    let (status, report) = call(&platform, "/report", &[("x-api-key", &reader)]).await;
    assert_eq!(
        (status, &report["orders"]),
        (200, &json!([])),
        "each name has its own orders"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_beside_another_credential_is_refused_and_guesses_are_slowed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("api-1-keys.json");
    let key = add(&file, "till", &[]);
    let platform = with_keys(&file, &[]).await;
    let both = [("x-api-key", key.as_str()), ("authorization", "Bearer x")];
    assert_eq!(call(&platform, "/resource", &both).await.0, 400);
    let twice = [("x-api-key", key.as_str()), ("x-api-key", key.as_str())];
    assert_eq!(call(&platform, "/resource", &twice).await.0, 400);
    let other = if key.ends_with('A') { 'E' } else { 'A' };
    let guess = format!("{}{other}", &key[..key.len() - 1]);
    for _ in 0..10 {
        assert_eq!(
            call(&platform, "/resource", &[("x-api-key", &guess)])
                .await
                .0,
            401
        );
    }
    let (status, _) = call(&platform, "/resource", &[("x-api-key", &key)]).await;
    assert_eq!(status, 429);
    platform.advance(Duration::from_secs(2));
    let (status, _) = call(&platform, "/resource", &[("x-api-key", &key)]).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_a_key_is_no_credential() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("api-1-keys.json");
    let key = add(&file, "till", &[]);
    let platform = Platform::start().await;
    let (status, _) = call(&platform, "/resource", &[("x-api-key", &key)]).await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_calls_api_1_by_its_key_for_whoever_is_signed_in_and_for_nobody_else() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("api-1-keys.json");
    let read = "https://api-1/read";
    let key = add(&file, "app", &["--scope", read, "--scope", API1_WRITE]);
    for mode in ["stateful", "stateless", "hybrid", "cached"] {
        let flags = [
            "--bff-session-mode",
            mode,
            "--bff-api1-credential",
            "api_key",
            "--bff-api1-key",
            &key,
        ];
        let platform = with_keys(&file, &flags).await;
        let app = platform.url(Site::App1);
        for person in [ALICE, BOB] {
            let mut cli = platform.cli();
            assert_eq!(
                cli.try_get(&format!("{app}/api1/whoami"))
                    .await
                    .unwrap()
                    .status,
                401
            );
            sign_in_to(&mut cli, &app, person).await;
            let who: Value = cli.fetch_get("/api1/whoami").await.json().unwrap();
            assert_eq!(who["sub"], Value::Null, "{mode}");
            assert_eq!(who["api_key"]["name"], "app", "{mode}");
            let order = json!({"item": "tea-pot", "quantity": 1});
            assert_eq!(
                cli.fetch_post("/api1/data", &order).await.status,
                201,
                "{mode}"
            );
            assert_eq!(cli.fetch_get("/api1/report").await.status, 200, "{mode}");
            assert_eq!(cli.fetch_get("/api2/whoami").await.status, 200, "{mode}");
            tests::logout::log_out_everywhere(&mut cli, &app).await;
            assert_eq!(cli.fetch_get("/api1/whoami").await.status, 401, "{mode}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_at_the_start_with_a_sentence() {
    for (flags, expected) in [
        (
            &["--bff-api1-credential", "api_key"][..],
            "BFF_API1_KEY: needed",
        ),
        (
            &["--bff-api2-credential", "api_key"],
            "takes access tokens alone",
        ),
        (
            &["--bff-api1-credential", "sticky"],
            "BFF_API1_CREDENTIAL: ",
        ),
        (
            &[
                "--app1-machine-key-file",
                "/nowhere.pem",
                "--bff-api2-credential",
                "jwt_bearer",
            ],
            "APP1_MACHINE_KEY_FILE: /nowhere.pem: ",
        ),
    ] {
        let (said, code) = Child::run_to_end(&binary("app1-bff"), flags, &[], SOON);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("keys.json");
    std::fs::write(&file, "no keys").unwrap();
    let flags = ["--api1-keys-file", file.to_str().unwrap()];
    let (said, code) = Child::run_to_end(&binary("api-1"), &flags, &[], SOON);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("API1_KEYS_FILE: "), "{said}");
}
