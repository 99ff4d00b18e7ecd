//! One refresh token, many audiences, one at a time (RFC 8707 §2.2).

use testkit::{Platform, UnverifiedClaims};
use tests::{
    Party,
    words::{API1, API1_READ, API1_WRITE, API2, API2_READ, API2_WRITE},
};

#[tokio::test(flavor = "multi_thread")]
async fn one_refresh_token_mints_for_each_audience_by_resource_or_its_alias_2_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut token = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("refresh_token");
    for (parameter, audience, scopes) in [
        ("resource", API1, [API1_READ, API1_WRITE]),
        ("audience", API2, [API2_READ, API2_WRITE]),
        ("audience", API1, [API1_READ, API1_WRITE]),
        ("resource", API2, [API2_READ, API2_WRITE]),
    ] {
        let answer = party
            .machine
            .refresh(&token, &[(parameter, audience)])
            .await
            .granted();
        let claims = UnverifiedClaims::of(&answer.text("access_token"));
        assert_eq!(claims.claims["aud"], audience, "one audience a token");
        let of_the_resource: Vec<_> = claims
            .scopes()
            .into_iter()
            .filter(|scope| scope.starts_with("https:"))
            .collect();
        assert_eq!(of_the_resource, scopes);
        token = answer.text("refresh_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn narrowing_never_narrows_the_refresh_token_rfc6749_6() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let token = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("refresh_token");
    let narrow = party
        .machine
        .refresh(&token, &[("resource", API1), ("scope", API1_READ)])
        .await
        .granted();
    assert_eq!(
        UnverifiedClaims::of(&narrow.text("access_token")).scopes(),
        [API1_READ]
    );
    assert_eq!(narrow.json()["scope"], API1_READ);
    let wide = party
        .machine
        .refresh(&narrow.text("refresh_token"), &[("resource", API1)])
        .await
        .granted();
    assert!(
        UnverifiedClaims::of(&wide.text("access_token"))
            .scopes()
            .contains(&API1_WRITE)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_or_audience_outside_the_grant_is_refused_and_never_replaced() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let only_api1 = [("scope", "openid offline_access https://api-1/read")];
    let token = party
        .tokens(&mut party.cli(), &only_api1)
        .await
        .text("refresh_token");
    let refused = async |more: &[(&str, &str)]| party.machine.refresh(&token, more).await.refusal();
    assert_eq!(
        refused(&[("resource", API2)]).await,
        (400, "invalid_target".to_owned())
    );
    assert_eq!(
        refused(&[("resource", "https://api-3")]).await,
        (400, "invalid_target".to_owned())
    );
    let more = [("resource", API1), ("scope", API1_WRITE)];
    assert_eq!(refused(&more).await, (400, "invalid_scope".to_owned()));
    // A refusal uses nothing up.
    party
        .machine
        .refresh(&token, &[("resource", API1)])
        .await
        .granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_names_the_first_tokens_audience_2_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    for (changes, audience) in [
        (vec![], API1),
        (vec![("resource", API2)], API2),
        (vec![("audience", API2)], API2),
    ] {
        let tokens = party.tokens(&mut cli, &changes).await;
        assert_eq!(
            UnverifiedClaims::of(&tokens.text("access_token")).claims["aud"],
            audience,
            "{changes:?}"
        );
    }
}
