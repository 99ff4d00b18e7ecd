//! Key rotation, outage and cooldown.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{AUDIENCE, SCOPE, World};
use crate::{
    issuer::Issuer,
    jwks::{FetchError, SignerError},
    jwt::UnverifiedJwt,
    keys::NoSigner,
    refusal::{Invalid, Refusal},
    testing::TestKey,
    verifier::Verifier,
};

impl World {
    fn token_by(&self, key: &TestKey, kid: &str) -> String {
        let header = json!({"alg": key.alg(), "typ": "at+jwt", "kid": kid});
        key.sign(&header, &self.issuer.claims(AUDIENCE, SCOPE))
    }
}

#[tokio::test]
async fn an_unknown_key_id_fetches_the_set_again() {
    let world = World::new(TestKey::es256()).await;
    let next = TestKey::es256();
    let keys = vec![world.issuer.key.jwk("k1"), next.jwk("k2")];
    world.issuer.publish(keys);
    let token = world.token_by(&next, "k2");
    assert!(world.verifier.verify(&token).await.is_ok());
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn rfc7515_4_1_4_a_token_without_a_key_id_is_tried_with_all_keys_that_fit() {
    let world = World::new(TestKey::es256()).await;
    let (rsa, next) = (TestKey::rs256(), TestKey::es256());
    let mut header = world.issuer.header();
    header.as_object_mut().unwrap().remove("kid");
    let claims = world.issuer.claims(AUDIENCE, SCOPE);
    let by = |key: &TestKey| key.sign(&header, &claims);
    assert!(world.verifier.verify(&by(&world.issuer.key)).await.is_ok());
    // The keys share one key id; an unknown signature makes the cache fetch the set again.
    let keys = vec![rsa.jwk("k1"), world.issuer.key.jwk("k1"), next.jwk("k1")];
    world.issuer.publish(keys);
    assert!(world.verifier.verify(&by(&next)).await.is_ok());
    assert_eq!(world.issuer.fetches(), 2);
    assert!(world.verifier.verify(&world.token()).await.is_ok());
    assert!(
        world
            .verifier
            .verify(&world.token_by(&rsa, "k1"))
            .await
            .is_ok()
    );
    let strangers = by(&TestKey::es256());
    assert_eq!(world.refusal(&strangers).await, Invalid::UnknownKey);
    assert_eq!(
        world.issuer.fetches(),
        2,
        "no more than the cooldown allows"
    );
}

#[tokio::test]
async fn strangers_key_ids_do_not_fetch_more_often_than_the_cooldown() {
    let world = World::new(TestKey::es256()).await;
    for n in 0..5 {
        let token = world.token_by(&world.issuer.key, &format!("stranger-{n}"));
        assert_eq!(world.refusal(&token).await, Invalid::UnknownKey);
    }
    assert_eq!(world.issuer.fetches(), 2);
    world.clock.advance(Duration::from_secs(30));
    let token = world.token_by(&world.issuer.key, "stranger");
    assert_eq!(world.refusal(&token).await, Invalid::UnknownKey);
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn many_at_once_share_one_fetch() {
    let world = Arc::new(World::new(TestKey::es256()).await);
    let next = TestKey::es256();
    world.issuer.publish(vec![next.jwk("k2")]);
    let token = world.token_by(&next, "k2");
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let (world, token) = (Arc::clone(&world), token.clone());
            tokio::spawn(async move { world.verifier.verify(&token).await.is_ok() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn a_new_key_with_the_id_of_an_old_one_is_fetched() {
    let world = World::new(TestKey::es256()).await;
    let next = TestKey::es256();
    world.issuer.publish(vec![next.jwk("k1")]);
    let token = world.token_by(&next, "k1");
    assert!(world.verifier.verify(&token).await.is_ok());
    assert_eq!(world.issuer.fetches(), 2);
    let forged = world.token_by(&TestKey::es256(), "k1");
    assert_eq!(world.refusal(&forged).await, Invalid::Signature);
    assert_eq!(world.issuer.fetches(), 2, "the cooldown");
}

#[tokio::test]
async fn an_outage_keeps_the_old_set() {
    let world = World::new(TestKey::es256()).await;
    let (token, unknown) = (world.token(), world.token_by(&TestKey::es256(), "k2"));
    let World {
        issuer,
        jwks,
        verifier,
        ..
    } = world;
    issuer.stop().await;
    assert!(jwks.refresh().await.is_err());
    assert!(verifier.verify(&token).await.is_ok());
    // Whether the issuer has such a key is not known, also in the cooldown.
    for _ in 0..2 {
        let jwt = UnverifiedJwt::split(&unknown).unwrap();
        let signer = jwks.signer(&jwt, &[Algorithm::ES256]).await;
        assert_eq!(
            signer.unwrap_err(),
            SignerError::Outdated(NoSigner::Unknown)
        );
    }
}

#[tokio::test]
async fn a_withdrawn_key_withdraws_its_tokens_also_remembered_ones() {
    let world = World::new(TestKey::es256()).await;
    let token = world.token();
    assert!(world.verifier.verify(&token).await.is_ok());
    world.issuer.publish(vec![TestKey::es256().jwk("k2")]);
    world.jwks.refresh().await.unwrap();
    assert_eq!(world.refusal(&token).await, Invalid::UnknownKey);
}

#[tokio::test]
async fn oidc_discovery_4_3_another_issuers_document_is_refused() {
    let world = World::new(TestKey::es256()).await;
    let issuer = Issuer::new("https://idp.example", &world.issuer.url);
    let jwks = issuer.jwks(world.clock.clone());
    let refused = jwks.refresh().await;
    assert!(matches!(refused, Err(FetchError::OtherIssuer { .. })));
}

#[tokio::test]
async fn before_the_keys_were_ever_had_a_token_is_not_called_bad() {
    let world = World::new(TestKey::es256()).await;
    let nowhere = Issuer::new(world.issuer.url.clone(), "http://127.0.0.1:9");
    let jwks = nowhere.jwks(world.clock.clone());
    let verifier = Verifier::new(AUDIENCE, jwks, world.clock.clone());
    let refused = verifier.verify(&world.token()).await;
    assert_eq!(refused.unwrap_err(), Refusal::NoKeys);
}
