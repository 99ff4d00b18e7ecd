//! The device authorization grant (RFC 8628).

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use futures_util::future::join_all;
use kit::config::Site;
use reqwest::Method;
use tempfile::NamedTempFile;
use testkit::{Answer, ClientAuth, HeadlessBrowser, Machine, Platform, RedisServer};
use tests::{
    ALICE, BOB, Device, sign_in,
    words::{API1_READ, API1_WRITE, API2, API2_READ},
};

const BUILT_IN: &str = include_str!("../../services/idp/src/settings/default.toml");
const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

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
    device.is_allowed_by(&mut platform.cli(), ALICE).await;
    assert_eq!(poll(1).await, "slow_down");
    platform.advance(Duration::from_secs(20));
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

/// Polls that are counted.
const POLLS: u64 = 20;

/// How many records the provider has read or swapped.
async fn reads_and_swaps(platform: &Platform) -> u64 {
    let metrics = tv(platform).get("/metrics").await.body;
    let counts = metrics.lines().filter_map(|line| {
        let line = line.strip_prefix("db_client_operation_duration_seconds_count{")?;
        let of_polls = ["\"get\"", "\"compare_and_swap\""];
        let (labels, count) = line.rsplit_once(' ')?;
        let is_counted = of_polls.iter().any(|name| labels.contains(name));
        is_counted.then(|| count.parse::<u64>().unwrap())
    });
    counts.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_holds_neither_code_and_a_poll_costs_two_commands_5_2() {
    let redis = RedisServer::start();
    let platform = Platform::start_with_idp_on(&redis, &[]).await;
    let device = device(&platform).await;
    let (_, secret) = device.device_code.split_once('.').unwrap();
    let letters = device.user_code.replace('-', "");
    let keys = redis.ask("KEYS *");
    let records: Vec<_> = keys
        .lines()
        .filter(|key| key.contains(":device:"))
        .collect();
    assert_eq!(records.len(), 1, "{keys}");
    let record = redis.ask(&format!("GET {}", records[0]));
    for text in [&keys, &record] {
        for code in [secret, &letters, &device.user_code] {
            assert!(!text.contains(code), "{code} in {text}");
        }
    }

    let before = reads_and_swaps(&platform).await;
    for _ in 0..POLLS {
        assert_eq!(device.poll().await.error(), "authorization_pending");
        platform.advance(Duration::from_secs(5));
    }
    let paced = reads_and_swaps(&platform).await - before;
    device.poll().await;
    device.poll().await;
    let before = reads_and_swaps(&platform).await;
    for _ in 0..POLLS {
        assert_eq!(device.poll().await.error(), "slow_down");
    }
    let early = reads_and_swaps(&platform).await - before;
    // A few of the worker's fall in between.
    assert!((2 * POLLS..2 * POLLS + 10).contains(&paced), "{paced}");
    assert!((POLLS..POLLS + 10).contains(&early), "{early}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_slowed_in_a_session_5_1() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let mut cli = at_the_page(&platform).await;
    // What is no code is no guess.
    for text in ["", "WDJB", "0000-0000"] {
        let page = cli.submit_first_form(&[("user_code", text)]).await;
        assert_eq!(page.status(), 400, "{page}");
    }
    for n in 0..5 {
        let page = cli.submit_first_form(&[("user_code", "BCDF-GHJK")]).await;
        assert_eq!(page.status(), 400, "guess {n}: {page}");
    }
    let right = device.user_code.as_str();
    let page = cli.submit_first_form(&[("user_code", right)]).await;
    assert_eq!(page.status(), 429, "{page}");
    assert_eq!(page.header("retry-after"), Some("1"));
    // Others are not slowed by this session's guesses.
    let mut other = platform.cli();
    device.is_typed_by(&mut other, BOB).await;
    // One guess at a time, and longer waits; the right code works in its time.
    platform.advance(Duration::from_secs(1));
    let page = cli.submit_first_form(&[("user_code", "BCDF-GHJK")]).await;
    assert_eq!(page.status(), 400, "{page}");
    let page = cli.submit_first_form(&[("user_code", right)]).await;
    assert_eq!(page.header("retry-after"), Some("2"), "{page}");
    platform.advance(Duration::from_secs(2));
    let page = cli.submit_first_form(&[("user_code", right)]).await;
    assert_eq!(page.status(), 200, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_slowed_at_an_address_whatever_the_session_5_1() {
    let (platform, _config) = with_config(&[("per_address = 50", "per_address = 8")]).await;
    let device = device(&platform).await;
    let mut sessions = [at_the_page(&platform).await, at_the_page(&platform).await];
    for n in 0..8 {
        let cli = &mut sessions[n % 2];
        let page = cli.submit_first_form(&[("user_code", "BCDF-GHJK")]).await;
        assert_eq!(page.status(), 400, "guess {n}: {page}");
    }
    let mut third = at_the_page(&platform).await;
    let page = third
        .submit_first_form(&[("user_code", &device.user_code)])
        .await;
    assert_eq!(page.status(), 429, "{page}");
    // The third has signed in all the same: a wrong code is no failed sign-in.
    platform.advance(Duration::from_secs(1));
    device.is_typed_by(&mut third, ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_from_the_form_of_its_session_and_its_device_5_4() {
    let platform = Platform::start().await;
    let (one, other) = (device(&platform).await, device(&platform).await);
    let url = format!("{}/device/answer", platform.issuer());
    let mut alice = platform.cli();
    one.is_typed_by(&mut alice, ALICE).await;
    let form = alice.first_form().encoded();
    assert!(form.contains("decision=allow"), "{form}");
    // In another browser, and without any.
    let mut bob = platform.cli();
    other.is_typed_by(&mut bob, BOB).await;
    let answer = bob.raw(Method::POST, &url, &FORM, &form).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    let mut nobody = platform.cli();
    let answer = nobody.raw(Method::POST, &url, &FORM, &form).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    // For another device: a link alone gives no access.
    let moved = form.replace(&one.user_code, &other.user_code);
    assert_ne!(moved, form);
    let answer = alice.raw(Method::POST, &url, &FORM, &moved).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    for device in [&one, &other] {
        assert_eq!(device.poll().await.error(), "authorization_pending");
    }
    // No page of another site shows it.
    let page = alice.goto(&one.link).await;
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_sent_twice_is_the_same_and_the_first_one_counts() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let (mut alice, mut bob) = (platform.cli(), platform.cli());
    device.is_typed_by(&mut alice, ALICE).await;
    device.is_typed_by(&mut bob, BOB).await;
    let mut again = alice.second_tab();
    again.goto(&device.link).await;
    again.submit_first_form(&[]).await;
    let mut denies = alice.second_tab();
    denies.goto(&device.link).await;
    denies.submit_first_form(&[]).await;
    alice.press("Allow").await;
    assert_eq!(alice.page().status(), 200, "{}", alice.page());
    assert_eq!(again.press("Allow").await.status(), 200, "{}", again.page());
    assert_eq!(denies.press("Deny").await.status(), 400);
    assert_eq!(bob.press("Allow").await.status(), 400, "{}", bob.page());
    let tokens = device.poll().await.granted();
    let refreshed = device
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await;
    refreshed.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_signs_out_before_the_device_polls_gives_it_nothing() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let mut cli = platform.cli();
    device.is_allowed_by(&mut cli, ALICE).await;
    cli.goto(&format!("{}/account", platform.issuer())).await;
    cli.press("Sign out here").await;
    assert_eq!(device.poll().await.refusal(), refused("invalid_grant"));
    assert_eq!(device.poll().await.refusal(), refused("invalid_grant"));
}

/// Tokens of a device that alice has allowed in `cli`.
async fn tokens(platform: &Platform, cli: &mut HeadlessBrowser) -> (Device, Answer) {
    let device = device(platform).await;
    device.is_allowed_by(cli, ALICE).await;
    let tokens = device.poll().await.granted();
    (device, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devices_access_outlasts_the_session_and_ends_at_account() {
    let platform = Platform::start().await;
    let account = format!("{}/account", platform.issuer());
    let mut cli = platform.cli();
    let (device, first) = tokens(&platform, &mut cli).await;
    cli.goto(&account).await;
    cli.press("Sign out here").await;
    let refreshed = device
        .machine
        .refresh(&first.text("refresh_token"), &[])
        .await;
    let refresh = refreshed.granted().text("refresh_token");

    // Nobody else sees or ends it.
    let mut bob = platform.cli();
    bob.goto(&account).await;
    sign_in(&mut bob, BOB).await;
    assert!(!bob.page().text().contains("TV"), "{}", bob.page());
    let grant = refresh.split('.').next().unwrap();
    let sid = bob.first_form().encoded();
    let (token, _) = sid.split_once("&sid=").unwrap();
    let aimed = format!("{token}&grant={grant}");
    let end = format!("{account}/end");
    let answer = bob.raw(Method::POST, &end, &FORM, &aimed).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let refreshed = device.machine.refresh(&refresh, &[]).await.granted();

    cli.goto(&account).await;
    sign_in(&mut cli, ALICE).await;
    let text = cli.page().text();
    assert!(
        text.contains("TV") && text.contains("outlasts your sessions"),
        "{text}"
    );
    let page = cli.press("End access").await;
    assert!(!page.text().contains("TV"), "{page}");
    let refresh = refreshed.text("refresh_token");
    let answer = device.machine.refresh(&refresh, &[]).await;
    assert_eq!(answer.refusal(), refused("invalid_grant"));
    let userinfo = format!("{}/userinfo", platform.issuer());
    let token = refreshed.text("access_token");
    let answer = device.machine.call(Method::GET, &userinfo, &token).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_ends_its_access_by_revocation_rfc7009() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let (device, tokens) = tokens(&platform, &mut cli).await;
    let token = tokens.text("refresh_token");
    let form = [("token", token.as_str())];
    let revoked = device.machine.post_as_client("/revoke", &form).await;
    revoked.granted();
    let answer = device.machine.refresh(&token, &[]).await;
    assert_eq!(answer.refusal(), refused("invalid_grant"));
    let page = cli.goto(&format!("{}/account", platform.issuer())).await;
    assert!(!page.text().contains("outlasts"), "{page}");
}
