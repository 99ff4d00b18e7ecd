//! Every grant gives one, and it says what a JWT in its place would say.

use serde_json::json;
use sso_proto::idp::ExchangeRequest;
use tests::{ALICE, Device};

use super::*;
use crate::{
    exchanging::{ACCESS_TOKEN, Exchanger, GRANT, JWT},
    rfc7523_jwt_bearer,
};

/// The tokens for API-2 of a device that alice allows.
async fn device(platform: &Platform, machine: &Machine) -> Answer {
    let request = [("scope", "openid https://api-2/read"), ("resource", API2)];
    let codes = machine
        .post_as_client("/device_authorization", &request)
        .await;
    let codes = codes.granted();
    let device = Device {
        machine: machine.clone(),
        device_code: codes.text("device_code"),
        user_code: codes.text("user_code"),
        page: codes.text("verification_uri"),
        link: codes.text("verification_uri_complete"),
    };
    device.is_allowed_by(&mut platform.cli(), ALICE).await;
    device.poll().await
}

/// The tokens for API-2 that API-1 gets for `jwt`, over HTTP and over gRPC.
async fn exchanged(platform: &Platform, jwt: &str) -> [String; 2] {
    let by_http = api(platform, "api-1").exchange(jwt, API2, &[]).await;
    let by_http = by_http.granted();
    assert_eq!(by_http.text("issued_token_type"), ACCESS_TOKEN);
    let message = ExchangeRequest {
        audience: vec![API2.to_owned()],
        subject_token: jwt.to_owned(),
        subject_token_type: ACCESS_TOKEN.to_owned(),
        ..ExchangeRequest::default()
    };
    let by_grpc = Exchanger::api1(platform).send(message).await.unwrap();
    [by_http.text("access_token"), by_grpc.access_token]
}

/// `token` is opaque, and API-2 takes it for `sub`, over HTTP and over gRPC.
async fn is_taken_by_api2(platform: &Platform, token: &str, sub: &str, grant: &str) {
    assert!(is_opaque(token), "{grant}");
    let who = at_api2(platform, token).await.granted().json();
    assert_eq!(
        (&who["sub"], &who["aud"]),
        (&json!(sub), &json!(API2)),
        "{grant}"
    );
    assert_eq!(by_grpc(platform, token).await, Code::Ok, "{grant}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_1_4_every_grant_gives_an_opaque_token_for_an_opaque_resource_and_api2_takes_it() {
    const ALICES: &str = "u-7f3c1e0a52";
    let (platform, _config) = start().await;
    let party = Party::demo_rp(&platform);
    let (_, refreshed) = with_opaque(&party).await;
    let by_code = party.tokens(&mut party.cli(), &[("resource", API2)]).await;
    let own = own_token(&batch(&platform), API2).await;
    let jwt = party.tokens(&mut party.cli(), &[]).await;
    let jwt = jwt.text("access_token");
    assert_eq!(
        jwt.split('.').count(),
        3,
        "API-1's tokens are JWTs as before"
    );
    let [by_http, by_grpc] = exchanged(&platform, &jwt).await;
    let of_device = device(&platform, &party.machine).await.granted();
    let (platform, of_assertion) = rfc7523_jwt_bearer::alices_token_on(platform).await;
    let by_code = by_code.text("access_token");
    let of_device = of_device.text("access_token");
    let of_assertion = of_assertion.granted().text("access_token");
    for (grant, token, sub) in [
        ("refresh_token", refreshed, ALICES),
        ("authorization_code", by_code, ALICES),
        ("client_credentials", own, "batch"),
        ("token-exchange", by_http, ALICES),
        ("token-exchange over gRPC", by_grpc, ALICES),
        ("device_code", of_device, ALICES),
        ("jwt-bearer", of_assertion, ALICES),
    ] {
        is_taken_by_api2(&platform, &token, sub, grant).await;
    }
    // A JWT for the same API is introspected too.
    assert_eq!(at_api2(&platform, &jwt).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_2_an_opaque_token_is_answered_as_a_jwt_in_its_place() {
    let (platform, _config) = start().await;
    let party = Party::demo_rp(&platform);
    let (_, token) = with_opaque(&party).await;
    let answer = introspect(&platform, &token).await;
    assert_eq!(answer["active"], true, "{answer}");
    assert_eq!(answer["username"], "alice");
    assert_eq!(answer["client_id"], "demo_rp");
    assert_eq!(answer["iss"], platform.issuer());
    for member in [
        "sid",
        "scope",
        "roles",
        "email",
        "exp",
        "iat",
        "jti",
        "acr",
        "auth_time",
    ] {
        assert!(answer.get(member).is_some(), "{member} in {answer}");
    }
    let other = api(&platform, "api-1").introspect(&token, "*/*").await;
    assert_eq!(other.granted().json(), inactive(), "it is API-2's");
    // The provider takes it as it takes a JWT.
    let userinfo = format!("{}/userinfo", platform.issuer());
    let person = party.machine.call(Method::GET, &userinfo, &token).await;
    assert_eq!(person.granted().text("preferred_username"), "alice");
    for wrong in [
        format!("{PREFIX}{}", "A".repeat(43)),
        PREFIX.to_owned(),
        format!("{token}x"),
        token[PREFIX.len()..].to_owned(),
    ] {
        assert_eq!(introspect(&platform, &wrong).await, inactive(), "{wrong}");
        assert_eq!(at_api2(&platform, &wrong).await.status, 401);
        assert_eq!(by_grpc(&platform, &wrong).await, Code::Unauthenticated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_3_an_opaque_token_is_not_of_the_type_jwt() {
    let (platform, _config) = start().await;
    let api1 = api(&platform, "api-1");
    let party = Party::app1(&platform);
    let jwt = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("access_token");
    let as_jwt = [("requested_token_type", JWT)];
    let refused = api1.exchange(&jwt, API2, &as_jwt).await;
    assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
    let opaque = own_token(&batch(&platform), API2).await;
    let form = [
        ("grant_type", GRANT),
        ("subject_token", opaque.as_str()),
        ("subject_token_type", JWT),
        ("audience", API2),
    ];
    assert_eq!(
        api1.token(&form).await.refusal(),
        (400, "invalid_request".to_owned())
    );
}
