//! RFC 9701, introspection responses as JWTs.

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use testkit::{Answer, ClientAuth, Machine, Platform};
use tests::Party;

use crate::receiver::{BUILT_IN, file};

const JWT: &str = "application/token-introspection+jwt";

fn api1(platform: &Platform) -> Machine {
    platform.machine(ClientAuth::basic("api-1", "api-1-secret"))
}

/// The claims of the JWT, whose signature a published key verifies, and its algorithm.
async fn verified(machine: &Machine, answer: &Answer) -> (Value, Value) {
    assert_eq!(answer.header("content-type"), Some(JWT));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let header = decode_header(&answer.body).unwrap();
    assert_eq!(header.typ.as_deref(), Some("token-introspection+jwt"));
    let keys: JwkSet = serde_json::from_value(machine.get("/jwks").await.json()).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["api-1"]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(key).unwrap();
    let decoded = decode::<Value>(&answer.body, &key, &validation).unwrap();
    (decoded.claims, json!(header.alg))
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9701_5_the_answer_is_a_signed_jwt_for_the_resource_server() {
    let platform = Platform::start().await;
    let api1 = api1(&platform);
    let party = Party::app1(&platform);
    let token = party.tokens(&mut party.cli(), &[]).await;
    let token = token.text("access_token");
    let plain = api1.introspect(&token, "application/json").await.json();
    assert_eq!(plain["active"], true);
    for (token, said) in [(token.as_str(), plain), ("x", json!({"active": false}))] {
        let answer = api1.introspect(token, JWT).await.granted();
        let (claims, algorithm) = verified(&api1, &answer).await;
        assert_eq!(claims["iss"], platform.issuer());
        assert_eq!(claims["aud"], "api-1");
        assert!(claims["iat"].is_i64());
        assert_eq!(claims["token_introspection"], said);
        assert_eq!(claims.as_object().unwrap().len(), 4, "{claims}");
        assert_eq!(algorithm, "ES256");
        // It is no access token, whatever it tells.
        let url = format!("{}/userinfo", platform.issuer());
        let userinfo = api1.call(reqwest::Method::GET, &url, &answer.body).await;
        assert_eq!(userinfo.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9701_4_the_header_accept_asks_for_it() {
    let platform = Platform::start().await;
    let api1 = api1(&platform);
    for (accept, is_jwt) in [
        (JWT, true),
        ("Application/Token-Introspection+JWT", true),
        (
            "application/json;q=0.5, application/token-introspection+jwt",
            true,
        ),
        (
            "application/json, application/token-introspection+jwt;q=0.5",
            false,
        ),
        ("application/token-introspection+jwt;q=0", false),
        ("application/jwt", false),
        ("*/*", false),
        ("no media type", false),
    ] {
        let answer = api1.introspect("x", accept).await.granted();
        let expected = if is_jwt { JWT } else { "application/json" };
        assert_eq!(answer.header("content-type"), Some(expected), "{accept}");
    }
    let refused = api1.identified_by(ClientAuth::basic("api-1", "wrong"));
    let refused = refused.introspect("x", JWT).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9701_6_each_advertised_algorithm_can_be_set_for_a_client() {
    let platform = Platform::start().await;
    let metadata = api1(&platform)
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    let algorithms = metadata["introspection_signing_alg_values_supported"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(algorithms.len(), 3);
    for algorithm in algorithms {
        let own = "introspects = [\"https://api-1\"]";
        let set = format!("{own}\nintrospection_signed_response_alg = {algorithm}");
        let config = file(&BUILT_IN.replace(own, &set));
        let platform = Platform::start_with(&["--config", config.path().to_str().unwrap()]).await;
        let api1 = api1(&platform);
        let answer = api1.introspect("x", JWT).await.granted();
        assert_eq!(verified(&api1, &answer).await.1, algorithm);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8414_2_the_metadata_name_the_endpoint_and_how_its_clients_authenticate() {
    let platform = Platform::start().await;
    let metadata = api1(&platform)
        .get("/.well-known/openid-configuration")
        .await
        .json();
    let issuer = platform.issuer();
    assert_eq!(
        metadata["introspection_endpoint"],
        format!("{issuer}/introspect")
    );
    assert_eq!(
        metadata["introspection_endpoint_auth_methods_supported"],
        json!([
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth"
        ])
    );
    assert_eq!(
        metadata["introspection_endpoint_auth_signing_alg_values_supported"],
        metadata["token_endpoint_auth_signing_alg_values_supported"]
    );
}
