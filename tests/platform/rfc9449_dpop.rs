//! RFC 9449 at the provider: tokens, codes and refresh tokens that are bound to a key.

use kit::{
    config::Site,
    random::{OsRandom, Random},
};
use reqwest::Method;
use serde_json::{Value, json};
use sso_proto::idp::ExchangeRequest;
use testkit::{Answer, ClientAuth, Platform, ProofKey, ProofRequest, UnverifiedClaims};
use tests::{
    ALICE, Device, Party, new_key,
    words::{API1, API2},
};

use crate::{
    exchanging::{ACCESS_TOKEN, Exchanger},
    receiver::{BUILT_IN, file},
    rfc8705_mtls::lab_certificate,
    rfc9449_proofs::{CREDENTIALS, batch, nonce},
};

/// The thumbprint to which `token` is bound; null if it is bound to no key.
fn bound_to(token: &str) -> Value {
    UnverifiedClaims::of(token).claims["cnf"]["jkt"].clone()
}

/// What an answer's access token is: its type and the key that it is bound to.
fn kind(answer: &Answer) -> (String, Value) {
    let token = answer.text("access_token");
    (answer.text("token_type"), bound_to(&token))
}

fn of_key(key: &ProofKey) -> (String, Value) {
    ("DPoP".to_owned(), json!(key.jkt()))
}

fn bearer() -> (String, Value) {
    ("Bearer".to_owned(), Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_5_a_proof_binds_the_access_token_and_says_so_in_its_type() {
    let platform = Platform::start().await;
    let (first, second) = (new_key(), new_key());
    let party = Party::demo_rp(&platform).with_key(&first);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    assert_eq!(kind(&tokens), of_key(&first));
    assert!(tokens.header("dpop-nonce").is_some(), "for the next proof");
    // A confidential client's refresh token is bound to its authentication, not to a key.
    let refresh = tokens.text("refresh_token");
    let other = party.machine.with_key(&second).refresh(&refresh, &[]).await;
    assert_eq!(kind(&other.clone().granted()), of_key(&second));
    let without = Party::demo_rp(&platform).machine;
    let without = without.refresh(&other.text("refresh_token"), &[]).await;
    assert_eq!(kind(&without.granted()), bearer());
    let own = batch(&platform).with_key(&first).token(&CREDENTIALS).await;
    assert_eq!(kind(&own.granted()), of_key(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_5_at_the_port_for_mtls_a_proof_names_the_alias_of_the_endpoint() {
    let platform = Platform::start().await;
    let own = lab_certificate(&platform, "batch-mtls");
    let machine = platform.mtls_machine(ClientAuth::public("batch-mtls"), Some(&own));
    let (key, nonce) = (new_key(), nonce(&platform).await);
    let parameters = [("grant_type", "client_credentials"), ("resource", API1)];
    let ask = async |url: &str| {
        let request = ProofRequest {
            method: "POST",
            url,
            token: None,
            nonce: Some(&nonce),
        };
        let proof = key.proof(&request, platform.clock().now(), &OsRandom);
        let headers = [("dpop", &*proof.unwrap())];
        machine.post_with("/token", &parameters, &headers).await
    };
    let alias = format!("{}/token", platform.mtls_url(Site::Idp));
    let granted = ask(&alias).await.granted();
    assert_eq!(granted.text("token_type"), "DPoP");
    let elsewhere = ask(&format!("{}/par", platform.mtls_url(Site::Idp))).await;
    assert_eq!(elsewhere.refusal(), (400, "invalid_dpop_proof".to_owned()));
    // API-1 has such a port too.
    let url = format!("{}/whoami", platform.mtls_url(Site::Api1));
    let token = granted.text("access_token");
    let proof = |url: &str| {
        let request = ProofRequest {
            method: "GET",
            url,
            token: Some(&token),
            nonce: None,
        };
        key.proof(&request, platform.clock().now(), &OsRandom)
            .unwrap()
    };
    let call = async |proof: String| {
        let authorization = format!("DPoP {token}");
        let headers = [("authorization", &*authorization), ("dpop", &*proof)];
        machine.call_with(Method::GET, &url, &headers).await
    };
    call(proof(&url)).await.granted();
    assert_eq!(call(proof(&alias)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_5_the_refresh_token_of_a_public_client_is_bound_to_its_key() {
    let platform = Platform::start().await;
    let key = new_key();
    let party = Party::my_spa(&platform).with_key(&key);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    assert_eq!(kind(&tokens), of_key(&key));
    let refresh = tokens.text("refresh_token");
    let thief = party.machine.with_key(&new_key());
    let refused = thief.refresh(&refresh, &[]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let without = platform.machine(ClientAuth::public("my_spa"));
    assert_eq!(without.refresh(&refresh, &[]).await.status, 400);
    // The attempts of others do not end the family.
    let renewed = party.machine.refresh(&refresh, &[]).await.granted();
    assert_eq!(kind(&renewed), of_key(&key));
    let again = renewed.text("refresh_token");
    let refused = thief.refresh(&again, &[]).await;
    assert_eq!(
        refused.error(),
        "invalid_grant",
        "rotation keeps the binding"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_5_2_a_client_that_has_to_bind_its_tokens_gets_none_without_a_proof() {
    let own = "client_id = \"my_spa\"\n";
    assert!(BUILT_IN.contains(own));
    let config = file(&BUILT_IN.replace(own, &format!("{own}dpop_bound_access_tokens = true\n")));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let party = Party::my_spa(&platform);
    let code = party.code(&mut party.cli(), &[]).await;
    let refused = party.redeem(&code).await;
    assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
    assert!(refused.text("error_description").contains("DPoP"));
    let party = party.with_key(&new_key());
    party.redeem(&code).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_5_a_client_that_sends_no_proof_gets_bearer_tokens_as_before() {
    let platform = Platform::start().await;
    let party = Party::my_spa(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    assert_eq!(kind(&tokens), bearer());
    assert_eq!(tokens.header("dpop-nonce"), None);
    let own = tokens.text("refresh_token");
    let renewed = party.machine.refresh(&own, &[]).await.granted();
    assert_eq!(kind(&renewed), bearer());
    // A key that comes later binds what is issued from then on.
    let key = new_key();
    let bound = party.machine.with_key(&key);
    let bound = bound.refresh(&renewed.text("refresh_token"), &[]).await;
    assert_eq!(kind(&bound.granted()), of_key(&key));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_10_a_code_may_be_bound_to_a_key() {
    let platform = Platform::start().await;
    let key = new_key();
    let party = Party::demo_rp(&platform);
    let bound = [("dpop_jkt", key.jkt())];
    let mut cli = party.cli();
    let code = party.code(&mut cli, &bound).await;
    // An attempt with another key, or without one, does not use the code up.
    for other in [&party.machine, &party.machine.with_key(&new_key())] {
        let redeeming = other.redeem(&code, &party.redirect_uri, &party.pkce.verifier);
        let refused = redeeming.await;
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    }
    let party = party.with_key(&key);
    assert_eq!(kind(&party.redeem(&code).await.granted()), of_key(&key));
    for wrong in ["x", &"x".repeat(44), &format!("{}!", "x".repeat(42))] {
        let answer = party.answer(&mut cli, &[("dpop_jkt", wrong)]).await;
        assert_eq!(answer["error"], "invalid_request", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_10_1_a_pushed_request_with_a_proof_binds_its_code() {
    let platform = Platform::start().await;
    let key = new_key();
    let party = Party::demo_rp(&platform);
    let pusher = party.machine.with_key(&key);
    let kept = pusher.push(&party.parameters(&[])).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    let request_uri = kept.text("request_uri");
    let by_uri = format!(
        "{}/authorize?client_id=demo_rp&request_uri={request_uri}",
        platform.issuer()
    );
    let mut cli = party.cli();
    cli.goto(&by_uri).await;
    let answer = party.through_the_pages(&mut cli).await;
    let (machine, uri) = (&party.machine, &party.redirect_uri);
    let refused = machine.redeem(&answer["code"], uri, &party.pkce.verifier);
    assert_eq!(refused.await.error(), "invalid_grant");
    let redeemed = pusher.redeem(&answer["code"], uri, &party.pkce.verifier);
    assert_eq!(kind(&redeemed.await.granted()), of_key(&key));

    let other = new_key();
    let named = party.parameters(&[("dpop_jkt", other.jkt())]);
    let refused = pusher.push(&named).await;
    assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
    let named = party.parameters(&[("dpop_jkt", key.jkt())]);
    assert_eq!(pusher.push(&named).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_6_2_introspection_tells_the_key_and_the_type() {
    let platform = Platform::start().await;
    let key = new_key();
    let party = Party::demo_rp(&platform).with_key(&key);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let api = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    let token = tokens.text("access_token");
    let said = api.introspect(&token, "application/json");
    let said = said.await.granted().json();
    assert_eq!(said["cnf"], json!({"jkt": key.jkt()}));
    assert_eq!(said["token_type"], "DPoP");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_an_exchanged_token_is_bound_to_the_key_of_who_exchanged_it_or_to_none() {
    let platform = Platform::start().await;
    let (alices, apis) = (new_key(), new_key());
    let party = Party::demo_rp(&platform).with_key(&alices);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let subject = tokens.text("access_token");
    assert_eq!(bound_to(&subject), json!(alices.jkt()));
    let api = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    let issued = api.exchange(&subject, API2, &[]).await.granted();
    assert_eq!(kind(&issued), bearer());
    let issued = api.with_key(&apis).exchange(&subject, API2, &[]).await;
    assert_eq!(kind(&issued.granted()), of_key(&apis));

    // The same over gRPC, whose URL is the public one of the service and the method's path.
    let exchanger = Exchanger::api1(&platform);
    let message = ExchangeRequest {
        audience: vec![API2.to_owned()],
        subject_token: subject.clone(),
        subject_token_type: ACCESS_TOKEN.to_owned(),
        ..ExchangeRequest::default()
    };
    let url = platform.grpc_url(Site::Idp) + "/sso.idp.v1.TokenExchange/Exchange";
    let random: &dyn Random = &OsRandom;
    let proof = |url: &str, nonce: Option<&str>| {
        let request = ProofRequest {
            method: "POST",
            url,
            token: None,
            nonce,
        };
        apis.proof(&request, platform.clock().now(), random)
            .unwrap()
    };
    let without = proof(&url, None);
    let refused = exchanger.send_with(message.clone(), Some(&without));
    let refused = refused.await.unwrap_err();
    let nonce = refused.metadata().get("dpop-nonce").unwrap();
    let nonce = nonce.to_str().unwrap().to_owned();
    let good = proof(&url, Some(&nonce));
    let issued = exchanger
        .send_with(message.clone(), Some(&good))
        .await
        .unwrap();
    assert_eq!(issued.token_type, "DPoP");
    assert_eq!(bound_to(&issued.access_token), json!(apis.jkt()));
    let http = format!("{}/token", platform.issuer());
    for wrong in [good, proof(&http, Some(&nonce))] {
        let refused = exchanger.send_with(message.clone(), Some(&wrong)).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
    let bare = exchanger.send_with(message, None).await.unwrap();
    assert_eq!(bare.token_type, "Bearer");
    assert_eq!(bound_to(&bare.access_token), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_gets_bound_tokens_and_its_refresh_token_is_bound() {
    let platform = Platform::start().await;
    let key = new_key();
    let tv = platform.machine(ClientAuth::public("tv")).with_key(&key);
    let device = Device::start(&tv).await;
    device.is_allowed_by(&mut platform.cli(), ALICE).await;
    let tokens = device.poll().await.granted();
    assert_eq!(kind(&tokens), of_key(&key));
    let refresh = tokens.text("refresh_token");
    let thief = platform.machine(ClientAuth::public("tv"));
    for thief in [thief.clone(), thief.with_key(&new_key())] {
        let refused = thief.refresh(&refresh, &[]).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    }
    let audience = [("resource", API1)];
    let renewed = device.machine.refresh(&refresh, &audience).await;
    assert_eq!(kind(&renewed.granted()), of_key(&key));
}
