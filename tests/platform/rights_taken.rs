//! Rights that the configuration takes away: what was granted before gives only what is
//! left.

use bff_kit::ClientKey;
use kit::{random::OsRandom, state_dir::StateDir};
use serde_json::json;
use testkit::{Answer, AssertionKey, ClientAuth, Machine, UnverifiedClaims};
use tests::{
    ALICE,
    words::{API1, API2, API2_READ, API2_WRITE, EVERYTHING},
};

use crate::{
    provider_alone::{CALLBACK, Provider, browser, with_alice_disabled},
    receiver::BUILT_IN,
};

/// The client `demo_rp` in `config`, changed.
fn with_demo_rp(config: &str, from: &str, to: &str) -> String {
    let at = config.find("client_id = \"demo_rp\"").unwrap();
    let (before, demo) = config.split_at(at);
    let end = demo.find("\n\n").unwrap();
    let (demo, after) = demo.split_at(end);
    assert!(demo.contains(from), "{from} in {demo}");
    format!("{before}{}{after}", demo.replace(from, to))
}

const ALL: &str = "openid profile email offline_access https://api-1/read https://api-2/read";
const AUDIENCES: &str = "audiences = [\"https://api-1\", \"https://api-2\"]";

/// `config` without a scope of API-2 to read.
fn without_a_scope_to_read(config: &str) -> String {
    let config = config.replace(
        "\"https://api-2/read\" = \"See",
        "\"https://api-2/look\" = \"See",
    );
    let config = config.replace("[\"https://api-2/read\"]", "[\"https://api-2/write\"]");
    config.replace("[\"https://api-2/read\", ", "[")
}

/// API-1 as a client.
fn api1(provider: &Provider) -> Machine {
    let auth = ClientAuth::basic("api-1", "api-1-secret");
    Machine::new(&provider.issuer(), auth)
}

/// What userinfo answers to `access`.
async fn userinfo(provider: &Provider, access: &str) -> Answer {
    let url = format!("{}/userinfo", provider.issuer());
    let demo = provider.machine();
    demo.call(reqwest::Method::GET, &url, access).await
}

/// Nothing of API-1 is left to `demo_rp`: neither in a refresh, whose token this returns, nor
/// in its access token of before.
async fn api1_is_gone(provider: &Provider, refresh: &str, access: &str) -> String {
    let (demo, api1) = (provider.machine(), api1(provider));
    let left = demo.refresh(refresh, &[]).await.granted();
    let claims = UnverifiedClaims::of(&left.text("access_token"));
    assert_eq!(claims.text("aud"), API2);
    assert!(!left.text("scope").contains("api-1"), "{}", left.body);
    let refresh = left.text("refresh_token");
    for (more, error) in [
        (("resource", API1), "invalid_target"),
        (("scope", "https://api-1/read"), "invalid_scope"),
    ] {
        let refused = demo.refresh(&refresh, &[more]).await;
        assert_eq!(refused.error(), error, "{more:?}");
    }
    let exchanged = api1.exchange(access, API2, &[]).await;
    assert_eq!(exchanged.refusal(), (400, "invalid_scope".to_owned()));
    // RFC 7662 §2.2: nothing is left of the token.
    let introspected = api1.introspect(access, "*/*").await.json();
    assert_eq!(introspected, json!({"active": false}));
    let info = userinfo(provider, access).await.json();
    assert_eq!(info["email"], "alice@example.com", "openid was not taken");
    refresh
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_taken_from_a_client_are_gone_from_what_it_was_granted() {
    let mut provider = Provider::start(BUILT_IN).await;
    let tokens = provider.tokens_for(&mut browser(), ALICE, ALL).await;
    let (demo, api1) = (provider.machine(), api1(&provider));
    let newer = demo.refresh(&tokens.refresh, &[]).await.granted();
    let refresh = newer.text("refresh_token");
    let exchanged = api1.exchange(&tokens.access, API2, &[]).await;
    exchanged.granted();
    let introspected = api1.introspect(&tokens.access, "*/*").await.json();
    assert_eq!(introspected["scope"], "https://api-1/read");

    // The client may have tokens for API-2 alone.
    let less = with_demo_rp(BUILT_IN, AUDIENCES, "audiences = [\"https://api-2\"]");
    provider.restart(&less).await;
    let refresh = api1_is_gone(&provider, &refresh, &tokens.access).await;

    // A resource has lost the scope.
    provider.restart(&without_a_scope_to_read(&less)).await;
    let left = demo.refresh(&refresh, &[]).await.granted();
    let claims = UnverifiedClaims::of(&left.text("access_token"));
    assert_eq!(claims.scopes(), [""; 0]);
    let refresh = left.text("refresh_token");

    // All of it is back: a right that was taken was not narrowed for ever.
    provider.restart(BUILT_IN).await;
    let left = demo.refresh(&refresh, &[("resource", API1)]).await;
    let scope = left.granted().text("scope");
    assert!(scope.contains("https://api-1/read"), "{scope}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_and_a_grant_that_a_client_lost_end_what_it_got_by_them() {
    let mut provider = Provider::start(BUILT_IN).await;
    let tokens = provider.tokens_for(&mut browser(), ALICE, ALL).await;
    let demo = provider.machine();

    // A code is pending while its address, and then the code grant itself, go.
    let (code, pkce) = provider.code(&mut browser(), ALICE, ALL).await;
    let moved = with_demo_rp(BUILT_IN, CALLBACK, "http://127.0.0.1:9999/elsewhere");
    provider.restart(&moved).await;
    let refused = demo.redeem(&code, CALLBACK, &pkce.verifier).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let grants = "grants = [\"authorization_code\", \"refresh_token\"]";
    let machine = with_demo_rp(BUILT_IN, grants, "grants = [\"refresh_token\"]");
    provider.restart(&machine).await;
    let refused = demo.refresh(&tokens.refresh, &[]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let info = userinfo(&provider, &tokens.access).await;
    assert_eq!(info.status, 403, "{}", info.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_of_a_removed_client_give_no_tokens() {
    let mut provider = Provider::start(BUILT_IN).await;
    let tokens = provider.tokens_for(&mut browser(), ALICE, ALL).await;
    let api1 = api1(&provider);
    let gone = with_demo_rp(BUILT_IN, "\"demo_rp\"", "\"another\"");
    provider.restart(&gone).await;
    let exchanged = api1.exchange(&tokens.access, API2, &[]).await;
    assert_eq!(exchanged.refusal(), (400, "invalid_request".to_owned()));
    let info = userinfo(&provider, &tokens.access).await;
    assert_eq!(info.status, 401, "{}", info.body);
    let refused = provider.machine().refresh(&tokens.refresh, &[]).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".to_owned()));
}

/// `config` without the `part`, which it has.
fn without(config: &str, part: &str) -> String {
    assert!(config.contains(part), "{part}");
    config.replace(part, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchanged_token_and_a_refresh_give_only_what_is_left_of_their_scopes() {
    let mut provider = Provider::start(BUILT_IN).await;
    let tokens = provider.tokens_for(&mut browser(), ALICE, EVERYTHING).await;
    let demo = provider.machine();
    let api1 = api1(&provider);
    let api2 = demo.identified_by(ClientAuth::basic("api-2", "api-2-secret"));
    let exchanged = api1.exchange(&tokens.access, API2, &[]).await.granted();
    let exchanged = exchanged.text("access_token");
    let both = format!("{API2_READ} {API2_WRITE}");
    let introspected = api2.introspect(&exchanged, "*/*").await.json();
    assert_eq!(introspected["scope"], both);

    // The exchange gives no right to write any more.
    let write = ", \"https://api-2/write\"]";
    let mapping = |given: &str| format!("\"https://api-1/write\" = [\"https://api-2/read\"{given}");
    let less = BUILT_IN.replacen(&mapping(write), &mapping("]"), 1);
    assert_ne!(less, BUILT_IN);
    provider.restart(&less).await;
    let introspected = api2.introspect(&exchanged, "*/*").await.json();
    assert_eq!(introspected["scope"], API2_READ);
    let newer = demo
        .refresh(&tokens.refresh, &[("resource", API2)])
        .await
        .granted();
    let claims = UnverifiedClaims::of(&newer.text("access_token"));
    assert_eq!(claims.scopes(), [API2_READ, API2_WRITE], "its own grant");

    // API-2 has no such scope any more.
    let mut less = BUILT_IN.replace(write, "]");
    let at = less.find("\"https://api-2/write\" = ").unwrap();
    let end = at + less[at..].find('\n').unwrap();
    less.replace_range(at..end, "");
    provider.restart(&less).await;
    let introspected = api2.introspect(&exchanged, "*/*").await.json();
    assert_eq!(introspected["scope"], API2_READ);
    let refresh = newer.text("refresh_token");
    let left = demo
        .refresh(&refresh, &[("resource", API2)])
        .await
        .granted();
    let claims = UnverifiedClaims::of(&left.text("access_token"));
    assert_eq!(claims.scopes(), [API2_READ]);
    assert!(!left.text("scope").contains(API2_WRITE), "{}", left.body);
    let refresh = left.text("refresh_token");
    let more = demo.refresh(&refresh, &[("scope", API2_WRITE)]).await;
    assert_eq!(more.refusal(), (400, "invalid_scope".to_owned()));

    // There is no exchange any more.
    let at = BUILT_IN.find("[[exchanges]]\nclient = \"api-1\"").unwrap();
    let end = at + BUILT_IN[at..].find("\n\n").unwrap();
    provider
        .restart(&without(BUILT_IN, &BUILT_IN[at..end]))
        .await;
    let introspected = api2.introspect(&exchanged, "*/*").await.json();
    assert_eq!(introspected, json!({"active": false}));
}

/// `batch-jwt`, with the key that its owner makes in the provider's state directory.
fn batch_jwt(provider: &Provider) -> (Machine, AssertionKey) {
    let folder = provider.path("state");
    let state = StateDir::open(Some(folder.clone())).unwrap();
    let made: ClientKey = bff_kit::client_key(&state, "batch-jwt", &OsRandom).unwrap();
    let pem = std::fs::read(folder.join("batch-jwt-client.pem")).unwrap();
    let kid = made.public_jwks()["keys"][0]["kid"]
        .as_str()
        .map(str::to_owned);
    let key = AssertionKey::es256(kid, &pem);
    let auth = ClientAuth::PrivateKeyJwt {
        client_id: "batch-jwt".to_owned(),
        key: key.clone(),
    };
    (provider.machine().identified_by(auth), key)
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_2_2_2_the_token_of_a_disabled_user_is_not_exchanged() {
    let mut provider = Provider::start(BUILT_IN).await;
    let granted = provider.tokens_for(&mut browser(), ALICE, EVERYTHING).await;
    // A token without a grant, which does not end with the user's sessions.
    let (batch, key) = batch_jwt(&provider);
    let now = kit::clock::SystemClock;
    let now = kit::clock::Clock::now(&now).secs();
    let assertion = key.sign(&json!({
        "iss": "batch-jwt", "sub": "alice", "aud": provider.issuer(), "jti": "once",
        "iat": now, "exp": now + 60,
    }));
    let parameters = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &*assertion),
        ("resource", API1),
    ];
    let named = batch.token(&parameters).await.granted();
    let subjects = [granted.access, named.text("access_token")];
    let api1 = api1(&provider);
    for subject in &subjects {
        api1.exchange(subject, API2, &[]).await.granted();
    }
    let disabled = with_alice_disabled(BUILT_IN);
    provider.restart(&disabled).await;
    for subject in &subjects {
        let refused = api1.exchange(subject, API2, &[]).await;
        let why = refused.body.clone();
        assert_eq!(
            refused.refusal(),
            (400, "invalid_request".to_owned()),
            "{why}"
        );
    }
    provider.restart(BUILT_IN).await;
    api1.exchange(&subjects[1], API2, &[]).await.granted();
}
