//! When one ends: by its revocation, with what it stems from, with its time, and by the limit.

use std::time::Duration;

use testkit::HeadlessBrowser;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_1_an_opaque_token_ends_at_once_by_its_own_revocation() {
    let (platform, _config) = start().await;
    let (batch, api1) = (batch(&platform), api(&platform, "api-1"));
    // Without a grant: this token alone.
    let (first, second) = (own_token(&batch, API2).await, own_token(&batch, API2).await);
    assert_eq!(
        revoke(&api1, &first).await.error(),
        "invalid_grant",
        "another client's"
    );
    assert_eq!(revoke(&batch, &first).await.status, 200);
    assert_eq!(at_api2(&platform, &first).await.status, 401);
    assert_eq!(by_grpc(&platform, &first).await, Code::Unauthenticated);
    assert_eq!(introspect(&platform, &first).await, inactive());
    assert_eq!(revoke(&batch, &first).await.status, 200, "a second time");
    assert_eq!(at_api2(&platform, &second).await.status, 200);
    // Exchanged: this token alone, by the client that exchanged it.
    let party = Party::app1(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let jwt = tokens.text("access_token");
    let exchanged = async || {
        let answer = api1.exchange(&jwt, API2, &[]).await;
        answer.granted().text("access_token")
    };
    let (first, second) = (exchanged().await, exchanged().await);
    assert_eq!(
        revoke(&party.machine, &first).await.error(),
        "invalid_grant"
    );
    assert_eq!(revoke(&api1, &first).await.status, 200);
    assert_eq!(at_api2(&platform, &first).await.status, 401);
    assert_eq!(at_api2(&platform, &second).await.status, 200);
    // Of a grant: with its grant.
    let (refreshed, token) = with_opaque(&party).await;
    assert_eq!(revoke(&party.machine, &token).await.status, 200);
    assert_eq!(at_api2(&platform, &token).await.status, 401);
    let again = party
        .machine
        .refresh(&refreshed.text("refresh_token"), &[])
        .await;
    assert_eq!(again.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_2_an_opaque_token_ends_with_its_grant_its_session_and_its_time() {
    let (platform, _config) = start().await;
    let party = Party::app1(&platform);
    let (refreshed, token) = with_opaque(&party).await;
    assert_eq!(at_api2(&platform, &token).await.status, 200);
    let refresh = refreshed.text("refresh_token");
    assert_eq!(revoke(&party.machine, &refresh).await.status, 200);
    assert_eq!(
        at_api2(&platform, &token).await.status,
        401,
        "its grant has ended"
    );
    // An exchanged one ends with the grant of the token that it was exchanged for.
    let mut browser: HeadlessBrowser = party.cli();
    let tokens = party.tokens(&mut browser, &[]).await;
    let exchanged = api(&platform, "api-1");
    let exchanged = exchanged
        .exchange(&tokens.text("access_token"), API2, &[])
        .await;
    let exchanged = exchanged.granted().text("access_token");
    assert_eq!(at_api2(&platform, &exchanged).await.status, 200);
    browser.goto(&format!("{}/logout", platform.issuer())).await;
    browser.press("Sign out").await;
    assert_eq!(
        at_api2(&platform, &exchanged).await.status,
        401,
        "its session has ended"
    );
    let own = own_token(&batch(&platform), API2).await;
    platform.advance(Duration::from_secs(899));
    assert_eq!(at_api2(&platform, &own).await.status, 200);
    platform.advance(Duration::from_secs(1));
    assert_eq!(
        at_api2(&platform, &own).await.status,
        401,
        "its time is over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opaque_tokens_of_one_client_are_bounded_and_displace_no_other() {
    let (platform, _config) = start_with(&["--idp-opaque-tokens-per-grant=3"]).await;
    let batch = batch(&platform);
    let party = Party::app1(&platform);
    let (_, users) = with_opaque(&party).await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(own_token(&batch, API2).await);
        platform.advance(Duration::from_secs(1));
    }
    let mut live = Vec::new();
    for token in &tokens {
        live.push(introspect(&platform, token).await["active"] == true);
    }
    assert_eq!(live, [false, false, true, true, true]);
    assert_eq!(introspect(&platform, &users).await["active"], true);
}
