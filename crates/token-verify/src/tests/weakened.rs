//! What an API lets pass where a lab has switched a check off, and that nobody else gains by
//! it.

use kit::config::{Weakness, Weaknesses};
use serde_json::json;

use super::{AUDIENCE, SCOPE, World};
use crate::{
    refusal::Invalid,
    testing::{TestKey, message},
    verifier::Verifier,
};

/// A world whose API lets pass what `weaknesses` switch off.
async fn weakened(weaknesses: &[Weakness]) -> World {
    let world = World::new(TestKey::es256()).await;
    let weaknesses: Weaknesses = weaknesses.iter().copied().collect();
    World {
        verifier: world.verifier.weakened(weaknesses),
        ..world
    }
}

impl World {
    async fn sub(&self, token: &str) -> String {
        let verified = self.verifier.verify(token).await.unwrap();
        verified.claims().sub.clone()
    }

    /// A verifier of the same API that is not weakened.
    fn strict(&self) -> Verifier {
        Verifier::new(AUDIENCE, self.jwks.clone(), self.clock.clone())
    }
}

#[tokio::test]
async fn a_token_for_another_audience_passes_weakened_alone_and_is_not_remembered() {
    let world = weakened(&[Weakness::AnyAudience]).await;
    let token = world.issuer.token("https://api-2", SCOPE);
    assert_eq!(world.sub(&token).await, "user-1");
    assert_eq!(world.verifier.remembered(), 0);
    assert!(world.strict().verify(&token).await.is_err());
    // What passes every check is remembered as ever.
    world.sub(&world.token()).await;
    assert_eq!(world.verifier.remembered(), 1);
}

#[tokio::test]
async fn an_id_token_passes_only_where_neither_type_nor_audience_is_checked() {
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" });
    let id_token = |world: &World| {
        let mut claims = world.issuer.claims("my_spa", SCOPE);
        let members = claims.as_object_mut().unwrap();
        for access_tokens in ["client_id", "jti", "scope"] {
            members.remove(access_tokens);
        }
        world.issuer.key.sign(&header, &claims)
    };
    let world = weakened(&[Weakness::AnyTokenType, Weakness::AnyAudience]).await;
    assert_eq!(world.sub(&id_token(&world)).await, "user-1");
    assert_eq!(world.verifier.remembered(), 0);
    let world = weakened(&[Weakness::AnyTokenType]).await;
    let refused = world.refusal(&id_token(&world)).await;
    assert_eq!(refused, Invalid::Audience(AUDIENCE.into()));
    let world = weakened(&[Weakness::AnyAudience]).await;
    assert_eq!(world.refusal(&id_token(&world)).await, Invalid::Type);
}

#[tokio::test]
async fn an_unsigned_token_passes_only_where_alg_none_is_accepted() {
    let header = json!({ "alg": "none", "typ": "at+jwt" });
    let forged = |world: &World, signature: &str| {
        let claims = world.issuer.claims(AUDIENCE, SCOPE);
        format!("{}.{signature}", message(&header, &claims))
    };
    let world = weakened(&[Weakness::AlgNone]).await;
    assert_eq!(world.sub(&forged(&world, "")).await, "user-1");
    assert_eq!(world.verifier.remembered(), 0);
    let refused = world.refusal(&forged(&world, "c2ln")).await;
    assert_eq!(refused, Invalid::Algorithm);
    // Signatures of the other algorithms are checked as ever.
    let changed = world.token().replace('.', ".e30");
    assert!(world.verifier.verify(&changed).await.is_err());
    let world = weakened(&[Weakness::AnyTokenType, Weakness::AnyAudience]).await;
    let refused = world.refusal(&forged(&world, "")).await;
    assert_eq!(refused, Invalid::Algorithm);
}
