//! RFC 9068 §4 and RFC 8725, rule by rule.

use std::time::Duration;

use aws_lc_rs::{encoding::AsDer as _, hmac, signature::KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use oauth_types::BadMember;
use serde_json::{Value, json};

use super::{AUDIENCE, SCOPE, World};
use crate::{
    refusal::{Invalid, MAX_TOKEN},
    testing::{START, TestKey, b64, message},
};

impl World {
    async fn with_header(&self, name: &str, value: Value) -> Invalid {
        let mut header = self.issuer.header();
        header[name] = value;
        let claims = self.issuer.claims(AUDIENCE, SCOPE);
        self.refusal(&self.issuer.key.sign(&header, &claims)).await
    }

    async fn with_claim(&self, name: &str, value: Value) -> Invalid {
        let mut claims = self.issuer.claims(AUDIENCE, SCOPE);
        claims[name] = value;
        let token = self.issuer.key.sign(&self.issuer.header(), &claims);
        self.refusal(&token).await
    }
}

#[tokio::test]
async fn rfc9068_4_a_good_token_of_each_algorithm_is_taken() {
    for key in [TestKey::es256(), TestKey::rs256(), TestKey::eddsa()] {
        let world = World::new(key).await;
        let verified = world.verifier.verify(&world.token()).await.unwrap();
        assert_eq!(verified.claims().sub, "user-1");
        assert!(verified.claims().scope.contains(SCOPE));
        assert_eq!(verified.claims().roles, ["manager"]);
    }
}

#[tokio::test]
async fn rfc9068_4_typ_an_id_token_is_not_an_access_token() {
    let world = World::new(TestKey::es256()).await;
    assert_eq!(world.with_header("typ", json!("JWT")).await, Invalid::Type);
    assert_eq!(world.with_header("typ", Value::Null).await, Invalid::Type);
}

#[tokio::test]
async fn rfc7515_4_1_9_typ_in_any_case_with_or_without_application() {
    let world = World::new(TestKey::es256()).await;
    for typ in ["AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        let mut header = world.issuer.header();
        header["typ"] = json!(typ);
        let claims = world.issuer.claims(AUDIENCE, SCOPE);
        let token = world.issuer.key.sign(&header, &claims);
        assert!(world.verifier.verify(&token).await.is_ok(), "{typ}");
    }
}

#[tokio::test]
async fn rfc8725_3_1_alg_none_is_refused() {
    let world = World::new(TestKey::es256()).await;
    let claims = world.issuer.claims(AUDIENCE, SCOPE);
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": "k1"});
        let token = format!("{}.", message(&header, &claims));
        assert_eq!(world.refusal(&token).await, Invalid::Algorithm);
    }
}

#[tokio::test]
async fn rfc8725_3_1_hs256_with_the_public_key_as_its_secret_is_refused() {
    let world = World::new(TestKey::rs256()).await;
    let TestKey::Rsa(key) = &*world.issuer.key else {
        panic!("an RSA key")
    };
    let der = key.public_key().as_der().unwrap();
    let body = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "k1"});
    let message = message(&header, &world.issuer.claims(AUDIENCE, SCOPE));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, pem.as_bytes());
    let tag = hmac::sign(&secret, message.as_bytes());
    let token = format!("{message}.{}", b64(tag.as_ref()));
    assert_eq!(world.refusal(&token).await, Invalid::Algorithm);
}

#[tokio::test]
async fn rfc8725_3_1_the_algorithm_is_the_keys_not_the_tokens() {
    let world = World::new(TestKey::rs256()).await;
    assert_eq!(
        world.with_header("alg", json!("ES256")).await,
        Invalid::KeyAlgorithm
    );
}

#[tokio::test]
async fn rfc7515_5_2_a_bent_signature_is_refused() {
    let world = World::new(TestKey::es256()).await;
    let token = world.token();
    let at = token.rfind('.').unwrap() + 5;
    let mut bent = token.clone().into_bytes();
    bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    assert_eq!(world.refusal(&bent).await, Invalid::Signature);
    let cut = &token[..=token.rfind('.').unwrap()];
    assert_eq!(world.refusal(cut).await, Invalid::Signature);
}

#[tokio::test]
async fn rfc7515_5_2_changed_claims_are_refused() {
    let world = World::new(TestKey::es256()).await;
    let token = world.token();
    let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
    claims["sub"] = json!("user-2");
    let signature = token.rsplit('.').next().unwrap();
    let forged = format!("{}.{signature}", message(&world.issuer.header(), &claims));
    assert_eq!(world.refusal(&forged).await, Invalid::Signature);
}

#[tokio::test]
async fn rfc8725_3_10_a_key_that_the_token_brings_along_is_ignored() {
    let world = World::new(TestKey::es256()).await;
    let strangers = TestKey::es256();
    let header = json!({
        "alg": "ES256", "typ": "at+jwt", "kid": "k1",
        "jwk": strangers.jwk("k1"), "jku": "http://127.0.0.1:9/jwks", "x5u": "http://127.0.0.1:9/",
    });
    let token = strangers.sign(&header, &world.issuer.claims(AUDIENCE, SCOPE));
    assert_eq!(world.refusal(&token).await, Invalid::Signature);
}

#[tokio::test]
async fn rfc7515_4_1_11_a_critical_extension_is_refused() {
    let world = World::new(TestKey::es256()).await;
    for crit in [json!(["b64"]), json!([]), Value::Null] {
        assert_eq!(world.with_header("crit", crit).await, Invalid::Critical);
    }
}

#[tokio::test]
async fn a_key_id_that_is_unknown_or_endless_is_refused() {
    let world = World::new(TestKey::es256()).await;
    for kid in [json!("k2"), json!("k".repeat(5000))] {
        assert_eq!(world.with_header("kid", kid).await, Invalid::UnknownKey);
    }
}

#[tokio::test]
async fn rfc9068_4_iss_must_be_the_issuer_to_the_letter() {
    let world = World::new(TestKey::es256()).await;
    let almost = format!("{}/", world.issuer.url);
    assert_eq!(
        world.with_claim("iss", json!(almost)).await,
        Invalid::Issuer
    );
}

#[tokio::test]
async fn rfc9068_4_aud_must_hold_us() {
    let world = World::new(TestKey::es256()).await;
    let foreign = Invalid::Audience(AUDIENCE.into());
    for aud in [json!("https://api-2"), json!(["https://api-2"]), json!([])] {
        assert_eq!(world.with_claim("aud", aud).await, foreign);
    }
    let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
    claims["aud"] = json!(["https://api-2", AUDIENCE]);
    let token = world.issuer.key.sign(&world.issuer.header(), &claims);
    assert!(world.verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn rfc9068_2_2_a_required_claim_that_is_missing_is_named() {
    let world = World::new(TestKey::es256()).await;
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
        claims.as_object_mut().unwrap().remove(name);
        let token = world.issuer.key.sign(&world.issuer.header(), &claims);
        assert_eq!(
            world.refusal(&token).await,
            Invalid::Claim(BadMember::Missing(name))
        );
    }
}

#[tokio::test]
async fn a_claim_of_the_wrong_type_is_refused_and_named() {
    let world = World::new(TestKey::es256()).await;
    for (name, value) in [
        ("exp", json!("never")),
        ("nbf", json!("x")),
        ("sub", json!(1)),
        ("aud", json!({})),
        ("scope", json!(5)),
        ("act", json!("api-1")),
        ("cnf", json!("x")),
    ] {
        let refused = world.with_claim(name, value).await.to_string();
        let named = format!("the token cannot be used: its member {name} is not ");
        assert!(refused.starts_with(&named), "{refused}");
    }
}

#[tokio::test]
async fn rfc7519_2_dates_may_have_decimals() {
    let world = World::new(TestKey::es256()).await;
    let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
    for name in ["iat", "nbf", "auth_time"] {
        claims[name] = json!(1_800_000_000.25);
    }
    claims["exp"] = json!(1_800_000_300.5);
    let token = world.issuer.key.sign(&world.issuer.header(), &claims);
    assert!(world.verifier.verify(&token).await.is_ok());
    world.clock.advance(Duration::from_secs(299));
    assert!(world.verifier.verify(&token).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.refusal(&token).await, Invalid::Expired);
    let late = json!(1_800_000_306.5);
    assert_eq!(world.with_claim("nbf", late).await, Invalid::Expired);
    let world = World::new(TestKey::es256()).await;
    let ahead = json!(1_800_000_006.0);
    assert_eq!(world.with_claim("nbf", ahead).await, Invalid::NotYet);
}

#[tokio::test]
async fn a_date_may_be_its_digits_in_a_string() {
    let world = World::new(TestKey::es256()).await;
    let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
    for name in ["iat", "nbf", "auth_time"] {
        claims[name] = json!("1800000000");
    }
    claims["exp"] = json!("1800000300.5");
    let token = world.issuer.key.sign(&world.issuer.header(), &claims);
    let verified = world.verifier.verify(&token).await.unwrap();
    assert_eq!(verified.claims().auth_time, Some(1_800_000_000));
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(world.refusal(&token).await, Invalid::Expired);
    let world = World::new(TestKey::es256()).await;
    let ahead = json!("1800000006");
    assert_eq!(world.with_claim("nbf", ahead).await, Invalid::NotYet);
}

#[tokio::test]
async fn rfc7519_4_1_4_exp_counts_by_our_clock_to_the_second() {
    let world = World::new(TestKey::es256()).await;
    let token = world.token();
    world.clock.advance(Duration::from_secs(299));
    assert!(world.verifier.verify(&token).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    // A cached token expires too.
    assert_eq!(world.refusal(&token).await, Invalid::Expired);
}

#[tokio::test]
async fn rfc7519_4_1_5_nbf_and_iat_ahead_are_not_valid_yet() {
    let world = World::new(TestKey::es256()).await;
    for name in ["nbf", "iat"] {
        let ahead = json!(START.secs() + 6);
        assert_eq!(world.with_claim(name, ahead).await, Invalid::NotYet);
        let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
        // The tolerated clock skew.
        claims[name] = json!(START.secs() + 5);
        let token = world.issuer.key.sign(&world.issuer.header(), &claims);
        assert!(world.verifier.verify(&token).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn what_is_no_jwt_or_too_long_is_refused() {
    let world = World::new(TestKey::es256()).await;
    for token in ["", "a", "a.b", "a.b.c", "....", "e30.e30.e30"] {
        assert_eq!(world.refusal(token).await, Invalid::NotAJwt, "{token}");
    }
    let long = "a".repeat(MAX_TOKEN + 1);
    assert_eq!(world.refusal(&long).await, Invalid::TooLong);
}

#[tokio::test]
async fn only_good_tokens_are_remembered() {
    let world = World::new(TestKey::es256()).await;
    world.refusal("a.b.c").await;
    assert_eq!(world.verifier.remembered(), 0);
    for _ in 0..2 {
        world.verifier.verify(&world.token()).await.unwrap();
    }
    // Each ES256 signature differs, so these are two tokens.
    assert_eq!(world.verifier.remembered(), 2);
}
