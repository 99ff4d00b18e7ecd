//! Opaque access tokens (RFC 6749 §1.4): API-2's resource is configured for them, and
//! API-2 introspects (RFC 7662).

use std::{sync::Arc, time::Duration};

use kit::{
    clock::SystemClock,
    config::{RedisSettings, Site},
};
use reqwest::Method;
use serde_json::{Value, json};
use sso_proto::{
    idp::ExchangeRequest,
    inventory::{ListRequest, inventory_client::InventoryClient},
};
use tempfile::NamedTempFile;
use testkit::{Answer, ClientAuth, HeadlessBrowser, Machine, Platform, RedisServer};
use tests::{ALICE, Device, Party, sign_in_to, words::API2};
use tonic::{Code, Request};

use crate::{
    exchanging::{ACCESS_TOKEN, Exchanger, JWT},
    receiver::{BUILT_IN, file},
    rfc7523_jwt_bearer,
};

const PREFIX: &str = "ssolab_at_";
/// API-2 introspects, without a cache.
const INTROSPECTING: [&str; 2] = ["--api2-tokens=introspection", "--introspection-cache=0s"];

/// The configuration in which tokens for API-2 are opaque.
fn opaque() -> NamedTempFile {
    let title = "title = \"Inventory\"";
    assert!(BUILT_IN.contains(title));
    let opaque = format!("{title}\naccess_token_format = \"opaque\"");
    let grants = "client_id = \"demo_rp\"";
    let device = "grants = [\"authorization_code\", \"refresh_token\"]\nredirect_uris = [\"http://127.0.0.1:9999";
    assert!(BUILT_IN.contains(grants) && BUILT_IN.contains(device));
    let too = device.replace(
        "\"refresh",
        "\"urn:ietf:params:oauth:grant-type:device_code\", \"refresh",
    );
    file(&BUILT_IN.replace(title, &opaque).replace(device, &too))
}

async fn start() -> (Platform, NamedTempFile) {
    start_with(&[]).await
}

async fn start_with(idp_flags: &[&str]) -> (Platform, NamedTempFile) {
    let config = opaque();
    let own = ["--config", config.path().to_str().unwrap()];
    let idp_flags = [&own[..], idp_flags].concat();
    let platform = Platform::start_with_apis(&idp_flags, &[], &INTROSPECTING).await;
    (platform, config)
}

fn api(platform: &Platform, client_id: &str) -> Machine {
    platform.machine(ClientAuth::basic(client_id, &format!("{client_id}-secret")))
}

fn batch(platform: &Platform) -> Machine {
    platform.machine(ClientAuth::basic("batch", "batch-secret"))
}

async fn own_token(batch: &Machine, audience: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("resource", audience)];
    batch.token(&form).await.granted().text("access_token")
}

async fn at_api2(platform: &Platform, token: &str) -> Answer {
    let url = format!("{}/whoami", platform.url(Site::Api2));
    batch(platform).call(Method::GET, &url, token).await
}

async fn by_grpc(platform: &Platform, token: &str) -> Code {
    let url = platform.grpc_url(Site::Api2);
    let channel = kit::net::Trust::default().grpc_channel(&url).unwrap();
    let mut request = Request::new(ListRequest {});
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let listed = InventoryClient::new(channel).list(request).await;
    listed.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn introspect(platform: &Platform, token: &str) -> Value {
    let answer = api(platform, "api-2")
        .introspect(token, "application/json")
        .await;
    answer.granted().json()
}

async fn revoke(machine: &Machine, token: &str) -> Answer {
    machine.post_as_client("/revoke", &[("token", token)]).await
}

fn inactive() -> Value {
    json!({"active": false})
}

fn is_opaque(token: &str) -> bool {
    token.starts_with(PREFIX) && token.len() == PREFIX.len() + 43 && !token.contains('.')
}

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

/// A user's tokens, and an opaque token of the same grant.
async fn with_opaque(party: &Party<'_>) -> (Answer, String) {
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let refresh = tokens.text("refresh_token");
    let refreshed = party.machine.refresh(&refresh, &[("resource", API2)]).await;
    let refreshed = refreshed.granted();
    let token = refreshed.text("access_token");
    (refreshed, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_1_4_every_grant_gives_an_opaque_token_for_an_opaque_resource_and_api2_takes_it() {
    let (platform, _config) = start().await;
    let party = Party::demo_rp(&platform);
    let (_, refreshed) = with_opaque(&party).await;
    let by_code = party.tokens(&mut party.cli(), &[("resource", API2)]).await;
    let own = own_token(&batch(&platform), API2).await;
    let jwt = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("access_token");
    assert_eq!(
        jwt.split('.').count(),
        3,
        "API-1's tokens are JWTs as before"
    );
    let by_grpc_too = Exchanger::api1(&platform);
    let by_http = api(&platform, "api-1").exchange(&jwt, API2, &[]).await;
    let by_http = by_http.granted();
    assert_eq!(by_http.text("issued_token_type"), ACCESS_TOKEN);
    let message = ExchangeRequest {
        audience: vec![API2.to_owned()],
        subject_token: jwt.clone(),
        subject_token_type: ACCESS_TOKEN.to_owned(),
        ..ExchangeRequest::default()
    };
    let exchanged = by_grpc_too.send(message).await.unwrap().access_token;
    let of_device = device(&platform, &party.machine).await;
    let (platform, of_assertion) = rfc7523_jwt_bearer::alices_token_on(platform).await;
    for (grant, token, sub) in [
        ("refresh_token", refreshed, "u-7f3c1e0a52"),
        (
            "authorization_code",
            by_code.text("access_token"),
            "u-7f3c1e0a52",
        ),
        ("client_credentials", own, "batch"),
        (
            "token-exchange",
            by_http.text("access_token"),
            "u-7f3c1e0a52",
        ),
        ("token-exchange over gRPC", exchanged, "u-7f3c1e0a52"),
        (
            "device_code",
            of_device.granted().text("access_token"),
            "u-7f3c1e0a52",
        ),
        (
            "jwt-bearer",
            of_assertion.granted().text("access_token"),
            "u-7f3c1e0a52",
        ),
    ] {
        assert!(is_opaque(&token), "{grant}");
        let who = at_api2(&platform, &token).await.granted().json();
        assert_eq!(
            (&who["sub"], &who["aud"]),
            (&json!(sub), &json!(API2)),
            "{grant}"
        );
        assert_eq!(by_grpc(&platform, &token).await, Code::Ok, "{grant}");
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
        ("grant_type", crate::exchanging::GRANT),
        ("subject_token", opaque.as_str()),
        ("subject_token_type", JWT),
        ("audience", API2),
    ];
    assert_eq!(
        api1.token(&form).await.refusal(),
        (400, "invalid_request".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_has_neither_an_opaque_token_nor_believes_a_record_of_a_strangers() {
    let redis = RedisServer::start();
    let store = store::open(
        Some(&RedisSettings::at(&redis.url())),
        Arc::new(SystemClock),
    )
    .unwrap();
    let read = async |key: &str| {
        let value = store.get(key).await.unwrap().expect("a record");
        String::from_utf8(value.to_vec()).unwrap()
    };
    let write = async |key: &str, value: String| {
        store
            .put(key, value.into(), Duration::from_secs(60))
            .await
            .unwrap();
    };
    let config = opaque();
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with_idp_on(&redis, &flags).await;
    let token = own_token(&batch(&platform), API2).await;
    let other = own_token(&batch(&platform), API2).await;
    let secret = &token[PREFIX.len()..];
    let keys = redis.ask("KEYS *");
    assert!(keys.contains("idp:access-token:"), "{keys}");
    assert!(!keys.contains(secret));
    let key = |token: &str| format!("idp:access-token:{}", kit::seal::fingerprint(token));
    for name in keys
        .lines()
        .filter(|name| name.starts_with("idp:access-token:"))
    {
        let value = read(name).await;
        assert!(
            value.contains("\"mac\"") && !value.contains(secret),
            "{value}"
        );
    }
    assert_eq!(introspect(&platform, &token).await["active"], true);
    // Its record says more, or is another token's.
    let genuine = read(&key(&token)).await;
    write(&key(&token), genuine.replace("batch", "u-7f3c1e0a52")).await;
    assert_eq!(introspect(&platform, &token).await, inactive());
    write(&key(&other), genuine).await;
    assert_eq!(introspect(&platform, &other).await, inactive());
}

/// Signs in, and calls both APIs by every way.
async fn call_everything(cli: &mut HeadlessBrowser, app: &str) {
    let order = json!({ "item": "chess-set", "quantity": 1 });
    for path in ["/api1/data", "/api1/report", "/api2/data", "/api2/data"] {
        let answer = cli.fetch_get(path).await;
        assert_eq!(answer.status, 200, "{app}{path}: {}", answer.body);
    }
    for path in ["/api1/data", "/api2/data"] {
        let answer = cli.fetch_post(path, &order).await;
        assert_eq!(answer.status, 201, "{app}{path}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_in_any_mode_and_api1_need_no_change_for_opaque_tokens() {
    for mode in ["stateful", "cached", "hybrid", "stateless"] {
        let config = opaque();
        let idp = ["--config", config.path().to_str().unwrap()];
        let platform = Platform::start_in_mode_with(mode, &idp, &INTROSPECTING).await;
        let app = platform.url(Site::App1);
        let mut cli = platform.cli();
        sign_in_to(&mut cli, &app, ALICE).await;
        call_everything(&mut cli, &app).await;
        // The token of API-2 was issued once for all calls.
        let issued = platform.tap(Site::Idp).answered_values("access_token");
        let opaque = issued.iter().filter(|token| is_opaque(token)).count();
        // One of the app, two exchanges over HTTP or gRPC, of which the tap hears one.
        assert_eq!(opaque, 2, "{mode}: {issued:?}");
    }
}
