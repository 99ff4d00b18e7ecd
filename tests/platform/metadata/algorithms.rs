//! The algorithms that the provider signs by: a client for each, whose token a published
//! key verifies; and those of the proofs that it accepts (RFC 9449 §5.1).

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use testkit::ClientAuth;
use tests::Party;
use token_verify::testing::TestKey;

use super::{Scene, unused};
use crate::rfc9449_proofs::{crafted, nonce};

const ID_TOKEN: &str = "id_token_signing_alg_values_supported";
const INTROSPECTION: &str = "introspection_signing_alg_values_supported";
const DPOP: &str = "dpop_signing_alg_values_supported";
pub(super) const MEMBERS: &[&str] = &[ID_TOKEN, INTROSPECTION, DPOP];

/// The algorithms, each with its relying party and its resource server.
const CLIENTS: [(&str, &str, &str); 3] = [
    ("ES256", "party-es256", "api-es256"),
    ("RS256", "party-rs256", "api-rs256"),
    ("EdDSA", "party-eddsa", "api-eddsa"),
];

async fn start() -> Scene {
    let clients = CLIENTS.map(|(alg, party, api)| {
        format!(
            "\n[[clients]]\nclient_id = \"{party}\"\nname = \"{party}\"\nfirst_party = true\n\
             auth = [\"none\"]\ngrants = [\"authorization_code\"]\naudiences = [\"https://api-1\"]\n\
             redirect_uris = [\"https://{party}.example/\"]\n\
             id_token_signed_response_alg = \"{alg}\"\n\
             \n[[clients]]\nclient_id = \"{api}\"\nname = \"{api}\"\n\
             auth = [\"client_secret_basic\"]\nsecret = \"the-secret-of-an-api\"\n\
             grants = []\nintrospects = [\"https://api-1\"]\n\
             introspection_signed_response_alg = \"{alg}\"\n"
        )
    });
    Scene::start(&clients.concat()).await
}

/// The clients of `alg`.
fn clients(member: &str, alg: &str) -> (&'static str, &'static str) {
    let known = CLIENTS.iter().find(|(known, ..)| *known == alg);
    let (_, party, api) = known.unwrap_or_else(|| unused(member, alg));
    (party, api)
}

/// Checks that `jwt` is for `audience`, and that a published key for `alg` verifies it.
async fn verify(scene: &Scene, jwt: &str, alg: &str, audience: &str) {
    let header = decode_header(jwt).unwrap();
    assert_eq!(json!(header.alg), alg);
    let machine = scene.machine(ClientAuth::public("my_spa"));
    let keys: JwkSet = serde_json::from_value(machine.get("/jwks").await.json()).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.validate_exp = false;
    decode::<Value>(jwt, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_of_id_tokens_that_is_advertised_signs_one() {
    let scene = start().await;
    for alg in scene.values(ID_TOKEN) {
        let (id, _) = clients(ID_TOKEN, alg);
        let party = Party::new(
            &scene.platform,
            id,
            format!("https://{id}.example/"),
            ClientAuth::public(id),
            "openid https://api-1/read",
        );
        let tokens = party.tokens(&mut party.cli(), &[]).await;
        verify(&scene, &tokens.text("id_token"), alg, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_of_introspection_that_is_advertised_signs_a_response() {
    let scene = start().await;
    for alg in scene.values(INTROSPECTION) {
        let (_, id) = clients(INTROSPECTION, alg);
        let api = scene.machine(ClientAuth::basic(id, "the-secret-of-an-api"));
        let jwt = "application/token-introspection+jwt";
        let answer = api.introspect("x", jwt).await.granted();
        verify(&scene, &answer.body, alg, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_5_1_every_algorithm_of_proofs_that_is_advertised_binds_a_token() {
    let scene = Scene::start("").await;
    let machine = scene.machine(ClientAuth::basic("batch", "batch-secret"));
    let form = [("grant_type", "client_credentials")];
    for alg in scene.values(DPOP) {
        let key = match alg {
            "ES256" => TestKey::es256(),
            "EdDSA" => TestKey::eddsa(),
            "PS256" => TestKey::ps256(),
            other => unused(DPOP, other),
        };
        let claims = json!({"nonce": nonce(&scene.platform).await});
        let proof = crafted(&scene.platform, &key, &json!({}), &claims);
        let headers = [("dpop", &*proof)];
        let answer = machine.post_with("/token", &form, &headers).await;
        assert_eq!(answer.granted().text("token_type"), "DPoP", "{alg}");
    }
}
