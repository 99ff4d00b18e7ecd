//! Who acts for whom (RFC 8693 §1.1): chains of actors, actor tokens, `may_act`,
//! impersonation. Each exchange runs over HTTP and over gRPC.

use std::time::Duration;

use serde_json::json;
use sso_proto::idp::ExchangeRequest;
use testkit::{ClientAuth, Platform, UnverifiedClaims};
use tests::words::{API1, API2, EVERYTHING};
use tonic_types::StatusExt as _;

use crate::{
    exchanging::{ACCESS_TOKEN, Exchanger, JWT, alices_token},
    receiver::{BUILT_IN, file},
};

const API3: &str = "https://api-3";
const BOB: &str = "u-2b90d4c8e1";

/// The built-in configuration with a third API, a resource server that exchanges tokens
/// of the second one, and an exchange of API-1's with the settings `more`.
fn config(more: &str) -> String {
    let own = "client = \"api-1\"\nfrom = \"https://api-1\"\n";
    assert!(BUILT_IN.contains(own));
    let built_in = BUILT_IN.replace(own, &format!("{own}{more}\n"));
    format!(
        r#"{built_in}
[[resources]]
audience = "https://api-3"
title = "Shipping"
[resources.scopes]
"https://api-3/read" = "See deliveries"

[[clients]]
client_id = "stock"
name = "API-2 as a client"
auth = ["client_secret_basic"]
secret = "stock-secret"
grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]

[[exchanges]]
client = "stock"
from = "https://api-2"
to = "https://api-3"
max_actors = 2
[exchanges.scopes]
"https://api-2/read" = ["https://api-3/read"]

[[clients]]
client_id = "shipping"
name = "API-3 as a client"
auth = ["client_secret_basic"]
secret = "shipping-secret"
grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]

[[exchanges]]
client = "shipping"
from = "https://api-3"
to = "https://api-1"
max_actors = 2
[exchanges.scopes]
"https://api-3/read" = ["https://api-1/read"]
"#
    )
}

async fn start(more: &str) -> Platform {
    let config = file(&config(more));
    Platform::start_with(&["--config", config.path().to_str().unwrap()]).await
}

fn stock(platform: &Platform) -> Exchanger<'_> {
    Exchanger {
        platform,
        client_id: "stock",
        secret: "stock-secret",
    }
}

/// A token of the client `batch` for `audience`.
async fn batchs_token(platform: &Platform, audience: &str) -> String {
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let parameters = [("grant_type", "client_credentials"), ("resource", audience)];
    let answer = batch.token(&parameters).await.granted();
    answer.text("access_token")
}

fn refused<T: std::fmt::Debug>(result: Result<T, String>) -> String {
    result.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_4_1_a_third_hop_nests_the_actors_and_keeps_the_subject() {
    let platform = start("").await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let first = Exchanger::api1(&platform).exchange(&subject, API2, &[]);
    let first = first.await.unwrap();
    let second = stock(&platform).exchange(&first.token, API3, &[]).await;
    let second = second.unwrap().claims;
    let subject = UnverifiedClaims::of(&subject);
    for name in ["sub", "sid", "acr"] {
        assert_eq!(second.text(name), subject.text(name), "{name}");
    }
    let act = json!({"sub": "stock", "act": {"sub": "api-1"}});
    assert_eq!(second.claims["act"], act);
    assert_eq!(second.text("client_id"), "stock");
    assert_eq!(second.text("aud"), API3);
    assert_eq!(second.scopes(), ["https://api-3/read"]);
    assert!(second.number("exp") <= subject.number("exp"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_4_1_a_chain_of_actors_has_a_limit() {
    let platform = start("").await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let first = Exchanger::api1(&platform).exchange(&subject, API2, &[]);
    let first = first.await.unwrap();
    let second = stock(&platform).exchange(&first.token, API3, &[]).await;
    let shipping = Exchanger {
        platform: &platform,
        client_id: "shipping",
        secret: "shipping-secret",
    };
    let third = shipping.exchange(&second.unwrap().token, API1, &[]).await;
    assert_eq!(refused(third), "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_1_a_revoked_grant_ends_its_exchanged_tokens_at_every_hop() {
    let platform = start("").await;
    let party = tests::Party::app1(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let subject = tokens.text("access_token");
    let first = Exchanger::api1(&platform).exchange(&subject, API2, &[]);
    let first = first.await.unwrap();
    let token = tokens.text("refresh_token");
    let body = [("token", token.as_str())];
    let revoked = party.machine.post_as_client("/revoke", &body).await;
    revoked.granted();
    let second = stock(&platform).exchange(&first.token, API3, &[]).await;
    assert_eq!(refused(second), "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_1_1_an_impersonation_names_no_actor_and_hides_none() {
    let platform = start("mode = \"impersonation\"").await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let api1 = Exchanger::api1(&platform);
    let first = api1.exchange(&subject, API2, &[]).await.unwrap();
    assert_eq!(first.claims.claims.get("act"), None);
    assert_eq!(first.claims.text("client_id"), "api-1");
    // What it allows is what its exchange gave, as of any exchanged token.
    let second = stock(&platform).exchange(&first.token, API3, &[]).await;
    let second = second.unwrap();
    assert_eq!(second.claims.claims["act"], json!({"sub": "stock"}));
    let shipping = Exchanger {
        platform: &platform,
        client_id: "shipping",
        secret: "shipping-secret",
    };
    let third = shipping.exchange(&second.token, API1, &[]).await.unwrap();
    let hidden = api1.exchange(&third.token, API2, &[]).await;
    assert_eq!(refused(hidden), "invalid_request");
    // RFC 7009: it ends with the token that it was exchanged for.
    let machine = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    let body = [("token", first.token.as_str())];
    let answer = machine.post_as_client("/revoke", &body).await;
    assert_eq!(answer.error(), "unsupported_token_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_2_1_the_subject_of_the_actor_token_is_the_actor() {
    let platform = start("actors = [\"batch\", \"bob\"]").await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let api1 = Exchanger::api1(&platform);
    let without = api1.exchange(&subject, API2, &[]).await;
    assert_eq!(refused(without), "invalid_request", "api-1 is no actor");
    let actor = batchs_token(&platform, API1).await;
    let with = |token: &str| {
        [
            ("actor_token".to_owned(), token.to_owned()),
            ("actor_token_type".to_owned(), ACCESS_TOKEN.to_owned()),
        ]
    };
    let exchange = async |subject: &str, actor: &str| {
        let with = with(actor);
        let with = with.each_ref().map(|(name, value)| (&**name, &**value));
        api1.exchange(subject, API2, &with).await
    };
    let exchanged = exchange(&subject, &actor).await.unwrap().claims;
    assert_eq!(exchanged.claims["act"], json!({"sub": "batch"}));
    assert_eq!(exchanged.text("client_id"), "api-1");
    // Neither API-1's own nor sent to API-1.
    let elsewhere = batchs_token(&platform, API2).await;
    // A user who is no allowed actor.
    for other in [elsewhere.as_str(), subject.as_str(), "x"] {
        let other = exchange(&subject, other).await;
        assert_eq!(refused(other), "invalid_request");
    }
    // An actor that somebody else acts for.
    let delegated = exchanged_for_batch(&platform, &api1, &subject, &actor).await;
    let other = exchange(&subject, &delegated).await;
    assert_eq!(refused(other), "invalid_request");
}

/// A token with an actor.
async fn exchanged_for_batch(
    platform: &Platform,
    api1: &Exchanger<'_>,
    subject: &str,
    actor: &str,
) -> String {
    let with = [("actor_token", actor), ("actor_token_type", ACCESS_TOKEN)];
    let first = api1.exchange(subject, API2, &with).await.unwrap();
    let second = stock(platform).exchange(&first.token, API3, &[]).await;
    second.unwrap().token
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_4_1_a_user_may_be_the_actor_and_the_token_ends_with_both() {
    let platform = start("actors = [\"bob\"]").await;
    let bob = tests::Party::my_spa(&platform);
    let mut cli = bob.cli();
    cli.goto(&bob.authorize_url(&[])).await;
    tests::sign_in(&mut cli, ("bob", "builder")).await;
    let answer = cli.page().location().unwrap();
    let code = answer.query_pairs().find(|(name, _)| name == "code");
    let actor = bob.redeem(&code.unwrap().1).await.granted();
    platform.advance(Duration::from_secs(300));
    let subject = alices_token(&platform, EVERYTHING).await;
    let actor = actor.text("access_token");
    let with = [("actor_token", &*actor), ("actor_token_type", JWT)];
    let api1 = Exchanger::api1(&platform);
    let exchanged = api1.exchange(&subject, API2, &with).await.unwrap().claims;
    assert_eq!(exchanged.claims["act"], json!({ "sub": BOB }));
    let ends = UnverifiedClaims::of(&actor).number("exp");
    assert_eq!(exchanged.number("exp"), ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_2_1_both_parameters_of_an_actor_or_none() {
    let platform = start("").await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let api1 = Exchanger::api1(&platform);
    for one in [("actor_token", &*subject), ("actor_token_type", JWT)] {
        let half = api1.exchange(&subject, API2, &[one]).await;
        assert_eq!(refused(half), "invalid_request", "{}", one.0);
    }
    let saml = "urn:ietf:params:oauth:token-type:saml2";
    let with = [("actor_token", &*subject), ("actor_token_type", saml)];
    let other = api1.exchange(&subject, API2, &with).await;
    assert_eq!(refused(other), "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_4_4_a_token_that_names_who_may_act_is_exchanged_for_that_party_alone() {
    for (may_act, outcome) in [("api-1", Ok(())), ("batch", Err("invalid_request"))] {
        let own = "audience = \"https://api-1\"\n";
        let text = config("").replacen(own, &format!("{own}may_act = \"{may_act}\"\n"), 1);
        let config = file(&text);
        let flags = ["--config", config.path().to_str().unwrap()];
        let platform = Platform::start_with(&flags).await;
        let subject = alices_token(&platform, EVERYTHING).await;
        let claims = UnverifiedClaims::of(&subject).claims;
        assert_eq!(claims["may_act"], json!({ "sub": may_act }));
        let exchanged = Exchanger::api1(&platform).exchange(&subject, API2, &[]);
        let exchanged = exchanged.await;
        let seen = exchanged.as_ref().map(|_| ()).map_err(String::as_str);
        assert_eq!(seen, outcome, "{may_act}");
        if let Ok(exchanged) = exchanged {
            assert_eq!(exchanged.claims.claims.get("may_act"), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_2_2_1_the_requested_type_is_the_issued_one_or_refused() {
    let platform = Platform::start().await;
    let subject = alices_token(&platform, EVERYTHING).await;
    let api1 = Exchanger::api1(&platform);
    for kind in [ACCESS_TOKEN, JWT] {
        let with = [("requested_token_type", kind)];
        let exchanged = api1.exchange(&subject, API2, &with).await.unwrap();
        assert_eq!(exchanged.issued_token_type, kind);
        assert_eq!(exchanged.claims.header["typ"], "at+jwt");
    }
    for kind in ["refresh_token", "id_token", "saml2"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let with = [("requested_token_type", &*kind)];
        let other = api1.exchange(&subject, API2, &with).await;
        assert_eq!(refused(other), "invalid_request", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc_a_message_has_the_limits_of_a_form() {
    let platform = Platform::start().await;
    let api1 = Exchanger::api1(&platform);
    let many = ExchangeRequest {
        audience: vec![API2.to_owned(); 65],
        ..ExchangeRequest::default()
    };
    let long = ExchangeRequest {
        subject_token: "x".repeat(17 * 1024),
        ..ExchangeRequest::default()
    };
    for message in [many, long] {
        let status = api1.send(message).await.unwrap_err();
        let reason = status.get_error_details().error_info().cloned().unwrap();
        assert_eq!(reason.reason, "invalid_request");
        assert!(status.message().contains("too many parameters"), "{status}");
    }
}
