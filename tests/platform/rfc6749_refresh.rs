//! The refresh token grant (RFC 6749 §6).

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use testkit::{ClientAuth, Platform};
use tests::{Party, words::API2};

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_used_twice_revokes_its_refresh_token_4_1_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let code = party.code(&mut party.cli(), &[]).await;
    let tokens = party.redeem(&code).await.granted();
    assert_eq!(
        party.redeem(&code).await.refusal(),
        refused(400, "invalid_grant")
    );
    let again = party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await;
    assert_eq!(again.refusal(), refused(400, "invalid_grant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_rotates_and_a_replay_after_the_grace_ends_its_family_6() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let first = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("refresh_token");
    let second = party
        .machine
        .refresh(&first, &[])
        .await
        .granted()
        .text("refresh_token");
    assert_ne!(first, second);
    let replayed = party
        .machine
        .refresh(&first, &[])
        .await
        .granted()
        .text("refresh_token");
    assert_eq!(second, replayed, "inside the grace the same successor");
    platform.advance(Duration::from_secs(31));
    assert_eq!(
        party.machine.refresh(&first, &[]).await.refusal(),
        refused(400, "invalid_grant")
    );
    assert_eq!(
        party.machine.refresh(&second, &[]).await.refusal(),
        refused(400, "invalid_grant")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refreshes_at_once_agree_on_one_successor_6() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let first = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("refresh_token");
    let answers =
        join_all((0..8).map(|_| party.machine.refresh(&first, &[("resource", API2)]))).await;
    let mut successors: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.granted().text("refresh_token"))
        .collect();
    successors.sort_unstable();
    successors.dedup();
    assert_eq!(successors.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_belongs_to_its_client_6() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let token = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("refresh_token");
    let other = platform.machine(ClientAuth::basic("app1", "app1-secret"));
    assert_eq!(
        other.refresh(&token, &[]).await.refusal(),
        refused(400, "invalid_grant")
    );
    party.machine.refresh(&token, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_offline_access_there_is_no_refresh_token() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party
        .tokens(&mut party.cli(), &[("scope", "openid https://api-1/read")])
        .await;
    assert!(
        tokens.json().get("refresh_token").is_none(),
        "{}",
        tokens.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_used_again_the_next_day_revokes_its_refresh_token_4_1_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let code = party.code(&mut cli, &[]).await;
    let tokens = party.redeem(&code).await.granted();
    platform.advance(Duration::from_hours(24));
    assert_eq!(party.redeem(&code).await.error(), "invalid_grant");
    let refresh = tokens.text("refresh_token");
    assert_eq!(
        party.machine.refresh(&refresh, &[]).await.error(),
        "invalid_grant"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_expires_and_its_last_access_token_stays_valid() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let tokens = party.tokens(&mut cli, &[]).await;
    platform.advance(Duration::from_hours(24 * 7) - Duration::from_secs(5));
    let last = party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await
        .granted();
    platform.advance(Duration::from_secs(10));
    assert_eq!(
        party
            .machine
            .refresh(&last.text("refresh_token"), &[])
            .await
            .error(),
        "invalid_grant"
    );
    let userinfo = format!("{}/userinfo", platform.issuer());
    let answer = party
        .machine
        .call(Method::GET, &userinfo, &last.text("access_token"))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
