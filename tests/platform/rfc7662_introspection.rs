//! RFC 7662, token introspection.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, ClientAuth, Machine, Platform, UnverifiedClaims, tampered};
use tests::{
    Party,
    words::{API1, API2, EVERYTHING},
};

use crate::receiver::{BUILT_IN, file};

fn api(platform: &Platform, client_id: &str) -> Machine {
    platform.machine(ClientAuth::basic(client_id, &format!("{client_id}-secret")))
}

async fn introspect(machine: &Machine, token: &str) -> Value {
    let answer = machine.introspect(token, "application/json").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.granted().json()
}

/// All that a resource server is told of a token that is not active for it.
fn inactive() -> Value {
    json!({"active": false})
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_2_an_active_token_is_answered_with_its_claims() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let token = tokens.text("access_token");
    let answer = introspect(&api(&platform, "api-1"), &token).await;
    let mut expected = UnverifiedClaims::of(&token).claims;
    expected["active"] = true.into();
    expected["token_type"] = "Bearer".into();
    expected["username"] = "alice".into();
    assert_eq!(answer, expected);
    for member in ["sid", "scope", "roles", "email", "exp", "iat", "jti"] {
        assert!(answer.get(member).is_some(), "{member} in {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_2_a_token_without_a_user_or_with_an_actor() {
    let platform = Platform::start().await;
    let (api1, api2) = (api(&platform, "api-1"), api(&platform, "api-2"));
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let own = [("grant_type", "client_credentials"), ("resource", API2)];
    let own = batch.token(&own).await.granted().text("access_token");
    let answer = introspect(&api2, &own).await;
    assert_eq!(answer["active"], true, "{answer}");
    assert_eq!(
        (&answer["sub"], &answer["client_id"]),
        (&json!("batch"), &json!("batch"))
    );
    for absent in ["username", "sid", "roles", "act"] {
        assert!(answer.get(absent).is_none(), "{absent} in {answer}");
    }
    let party = Party::app1(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let exchanged = api1.exchange(&tokens.text("access_token"), API2, &[]).await;
    let exchanged = exchanged.granted().text("access_token");
    let answer = introspect(&api2, &exchanged).await;
    assert_eq!(answer["active"], true, "{answer}");
    assert_eq!(answer["act"], json!({"sub": "api-1"}));
    assert_eq!(answer["username"], "alice");
    // The token's own resource server may know, its former one may not.
    assert_eq!(introspect(&api1, &exchanged).await, inactive());
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_2_a_revoked_token_is_inactive_at_once() {
    let platform = Platform::start().await;
    let (api1, api2) = (api(&platform, "api-1"), api(&platform, "api-2"));
    let party = Party::app1(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let token = tokens.text("access_token");
    let exchanged = api1.exchange(&token, API2, &[]).await.granted();
    let exchanged = exchanged.text("access_token");
    for (machine, token) in [(&api1, &token), (&api2, &exchanged)] {
        assert_eq!(introspect(machine, token).await["active"], true);
    }
    let refresh = tokens.text("refresh_token");
    let body = [("token", refresh.as_str())];
    party
        .machine
        .post_as_client("/revoke", &body)
        .await
        .granted();
    for (machine, token) in [(&api1, &token), (&api2, &exchanged)] {
        assert_eq!(introspect(machine, token).await, inactive());
    }
    // API-1 itself, which asks nobody, still takes it until it ends.
    let url = format!("{}/resource", platform.url(kit::config::Site::Api1));
    let call = party.machine.call(Method::GET, &url, &token).await;
    assert_eq!(call.status, 200, "{}", call.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_2_every_token_that_is_not_the_resource_servers_is_inactive_and_nothing_more() {
    let platform = Platform::start().await;
    let api1 = api(&platform, "api-1");
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let tokens = party.tokens(&mut cli, &[]).await;
    let (token, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let other = party.machine.refresh(&refresh, &[("resource", API2)]).await;
    let other = other.granted();
    let long = "x".repeat(9000);
    for (what, token) in [
        ("for another audience", other.text("access_token")),
        ("a refresh token", other.text("refresh_token")),
        ("a replaced refresh token", refresh),
        ("an id_token", tokens.text("id_token")),
        ("unknown", "x".to_owned()),
        ("unsigned", "eyJhbGciOiJub25lIn0.e30.".to_owned()),
        ("tampered", tampered::signature(&token)),
        ("too long", long),
    ] {
        assert_eq!(introspect(&api1, &token).await, inactive(), "{what}");
    }
    assert_eq!(introspect(&api1, &token).await["active"], true);
    platform.advance(Duration::from_secs(901));
    assert_eq!(introspect(&api1, &token).await, inactive(), "expired");
}

/// The built-in configuration with `from` replaced.
async fn configured(from: &str, to: &str) -> (Platform, tempfile::NamedTempFile) {
    assert!(BUILT_IN.contains(from), "{from}");
    let config = file(&BUILT_IN.replace(from, to));
    let flags = ["--config", config.path().to_str().unwrap()];
    (Platform::start_with(&flags).await, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_2_a_client_learns_of_its_own_refresh_tokens_alone() {
    let name = "name = \"Demo relying party\"";
    let may = format!("{name}\nintrospects = [\"{API1}\"]");
    let (platform, _config) = configured(name, &may).await;
    let (party, stranger) = (Party::demo_rp(&platform), Party::app1(&platform));
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let refresh = tokens.text("refresh_token");
    let answer = introspect(&party.machine, &refresh).await;
    let id_token = UnverifiedClaims::of(&tokens.text("id_token"));
    assert_eq!(answer["active"], true, "{answer}");
    assert_eq!(answer["client_id"], "demo_rp");
    assert_eq!(answer["sub"], id_token.text("sub"));
    let scope = answer["scope"].as_str().unwrap();
    let whole: BTreeSet<_> = EVERYTHING.split(' ').collect();
    assert_eq!(scope.split(' ').collect::<BTreeSet<_>>(), whole);
    assert_eq!(answer["sid"], id_token.text("sid"));
    assert!(answer.get("token_type").is_none() && answer["exp"].is_i64());
    // Replaced a moment ago it may be sent again, later not; asking ends nothing.
    let newer = party.machine.refresh(&refresh, &[]).await.granted();
    let newer = newer.text("refresh_token");
    assert_eq!(introspect(&party.machine, &refresh).await["active"], true);
    platform.advance(Duration::from_secs(31));
    assert_eq!(introspect(&party.machine, &refresh).await, inactive());
    assert_eq!(introspect(&party.machine, &newer).await["active"], true);
    let another = stranger.tokens(&mut stranger.cli(), &[]).await;
    let another = another.text("refresh_token");
    assert_eq!(introspect(&party.machine, &another).await, inactive());
    let body = [("token", newer.as_str())];
    party
        .machine
        .post_as_client("/revoke", &body)
        .await
        .granted();
    assert_eq!(introspect(&party.machine, &newer).await, inactive());
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_2_1_only_an_authenticated_client_that_may_introspects() {
    let platform = Platform::start().await;
    let api1 = api(&platform, "api-1");
    let ask = async |machine: &Machine| machine.introspect("x", "*/*").await;
    let invalid_client = (401, "invalid_client".to_owned());
    for auth in [
        ClientAuth::basic("api-1", "wrong"),
        ClientAuth::basic("nobody", "api-1-secret"),
        ClientAuth::post("api-1", "api-1-secret"),
        // §2.1: the caller authenticates.
        ClientAuth::public("my_spa"),
    ] {
        let refused = ask(&api1.identified_by(auth)).await;
        assert_eq!(refused.refusal(), invalid_client);
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    let unauthorized = (400, "unauthorized_client".to_owned());
    for machine in [
        Party::app1(&platform).machine,
        platform.machine(ClientAuth::basic("batch", "batch-secret")),
    ] {
        assert_eq!(ask(&machine).await.refusal(), unauthorized);
    }
    let missing = api1.post_as_client("/introspect", &[]).await;
    assert_eq!(missing.refusal(), (400, "invalid_request".to_owned()));
    let twice = [("token", "x"), ("token", "y")];
    let twice = api1.post_as_client("/introspect", &twice).await;
    assert_eq!(twice.refusal(), (400, "invalid_request".to_owned()));
    let long = "x".repeat(20_000);
    let large = api1
        .post_as_client("/introspect", &[("token", &long)])
        .await;
    assert_eq!(large.status, 413, "{}", large.body);
    let in_url = format!("{}/introspect?token=x", platform.issuer());
    assert_eq!(api1.call(Method::GET, &in_url, "x").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7662_4_guesses_of_a_resource_servers_secret_are_slowed() {
    let platform = Platform::start().await;
    let wrong = platform.machine(ClientAuth::basic("api-2", "wrong"));
    let ask = async |machine: &Machine| -> Answer { machine.introspect("x", "*/*").await };
    for _ in 0..10 {
        assert_eq!(ask(&wrong).await.status, 401);
    }
    // The right secret has to wait too.
    let slowed = ask(&api(&platform, "api-2")).await;
    assert_eq!(slowed.status, 429, "{}", slowed.body);
    assert!(slowed.header("retry-after").is_some());
}
