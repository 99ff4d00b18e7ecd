//! What one user may leave in the store, however often the user signs in: the
//! oldest goes, and its apps are told.

use std::{collections::BTreeSet, time::Duration};

use kit::config::Site;
use testkit::{HeadlessBrowser, Platform, RedisServer};
use tests::{ALICE, BOB, Party, session_at, sign_in_to};

async fn is_signed_in(cli: &mut HeadlessBrowser, app: &str) -> bool {
    session_at(cli, app).await["authenticated"] == true
}

/// All keys, but for marks that end within minutes.
fn keys(redis: &RedisServer) -> BTreeSet<String> {
    let keys = redis.ask("KEYS *");
    // An answered form is kept for a moment, within the budget of logins under way.
    let passing = [":ended-", ":logout-token:", ":authorization:"];
    let lasting =
        |key: &&str| key.contains("sso-lab:") && !passing.iter().any(|part| key.contains(part));
    keys.lines().filter(lasting).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_sessions_are_limited_and_the_oldest_ends_everywhere() {
    let redis = RedisServer::start();
    let quotas = ["--idp-sessions-per-user", "4"];
    let platform = Platform::start_with_idp_on(&redis, &quotas).await;
    let app = platform.url(Site::App1);
    let mut bob = platform.cli();
    sign_in_to(&mut bob, &app, BOB).await;
    let mut browsers = Vec::new();
    let mut left = Vec::new();
    for n in 0..12 {
        let mut cli = platform.cli();
        sign_in_to(&mut cli, &app, ALICE).await;
        browsers.push(cli);
        platform.advance(Duration::from_secs(1));
        if n % 6 == 5 {
            until_told(&mut browsers[n - 4], &app).await;
            left.push(keys(&redis).len());
        }
    }
    for (n, cli) in browsers.iter_mut().enumerate() {
        let expected = n >= 8;
        assert_eq!(is_signed_in(cli, &app).await, expected, "browser {n}");
        let page = cli.goto(&format!("{}/account", platform.issuer())).await;
        let asks_who = page.asks_for("username");
        assert_eq!(asks_who, !expected, "at the provider: browser {n}");
    }
    assert!(is_signed_in(&mut bob, &app).await, "nobody else's");
    assert_eq!(
        left[0],
        left[1],
        "12 logins leave what 6 leave: {:#?}",
        keys(&redis)
    );
}

/// Waits until the app has been told of the end of this browser's session.
async fn until_told(cli: &mut HeadlessBrowser, app: &str) {
    let told = async {
        while is_signed_in(cli, app).await {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), told).await;
    assert!(in_time.is_ok(), "never told");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_sessions_of_a_user_are_limited_and_the_oldest_is_revoked() {
    let platform = Platform::start_with_bff(&["--bff-sessions-per-user", "3"]).await;
    let app = platform.url(Site::App1);
    let mut browsers = Vec::new();
    for _ in 0..5 {
        let mut cli = platform.cli();
        sign_in_to(&mut cli, &app, ALICE).await;
        browsers.push(cli);
        platform.advance(Duration::from_secs(1));
    }
    for (n, cli) in browsers.iter_mut().enumerate() {
        assert_eq!(is_signed_in(cli, &app).await, n >= 2, "browser {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_grants_in_a_session_are_limited_and_the_oldest_is_revoked() {
    let platform = Platform::start().await;
    let party = Party::my_spa(&platform);
    let mut cli = party.cli();
    let mut refresh_tokens = Vec::new();
    for _ in 0..12 {
        let tokens = party.tokens(&mut cli, &[]).await;
        refresh_tokens.push(tokens.text("refresh_token"));
        platform.advance(Duration::from_secs(1));
    }
    for (n, token) in refresh_tokens.iter().enumerate() {
        let answer = party.machine.refresh(token, &[]).await;
        let expected = if n < 2 { 400 } else { 200 };
        assert_eq!(answer.status, expected, "grant {n}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_grants_to_a_client_are_limited_and_the_oldest_is_revoked() {
    let platform = Platform::start_with(&["--idp-grants-per-client", "3"]).await;
    let party = Party::demo_rp(&platform);
    let mut refresh_tokens = Vec::new();
    for _ in 0..5 {
        // A browser, and so a session, for each.
        let tokens = party.tokens(&mut party.cli(), &[]).await;
        refresh_tokens.push(tokens.text("refresh_token"));
        platform.advance(Duration::from_secs(1));
    }
    for (n, token) in refresh_tokens.iter().enumerate() {
        let answer = party.machine.refresh(token, &[]).await;
        let expected = if n < 2 { 400 } else { 200 };
        assert_eq!(answer.status, expected, "grant {n}: {}", answer.body);
    }
}

/// Puts 10,000 members from `first` on into `set`, due in the year 3000.
fn fill(redis: &RedisServer, set: &str, first: u32) {
    const FAR: u64 = 32_503_680_000_000;
    let fill = "for n = ARGV[2], ARGV[2] + 9999 do redis.call('ZADD', KEYS[1], ARGV[1], n .. ':u' .. n) end";
    redis.ask(&format!("EVAL \"{fill}\" 1 sso-lab:{set} {FAR} {first}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_sessions_notices_or_users_stops_the_service() {
    let redis = RedisServer::start();
    for set in ["idp:logins", "idp:outbox"] {
        for first in (1..=120_000).step_by(10_000) {
            fill(&redis, set, first);
        }
    }
    let platform = Platform::start_on(Some(&redis), &[]).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    assert!(is_signed_in(&mut cli, &app).await);
    let mut other = platform.cli();
    sign_in_to(&mut other, &platform.url(Site::App2), ALICE).await;
    tests::logout::log_out_everywhere(&mut cli, &app).await;
    assert!(!is_signed_in(&mut cli, &app).await);
}
