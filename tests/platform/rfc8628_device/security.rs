//! What strangers and lost devices may do (RFC 8628 §5), and how a device's access ends.

use std::time::Duration;

use reqwest::Method;
use testkit::{Answer, HeadlessBrowser, Platform, RedisServer};
use tests::{ALICE, BOB, Device, sign_in};

use super::{at_the_page, device, refused, tv, with_config};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

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
