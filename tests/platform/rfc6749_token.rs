//! The token endpoint (RFC 6749 §3.2, §4.1.3, §4.4, §5, §6).

use std::time::Duration;

use futures_util::future::join_all;
use testkit::{ClientAuth, Platform, UnverifiedClaims};
use tests::{
    Party,
    words::{API1, API1_READ, API2, API2_READ},
};

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_redeemed_once_under_concurrency_4_1_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let code = party.code(&mut party.cli(), &[]).await;
    let answers = join_all((0..8).map(|_| party.redeem(&code))).await;
    let granted: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(granted.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.refusal(), refused(400, "invalid_grant"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_lives_for_60_seconds_4_1_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let code = party.code(&mut cli, &[]).await;
    platform.advance(Duration::from_secs(59));
    party.redeem(&code).await.granted();
    let code = party.code(&mut cli, &[]).await;
    platform.advance(Duration::from_secs(61));
    assert_eq!(
        party.redeem(&code).await.refusal(),
        refused(400, "invalid_grant")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_belongs_to_its_client_and_its_redirect_uri_4_1_3() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let verifier = party.pkce.verifier.as_str();

    let code = party.code(&mut cli, &[]).await;
    let other = platform.machine(ClientAuth::basic("app1", "app1-secret"));
    assert_eq!(
        other
            .redeem(&code, &party.redirect_uri, verifier)
            .await
            .refusal(),
        refused(400, "invalid_grant")
    );

    let code = party.code(&mut cli, &[]).await;
    let elsewhere = party
        .machine
        .redeem(&code, "http://localhost:9999/callback", verifier)
        .await;
    assert_eq!(elsewhere.refusal(), refused(400, "invalid_grant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_response_is_never_cached_5_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    assert_eq!(tokens.header("cache-control"), Some("no-store"));
    assert_eq!(tokens.json()["token_type"], "Bearer");
    assert_eq!(tokens.json()["expires_in"], 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_401_with_the_scheme_of_the_request_5_2() {
    let platform = Platform::start().await;
    let grant = [("grant_type", "client_credentials")];
    let batch = platform.machine(ClientAuth::basic("batch", "wrong"));
    let answer = batch.token(&grant).await;
    assert_eq!(answer.refusal(), refused(401, "invalid_client"));
    assert!(
        answer
            .header("www-authenticate")
            .unwrap_or_default()
            .starts_with("Basic"),
        "{answer:?}"
    );
    for auth in [
        ClientAuth::basic("nobody", "x"),
        ClientAuth::public("batch"),
        ClientAuth::post("demo_rp", "wrong"),
    ] {
        let answer = batch.identified_by(auth).token(&grant).await;
        assert_eq!(answer.refusal(), refused(401, "invalid_client"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_authenticates_only_by_its_registered_method_2_3() {
    let platform = Platform::start().await;
    let grant = [("grant_type", "client_credentials")];
    let posted = platform
        .machine(ClientAuth::post("batch", "batch-secret"))
        .token(&grant)
        .await;
    assert_eq!(posted.refusal(), refused(401, "invalid_client"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ways_to_authenticate_at_once_are_refused_2_3() {
    let platform = Platform::start().await;
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let both = [
        ("grant_type", "client_credentials"),
        ("client_id", "batch"),
        ("client_secret", "batch-secret"),
    ];
    let answer = batch.token(&both).await;
    assert!(
        matches!(
            answer.error().as_str(),
            "invalid_request" | "invalid_client"
        ),
        "{}",
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_are_for_the_client_itself_4_4() {
    let platform = Platform::start().await;
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let parameters = [
        ("grant_type", "client_credentials"),
        ("scope", API1_READ),
        ("resource", API1),
    ];
    let answer = batch.token(&parameters).await.granted();
    assert!(
        answer.json().get("refresh_token").is_none(),
        "§4.4.3: no refresh token"
    );
    assert!(answer.json().get("id_token").is_none());
    let token = UnverifiedClaims::of(&answer.text("access_token"));
    assert_eq!(
        (token.text("sub"), token.text("client_id")),
        ("batch", "batch")
    );
    assert_eq!(token.scopes(), [API1_READ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_the_client_may_not_use_is_unauthorized_client_5_2() {
    let platform = Platform::start().await;
    let demo_rp = Party::demo_rp(&platform).machine;
    assert_eq!(
        demo_rp
            .token(&[("grant_type", "client_credentials")])
            .await
            .refusal(),
        refused(400, "unauthorized_client")
    );
    assert_eq!(
        demo_rp.token(&[("grant_type", "password")]).await.refusal(),
        refused(400, "unsupported_grant_type")
    );
    assert_eq!(
        demo_rp.token(&[("scope", "openid")]).await.refusal(),
        refused(400, "invalid_request")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_features_are_absent() {
    let platform = Platform::start().await;
    let machine = Party::demo_rp(&platform).machine;
    let answer = machine.get("/register").await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    let grant = "password";
    assert_eq!(
        machine.token(&[("grant_type", grant)]).await.error(),
        "unsupported_grant_type"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_forms_are_accepted_and_no_parameter_twice_3_2() {
    let platform = Platform::start().await;
    let machine = Party::demo_rp(&platform).machine;
    let form = "application/x-www-form-urlencoded";
    let twice = [
        ("grant_type", "client_credentials"),
        ("scope", API1_READ),
        ("scope", API1_READ),
    ];
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    assert_eq!(
        batch.token(&twice).await.refusal(),
        refused(400, "invalid_request")
    );
    let json = machine
        .post_raw("/token", "application/json", "{}".to_owned())
        .await;
    assert!(matches!(json.status, 400 | 415), "{json:?}");
    let huge = format!("grant_type={}", "x".repeat(200_000));
    assert_eq!(machine.post_raw("/token", form, huge).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_redeems_its_code_and_rotates_without_a_secret() {
    let platform = Platform::start().await;
    let party = Party::my_spa(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let claims = UnverifiedClaims::of(&tokens.text("access_token"));
    assert_eq!(
        (claims.text("aud"), claims.text("client_id")),
        (API1, "my_spa")
    );
    let refreshed = party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await
        .granted();
    assert_ne!(
        refreshed.text("refresh_token"),
        tokens.text("refresh_token")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_scope_selects_its_audience_and_is_never_dropped_3_3() {
    let platform = Platform::start().await;
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let grant = ("grant_type", "client_credentials");
    let answer = batch.token(&[grant, ("scope", API2_READ)]).await.granted();
    let claims = UnverifiedClaims::of(&answer.text("access_token"));
    assert_eq!(
        (claims.text("aud"), claims.text("scope")),
        (API2, API2_READ)
    );
    let elsewhere = [grant, ("scope", API2_READ), ("resource", API1)];
    assert_eq!(
        batch.token(&elsewhere).await.refusal(),
        refused(400, "invalid_scope")
    );
}
