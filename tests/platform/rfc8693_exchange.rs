//! Token exchange (RFC 8693): by whom, from what, into what. Over HTTP and gRPC.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sso_proto::idp::{
    ExchangeRequest, ExchangeResponse, token_exchange_client::TokenExchangeClient,
};
use testkit::{ClientAuth, Machine, Platform, UnverifiedClaims, tampered};
use tests::{
    Party,
    words::{API1, API1_READ, API2, API2_READ, API2_WRITE, EVERYTHING},
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn api1(platform: &Platform) -> Machine {
    platform.machine(ClientAuth::basic("api-1", "api-1-secret"))
}

async fn alices_token(platform: &Platform, scope: &str) -> String {
    let party = Party::demo_rp(platform);
    party
        .tokens(&mut party.cli(), &[("scope", scope)])
        .await
        .text("access_token")
}

async fn by_grpc(
    platform: &Platform,
    secret: &str,
    request: ExchangeRequest,
) -> Result<ExchangeResponse, Status> {
    let channel = kit::net::Trust::default()
        .grpc_channel(&platform.grpc_url(kit::config::Site::Idp))
        .unwrap();
    let mut request = Request::new(request);
    let basic = format!("Basic {}", STANDARD.encode(format!("api-1:{secret}")));
    request
        .metadata_mut()
        .insert("authorization", basic.parse().unwrap());
    TokenExchangeClient::new(channel)
        .exchange(request)
        .await
        .map(tonic::Response::into_inner)
}

fn message(subject_token: &str, audience: &str) -> ExchangeRequest {
    ExchangeRequest {
        audience: vec![audience.to_owned()],
        subject_token: subject_token.to_owned(),
        subject_token_type: ACCESS_TOKEN.to_owned(),
        ..ExchangeRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subject_stays_the_user_and_the_actor_is_the_client_4_1() {
    let platform = Platform::start().await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let answer = api1(&platform)
        .exchange(&subject, API2, &[])
        .await
        .granted();
    assert_eq!(answer.text("issued_token_type"), ACCESS_TOKEN);
    assert!(answer.json().get("refresh_token").is_none());
    let (before, after) = (
        UnverifiedClaims::of(&subject),
        UnverifiedClaims::of(&answer.text("access_token")),
    );
    assert_eq!(after.text("sub"), before.text("sub"));
    assert_eq!(after.claims["act"]["sub"], "api-1");
    assert_eq!(after.claims["aud"], API2);
    assert_eq!(after.scopes(), [API2_READ, API2_WRITE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_acts_for_itself_stays_the_subject_4_1() {
    let platform = Platform::start().await;
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let for_itself = [("grant_type", "client_credentials"), ("resource", API1)];
    let subject = batch
        .token(&for_itself)
        .await
        .granted()
        .text("access_token");
    let answer = api1(&platform)
        .exchange(&subject, API2, &[])
        .await
        .granted();
    let after = UnverifiedClaims::of(&answer.text("access_token"));
    assert_eq!(after.text("sub"), "batch");
    assert_eq!(after.claims["act"]["sub"], "api-1");
    assert_eq!(after.scopes(), [API2_READ, API2_WRITE]);
    for of_a_user in ["sid", "auth_time", "acr", "roles"] {
        assert!(after.claims.get(of_a_user).is_none(), "{of_a_user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_maps_scopes_and_grants_no_others() {
    let platform = Platform::start().await;
    let subject = alices_token(&platform, "openid https://api-1/read").await;
    let api1 = api1(&platform);
    let answer = api1.exchange(&subject, API2, &[]).await.granted();
    assert_eq!(
        UnverifiedClaims::of(&answer.text("access_token")).scopes(),
        [API2_READ]
    );
    let more = api1
        .exchange(&subject, API2, &[("scope", API2_WRITE)])
        .await;
    assert_eq!(more.refusal(), (400, "invalid_scope".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_token_expires_no_later_than_its_subject_token() {
    let platform = Platform::start().await;
    let subject = alices_token(&platform, EVERYTHING).await;
    platform.advance(Duration::from_secs(600));
    let api1 = api1(&platform);
    let answer = api1.exchange(&subject, API2, &[]).await.granted();
    let (before, after) = (
        UnverifiedClaims::of(&subject),
        UnverifiedClaims::of(&answer.text("access_token")),
    );
    assert!(after.number("exp") <= before.number("exp"));
    assert!(answer.json()["expires_in"].as_i64().unwrap() <= 300);
    platform.advance(Duration::from_secs(301));
    assert_eq!(
        api1.exchange(&subject, API2, &[]).await.status,
        400,
        "an expired subject token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_configured_client_and_pair_of_audiences_2_2_2() {
    let platform = Platform::start().await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let api1 = api1(&platform);
    assert_eq!(
        api1.exchange(&subject, API1, &[]).await.refusal(),
        (400, "invalid_target".to_owned())
    );
    assert_eq!(
        api1.exchange(&subject, "https://api-3", &[])
            .await
            .refusal(),
        (400, "invalid_target".to_owned())
    );
    let other = api1.identified_by(ClientAuth::basic("batch", "batch-secret"));
    assert_eq!(
        other.exchange(&subject, API2, &[]).await.refusal(),
        (400, "unauthorized_client".to_owned())
    );
    // A token for API-2 was never API-1's to exchange.
    let exchanged = api1
        .exchange(&subject, API2, &[])
        .await
        .granted()
        .text("access_token");
    assert_eq!(api1.exchange(&exchanged, API2, &[]).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subject_token_must_be_valid_2_2_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let subject = tokens.text("access_token");
    let api1 = api1(&platform);
    for bad in [
        tampered::signature(&subject),
        tampered::unsigned(&subject),
        tokens.text("id_token"),
        "x".to_owned(),
    ] {
        let answer = api1.exchange(&bad, API2, &[]).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(
            matches!(answer.error().as_str(), "invalid_request" | "invalid_grant"),
            "{}",
            answer.body
        );
    }
    let unknown_type = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", &*subject),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:saml2",
        ),
        ("audience", API2),
    ];
    assert_eq!(
        api1.token(&unknown_type).await.refusal(),
        (400, "invalid_request".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc_it_is_the_same_exchange() {
    let platform = Platform::start().await;
    let subject = alices_token(&platform, "openid https://api-1/read").await;
    let answer = by_grpc(&platform, "api-1-secret", message(&subject, API2))
        .await
        .unwrap();
    assert_eq!(
        (answer.token_type.as_str(), answer.scope.as_str()),
        ("Bearer", API2_READ)
    );
    let claims = UnverifiedClaims::of(&answer.access_token);
    assert_eq!(
        (&claims.claims["act"]["sub"], claims.text("aud")),
        (&"api-1".into(), API2)
    );
    assert_ne!(API1_READ, answer.scope);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc_an_error_carries_its_oauth_code() {
    let platform = Platform::start().await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let reason = |status: &Status| {
        status
            .get_error_details()
            .error_info()
            .map(|info| info.reason.clone())
    };

    let stranger = by_grpc(&platform, "wrong", message(&subject, API2))
        .await
        .unwrap_err();
    assert_eq!(
        (stranger.code(), reason(&stranger).as_deref()),
        (Code::Unauthenticated, Some("invalid_client"))
    );
    let nowhere = by_grpc(
        &platform,
        "api-1-secret",
        message(&subject, "https://api-3"),
    )
    .await
    .unwrap_err();
    assert_eq!(reason(&nowhere).as_deref(), Some("invalid_target"));
    let bad = by_grpc(
        &platform,
        "api-1-secret",
        message(&tampered::signature(&subject), API2),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(
            reason(&bad).as_deref(),
            Some("invalid_request" | "invalid_grant")
        ),
        "{bad:?}"
    );
}
