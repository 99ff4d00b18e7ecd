//! The device authorization grant (RFC 8628).

mod security;

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use futures_util::future::join_all;
use kit::config::Site;
use reqwest::Method;
use tempfile::NamedTempFile;
use testkit::{Answer, ClientAuth, HeadlessBrowser, Machine, Platform, RedisServer};
use tests::{
    ALICE, Device, sign_in,
    words::{API1_READ, API1_WRITE, API2, API2_READ},
};

const BUILT_IN: &str = include_str!("../../../services/idp/src/settings/default.toml");

fn tv(platform: &Platform) -> Machine {
    platform.machine(ClientAuth::public("tv"))
}

async fn device(platform: &Platform) -> Device {
    Device::start(&tv(platform)).await
}

fn refused(error: &str) -> (u16, String) {
    (400, error.to_owned())
}

/// Asks for the page and signs in there.
async fn at_the_page(platform: &Platform) -> HeadlessBrowser {
    let mut cli = platform.cli();
    cli.goto(&format!("{}/device", platform.issuer())).await;
    sign_in(&mut cli, ALICE).await;
    cli
}

/// A platform with the built-in configuration, changed by `changes`.
async fn with_config(changes: &[(&str, &str)]) -> (Platform, NamedTempFile) {
    let mut text = BUILT_IN.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let flags = ["--config", file.path().to_str().unwrap()];
    (Platform::start_with(&flags).await, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_has_both_codes_and_says_where_to_go_3_2() {
    let platform = Platform::start().await;
    let answer = tv(&platform).authorize_device(API1_READ).await.granted();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let page = format!("{}/device", platform.issuer());
    assert_eq!(answer.text("verification_uri"), page);
    let code = answer.text("user_code");
    let link = format!("{page}?user_code={code}");
    assert_eq!(answer.text("verification_uri_complete"), link);
    assert_eq!(answer.json()["expires_in"], 600);
    assert_eq!(answer.json()["interval"], 5);
    assert!(!answer.text("device_code").contains(&code));
    let other = device(&platform).await;
    assert_ne!(other.user_code, code);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_is_checked_like_any_other_3_1() {
    let platform = Platform::start().await;
    let tv = tv(&platform);
    let post = async |form: &[(&str, &str)]| {
        let answer = tv.post_as_client("/device_authorization", form).await;
        answer.refusal()
    };
    assert_eq!(post(&[]).await, refused("invalid_scope"));
    let none = [("scope", "https://api-1/delete")];
    assert_eq!(post(&none).await, refused("invalid_scope"));
    let elsewhere = [("scope", API1_READ), ("resource", API2)];
    assert_eq!(post(&elsewhere).await, refused("invalid_target"));
    let twice = [("scope", API1_READ), ("scope", API1_READ)];
    assert_eq!(post(&twice).await, refused("invalid_request"));
    for (auth, refusal) in [
        (ClientAuth::public("my_spa"), refused("unauthorized_client")),
        (
            ClientAuth::basic("demo_rp", "demo-rp-secret"),
            refused("unauthorized_client"),
        ),
        (
            ClientAuth::public("nobody"),
            (401, "invalid_client".to_owned()),
        ),
        (
            ClientAuth::basic("tv", "guessed"),
            (401, "invalid_client".to_owned()),
        ),
    ] {
        let answer = tv.identified_by(auth).authorize_device(API1_READ).await;
        assert_eq!(answer.refusal(), refusal);
    }
    // What the client may not have is left out, as at /authorize.
    let scope = format!("{API1_READ} {API2_READ} {API1_WRITE}");
    tv.authorize_device(&scope).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_types_the_code_and_the_device_gets_its_tokens_3_3() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    assert_eq!(
        device.poll().await.refusal(),
        refused("authorization_pending")
    );
    let mut cli = platform.cli();
    device.is_allowed_by(&mut cli, ALICE).await;
    platform.advance(Duration::from_secs(5));
    let tokens = device.poll().await.granted();
    assert_eq!(tokens.header("cache-control"), Some("no-store"));
    assert_eq!(
        tokens.text("scope"),
        format!("{API1_READ} offline_access openid profile")
    );
    assert!(tokens.json()["id_token"].is_string());
    let whoami = format!("{}/whoami", platform.url(Site::Api1));
    let token = tokens.text("access_token");
    let said = device.machine.call(Method::GET, &whoami, &token).await;
    let said = said.granted().json();
    assert_eq!(said["sub"], "u-7f3c1e0a52");
    assert_eq!(said["client_id"], "tv");
    assert_eq!(device.poll().await.refusal(), refused("invalid_grant"));
    let refresh = tokens.text("refresh_token");
    device.machine.refresh(&refresh, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_brings_the_code_and_the_user_compares_it_3_3_1() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let code = device.user_code.as_str();
    let mut cli = platform.cli();
    let page = cli.goto(&device.link).await;
    assert!(page.asks_for("username"), "{page}");
    cli.submit_first_form(&[("username", "alice"), ("password", "wrong")])
        .await;
    assert_eq!(cli.page().status(), 401, "{}", cli.page());
    sign_in(&mut cli, ALICE).await;
    let page = cli.page();
    assert_eq!(page.url().as_str(), device.link, "back with the code");
    assert!(page.text().contains("stranger"), "{page}");
    assert_eq!(cli.first_form().field("user_code"), Some(code));
    let page = cli.submit_first_form(&[]).await;
    let text = page.text();
    for said in [code, "TV", "Alice Liddell", "See your orders", "stranger"] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let page = cli.submit_first_form(&[]).await;
    assert!(page.text().contains("Device connected"), "{page}");
    device.poll().await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_typed_in_any_case_with_or_without_its_hyphen_6_1() {
    let platform = Platform::start().await;
    let mut cli = at_the_page(&platform).await;
    let page = format!("{}/device", platform.issuer());
    for change in [
        |code: &str| code.to_lowercase(),
        |code: &str| code.replace('-', " "),
        |code: &str| code.replace('-', ""),
    ] {
        let device = device(&platform).await;
        let typed = change(&device.user_code);
        cli.goto(&page).await;
        cli.submit_first_form(&[("user_code", &typed)]).await;
        assert!(
            cli.page().text().contains(&device.user_code),
            "{}",
            cli.page()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_device_is_told_and_the_code_is_used_up_3_5() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let mut cli = platform.cli();
    device.is_typed_by(&mut cli, ALICE).await;
    let page = cli.press("Deny").await;
    assert!(page.text().contains("Access denied"), "{page}");
    for _ in 0..2 {
        assert_eq!(device.poll().await.refusal(), refused("access_denied"));
    }
    cli.goto(&device.link).await;
    let page = cli.submit_first_form(&[]).await;
    assert_eq!(page.status(), 400, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_polls_too_often_is_slowed_by_5_seconds_and_not_for_ever_3_5() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let poll = async |after: u64| {
        platform.advance(Duration::from_secs(after));
        device.poll().await.error()
    };
    assert_eq!(poll(0).await, "authorization_pending");
    assert_eq!(poll(5).await, "authorization_pending");
    for _ in 0..3 {
        assert_eq!(poll(1).await, "slow_down");
    }
    // 10 seconds after the last poll in time, and not after the last one.
    assert_eq!(poll(7).await, "authorization_pending");
    assert_eq!(poll(5).await, "slow_down");
    assert_eq!(poll(10).await, "authorization_pending");
    assert_eq!(poll(1).await, "slow_down");
    // §3.5: the pace is for a request that is pending.
    device.is_allowed_by(&mut platform.cli(), ALICE).await;
    device.poll().await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_codes_expire_3_5() {
    let platform = Platform::start().await;
    let (one, other) = (device(&platform).await, device(&platform).await);
    let mut cli = platform.cli();
    other.is_allowed_by(&mut cli, ALICE).await;
    one.is_typed_by(&mut cli, ALICE).await;
    platform.advance(Duration::from_secs(600));
    let page = cli.press("Allow").await;
    assert_eq!(page.status(), 400, "shown in time, answered late: {page}");
    cli.goto(&one.link).await;
    let page = cli.submit_first_form(&[]).await;
    assert_eq!(page.status(), 400, "{page}");
    for device in [&one, &other] {
        assert_eq!(device.poll().await.refusal(), refused("expired_token"));
    }
    platform.advance(Duration::from_secs(300));
    assert_eq!(one.poll().await.refusal(), refused("invalid_grant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lifetime_and_interval_are_settings_down_to_a_second_3_2() {
    let flags = [
        "--idp-device-code-lifetime",
        "3s",
        "--idp-device-interval",
        "1s",
    ];
    let platform = Platform::start_with(&flags).await;
    let answer = tv(&platform).authorize_device(API1_READ).await.granted();
    assert_eq!(answer.json()["expires_in"], 3);
    assert_eq!(answer.json()["interval"], 1);
    let device = device(&platform).await;
    for expected in ["authorization_pending", "authorization_pending"] {
        assert_eq!(device.poll().await.error(), expected);
        platform.advance(Duration::from_secs(1));
    }
    platform.advance(Duration::from_secs(1));
    assert_eq!(device.poll().await.error(), "expired_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_code_belongs_to_its_client_and_cannot_be_made_3_4() {
    let other = "client_id = \"tv2\"\nname = \"Radio\"\nauth = [\"none\"]\ngrants = [\"urn:ietf:params:oauth:grant-type:device_code\"]\naudiences = [\"https://api-1\"]\n\n[[clients]]\nclient_id = \"tv\"";
    let (platform, _config) = with_config(&[("client_id = \"tv\"", other)]).await;
    let device = device(&platform).await;
    device.is_allowed_by(&mut platform.cli(), ALICE).await;
    let code = device.device_code.as_str();
    let radio = device.machine.identified_by(ClientAuth::public("tv2"));
    assert_eq!(radio.poll(code).await.refusal(), refused("invalid_grant"));
    let spa = device.machine.identified_by(ClientAuth::public("my_spa"));
    assert_eq!(
        spa.poll(code).await.refusal(),
        refused("unauthorized_client")
    );
    let (id, secret) = code.split_once('.').unwrap();
    let reversed: String = secret.chars().rev().collect();
    for made in [
        format!("{id}.{reversed}"),
        id.to_owned(),
        device.user_code.clone(),
        "x".repeat(5000),
    ] {
        let answer = device.machine.poll(&made).await;
        assert_eq!(answer.refusal(), refused("invalid_grant"), "{made}");
    }
    assert_eq!(
        device.machine.poll("").await.refusal(),
        refused("invalid_request")
    );
    device.poll().await.granted();
}

/// How many of 100 polls at once got tokens, and that no other got any.
async fn redeemed_at_once(platform: &Platform) -> Vec<Answer> {
    let device = device(platform).await;
    device.is_allowed_by(&mut platform.cli(), ALICE).await;
    let answers = join_all((0..100).map(|_| device.poll())).await;
    let mut counts = BTreeMap::new();
    for answer in &answers {
        *counts.entry((answer.status, answer.error())).or_insert(0) += 1;
    }
    let others = [
        refused("invalid_grant"),
        refused("slow_down"),
        (200, String::new()),
    ];
    assert!(counts.keys().all(|key| others.contains(key)), "{counts:?}");
    answers
        .into_iter()
        .filter(|answer| answer.status == 200)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_100_polls_at_once_gets_the_tokens_in_memory_3_5() {
    let platform = Platform::start().await;
    let granted = redeemed_at_once(&platform).await;
    assert_eq!(granted.len(), 1);
    let refresh = granted[0].text("refresh_token");
    tv(&platform).refresh(&refresh, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_100_polls_at_once_gets_the_tokens_on_redis_3_5() {
    let redis = RedisServer::start();
    let platform = Platform::start_on(Some(&redis), &[]).await;
    let granted = redeemed_at_once(&platform).await;
    assert_eq!(granted.len(), 1);
    let refresh = granted[0].text("refresh_token");
    tv(&platform).refresh(&refresh, &[]).await.granted();
}
