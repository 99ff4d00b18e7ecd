//! Subject tokens of another issuer (RFC 8693 §2.1), over HTTP and over gRPC.

use serde_json::{Value, json};
use testkit::{Platform, tampered};
use tests::words::{API1, API1_READ, API2, API2_READ};
use token_verify::testing::{TestIssuer, TestKey};

use crate::{
    exchanging::{Exchanged, Exchanger, JWT},
    provider_alone::with_alice_disabled,
    receiver::{BUILT_IN, file},
};

const ALICE: &str = "u-7f3c1e0a52";
const THEIR_API: &str = "https://orders.partner.example";

/// A gateway that exchanges the partner's tokens for tokens to API-1.
const GATEWAY: &str = r#"
[[clients]]
client_id = "gateway"
name = "Partner gateway"
auth = ["client_secret_basic"]
secret = "gateway-secret"
grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]
"#;

struct Scene {
    platform: Platform,
    partner: TestIssuer,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(BUILT_IN).await
    }

    /// With this configuration in place of the built-in one.
    async fn start_with(built_in: &str) -> Self {
        let partner = TestIssuer::start_at("partner.localhost", TestKey::es256()).unwrap();
        let issuer = &partner.url;
        let config = file(&format!(
            r#"{built_in}{GATEWAY}
[[trusted_issuers]]
issuer = "{issuer}"
[trusted_issuers.users]
"4711" = "alice"

[[exchanges]]
client = "gateway"
issuer = "{issuer}"
from = "{THEIR_API}"
to = "https://api-1"
[exchanges.scopes]
"orders.read" = ["https://api-1/read"]
"#
        ));
        let flags = ["--config", config.path().to_str().unwrap()];
        Self {
            platform: Platform::start_with(&flags).await,
            partner,
        }
    }

    fn claims(&self, change: &Value) -> Value {
        let now = self.platform.clock().now().secs();
        let mut claims = json!({
            "iss": self.partner.url, "sub": "4711", "aud": THEIR_API, "iat": now,
            "exp": now + 120, "scope": "orders.read orders.write",
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn token(&self, change: &Value) -> String {
        let header = self.partner.header();
        self.partner.key.sign(&header, &self.claims(change))
    }

    fn gateway(&self) -> Exchanger<'_> {
        Exchanger {
            platform: &self.platform,
            client_id: "gateway",
            secret: "gateway-secret",
        }
    }

    async fn exchange(&self, token: &str) -> Result<Exchanged, String> {
        self.gateway().exchange(token, API1, &[]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_user_becomes_the_user_that_the_configuration_names() {
    let scene = Scene::start().await;
    let exchanged = scene.exchange(&scene.token(&json!({}))).await.unwrap();
    let claims = &exchanged.claims;
    assert_eq!(claims.text("iss"), scene.platform.issuer());
    assert_eq!(claims.text("sub"), ALICE);
    assert_eq!(claims.claims["act"], json!({"sub": "gateway"}));
    assert_eq!(claims.text("client_id"), "gateway");
    assert_eq!(claims.scopes(), [API1_READ]);
    assert_eq!(claims.claims["roles"], json!(["manager"]));
    let now = scene.platform.clock().now().secs();
    assert_eq!(
        claims.number("exp"),
        now + 120,
        "that of the partner's token"
    );
    for of_a_sign_in in ["sid", "auth_time", "acr", "email"] {
        assert_eq!(claims.claims.get(of_a_sign_in), None, "{of_a_sign_in}");
    }
    // It goes on from there as any other token.
    let api1 = Exchanger::api1(&scene.platform);
    let second = api1.exchange(&exchanged.token, API2, &[]).await.unwrap();
    let act = json!({"sub": "api-1", "act": {"sub": "gateway"}});
    assert_eq!(second.claims.claims["act"], act);
    assert_eq!(second.claims.text("sub"), ALICE);
    assert_eq!(second.claims.scopes(), [API2_READ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_token_for_a_disabled_user_is_refused_as_for_one_who_is_not_mapped() {
    let scene = Scene::start_with(&with_alice_disabled(BUILT_IN)).await;
    for subject in ["4711", "4712"] {
        let token = scene.token(&json!({ "sub": subject }));
        let gateway = scene.gateway();
        let refused = gateway.exchange(&token, API1, &[]).await;
        assert_eq!(refused.unwrap_err(), "invalid_request", "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8693_2_2_2_a_partners_token_that_is_not_good_is_refused() {
    let scene = Scene::start().await;
    let now = scene.platform.clock().now().secs();
    let good = scene.token(&json!({}));
    for (change, code) in [
        (json!({"exp": now}), "invalid_request"),
        (json!({"exp": null}), "invalid_request"),
        (json!({"nbf": now + 60}), "invalid_request"),
        (json!({"iat": now + 60}), "invalid_request"),
        (json!({"sub": "4712"}), "invalid_request"),
        (json!({"sub": "alice"}), "invalid_request"),
        (json!({"sub": ALICE}), "invalid_request"),
        (json!({"scope": 5}), "invalid_request"),
        (json!({"act": {"sub": "their-gateway"}}), "invalid_request"),
        (json!({"cnf": {"jkt": "x"}}), "invalid_request"),
        // Of its own issuer a name means nothing here.
        (json!({"may_act": {"sub": "gateway"}}), "invalid_request"),
        (json!({"aud": "https://elsewhere"}), "invalid_target"),
        (json!({"scope": "orders.write"}), "invalid_scope"),
        (json!({"iss": "http://other.localhost"}), "invalid_request"),
    ] {
        let refused = scene.exchange(&scene.token(&change)).await;
        assert_eq!(refused.unwrap_err(), code, "{change}");
    }
    let other_key = TestKey::es256();
    let header = scene.partner.header();
    let mut logout = header.clone();
    logout["typ"] = json!("logout+jwt");
    for bad in [
        tampered::signature(&good),
        tampered::unsigned(&good),
        tampered::hs256(&good, b"public"),
        other_key.sign(&header, &scene.claims(&json!({}))),
        scene.partner.key.sign(&logout, &scene.claims(&json!({}))),
    ] {
        let refused = scene.exchange(&bad).await;
        assert_eq!(refused.unwrap_err(), "invalid_request");
    }
    let issuer = scene.platform.issuer();
    let may_act = json!({"may_act": {"sub": "gateway", "iss": issuer}});
    scene.exchange(&scene.token(&may_act)).await.unwrap();
    let untyped = json!({"alg": "ES256", "kid": "k1"});
    let untyped = scene.partner.key.sign(&untyped, &scene.claims(&json!({})));
    let as_jwt = [("subject_token_type", JWT)];
    let gateway = scene.gateway();
    gateway.exchange(&untyped, API1, &as_jwt).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_tokens_are_exchanged_by_the_clients_of_its_policies_alone() {
    let scene = Scene::start().await;
    let api1 = Exchanger::api1(&scene.platform);
    let refused = api1.exchange(&scene.token(&json!({})), API2, &[]).await;
    assert_eq!(refused.unwrap_err(), "invalid_target");
    assert_eq!(scene.partner.fetches(), 0, "no key is fetched for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_not_reached_is_no_verdict_on_its_token() {
    let scene = Scene::start().await;
    let token = scene.token(&json!({}));
    let Scene { platform, partner } = scene;
    partner.stop().await;
    let gateway = Exchanger {
        platform: &platform,
        client_id: "gateway",
        secret: "gateway-secret",
    };
    let refused = gateway.exchange(&token, API1, &[]).await;
    assert_eq!(refused.unwrap_err(), "temporarily_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_keys_may_be_in_the_configuration_and_any_scope_be_mapped() {
    let key = TestKey::eddsa();
    let jwk = key.jwk("p1");
    let (x, issuer) = (jwk["x"].as_str().unwrap(), "https://partner.example");
    let config = file(&format!(
        r#"{BUILT_IN}{GATEWAY}
[[trusted_issuers]]
issuer = "{issuer}"
jwks = {{ keys = [{{ kty = "OKP", crv = "Ed25519", x = "{x}", kid = "p1" }}] }}
users = {{ "4711" = "alice" }}

[[exchanges]]
client = "gateway"
issuer = "{issuer}"
from = "{THEIR_API}"
to = "https://api-1"
scopes = {{ "*" = ["https://api-1/read"] }}
"#
    ));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let gateway = Exchanger {
        platform: &platform,
        client_id: "gateway",
        secret: "gateway-secret",
    };
    let now = platform.clock().now().secs();
    let claims = json!({"iss": issuer, "sub": "4711", "aud": [THEIR_API, "x"], "exp": now + 60});
    let token = key.sign(&json!({"alg": "EdDSA", "kid": "p1"}), &claims);
    let exchanged = gateway.exchange(&token, API1, &[]).await.unwrap();
    assert_eq!(exchanged.claims.text("sub"), ALICE);
    assert_eq!(exchanged.claims.scopes(), [API1_READ]);
}
