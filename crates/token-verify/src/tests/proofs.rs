//! Callers with bound tokens, whose proofs are records in the store.

use std::sync::Arc;

use kit::{
    clock::Clock as _,
    random::{OsRandom, Random},
};
use serde_json::json;
use store::op_count::counted;
use tonic::{Code, Status};

use super::{AUDIENCE, SCOPE, World};
use crate::{
    Presented, ProofSettings, Refusal, Refused, SentProof, Transport, Verifier,
    dpop::{BadProof, KEPT, ProofKey, ProofQuota, ProofRequest, UsedProofs},
    testing::TestKey,
};

const URL: &str = "https://api.example";
const PREFIX: &str = "test:dpop:";

/// A resource server that takes `most` proofs of one subject.
struct Resource {
    world: World,
}

impl Resource {
    async fn new(most: usize) -> Self {
        let world = World::new(TestKey::es256()).await;
        let store = store::open(None, world.clock.clone()).unwrap();
        let verifier = Verifier::new(AUDIENCE, Arc::clone(&world.jwks), world.clock.clone());
        let verifier = verifier.accepting_proofs(ProofSettings {
            http_url: URL.to_owned(),
            mtls_url: None,
            grpc_url: None,
            used: UsedProofs::new(store, PREFIX),
            quota: ProofQuota::of(most),
            nonces: None,
        });
        Self {
            world: World { verifier, ..world },
        }
    }

    /// A token of `sub` that is bound to `key`.
    fn token(&self, sub: &str, key: &ProofKey) -> String {
        let issuer = &self.world.issuer;
        let mut claims = issuer.claims(AUDIENCE, SCOPE);
        claims["sub"] = json!(sub);
        claims["cnf"] = json!({"jkt": key.jkt()});
        claims["exp"] = json!(issuer.claims(AUDIENCE, SCOPE)["exp"].as_i64().unwrap() + 3600);
        issuer.key.sign(&issuer.header(), &claims)
    }

    async fn call_proven(&self, token: &str, key: &ProofKey) -> Result<(), Refused> {
        self.call(token, &proof(key, token, self)).await
    }

    async fn call(&self, token: &str, proof: &str) -> Result<(), Refused> {
        let authorization = format!("DPoP {token}");
        let presented = Presented {
            authorization: &[authorization.as_bytes()],
            proof: Some(SentProof {
                values: &[proof.as_bytes()],
                method: "GET",
                transport: Transport::Http,
                path: "/resource",
            }),
            certificate: None,
        };
        self.world.verifier.caller(presented).await.map(drop)
    }
}

fn new_key() -> ProofKey {
    let random: &dyn Random = &OsRandom;
    ProofKey::generate(random).unwrap()
}

fn proof(key: &ProofKey, token: &str, resource: &Resource) -> String {
    let request = ProofRequest {
        method: "GET",
        url: &format!("{URL}/resource"),
        token: Some(token),
        nonce: None,
    };
    let random: &dyn Random = &OsRandom;
    key.proof(&request, resource.world.clock.now(), random)
        .unwrap()
}

#[tokio::test]
async fn the_holder_of_a_token_can_write_so_many_proofs_and_nobody_else_is_refused_for_it() {
    let resource = Resource::new(3).await;
    let (alices, bobs) = (new_key(), new_key());
    let alice = resource.token("alice", &alices);
    let first = proof(&alices, &alice, &resource);
    resource.call(&alice, &first).await.unwrap();
    // What leaves no record takes no room.
    for _ in 0..6 {
        let replayed = resource.call(&alice, &first).await.unwrap_err();
        assert_eq!(replayed.why(), &Refusal::Proof(BadProof::Replayed));
    }
    for n in 1..6 {
        let (called, operations) = counted(resource.call_proven(&alice, &alices)).await;
        if n < 3 {
            called.unwrap();
            continue;
        }
        assert_eq!(operations, 0);
        let refused = called.unwrap_err();
        assert!(matches!(refused.why(), Refusal::TooManyProofs(_)));
        assert_eq!(refused.challenge(), None);
        assert_eq!(Status::from(refused).code(), Code::ResourceExhausted);
    }
    let bob = resource.token("bob", &bobs);
    resource.call_proven(&bob, &bobs).await.unwrap();
    resource.world.clock.advance(KEPT);
    resource.call_proven(&alice, &alices).await.unwrap();
}

#[tokio::test]
async fn who_has_no_valid_token_or_not_its_key_writes_nothing() {
    let resource = Resource::new(100).await;
    let (own, other) = (new_key(), new_key());
    let token = resource.token("alice", &own);
    let forged = TestKey::es256();
    let claims = resource.world.issuer.claims(AUDIENCE, SCOPE);
    let forged = forged.sign(&resource.world.issuer.header(), &claims);
    let good = proof(&own, &token, &resource);
    for (token, proof) in [
        (forged.clone(), proof(&own, &forged, &resource)),
        ("x".to_owned(), proof(&own, "x", &resource)),
        (token.clone(), proof(&other, &token, &resource)),
        (token.clone(), proof(&own, "another token", &resource)),
        (token.clone(), good.replace('.', "")),
    ] {
        let (refused, operations) = counted(resource.call(&token, &proof)).await;
        refused.unwrap_err();
        assert_eq!(operations, 0);
    }
    let (called, operations) = counted(resource.call(&token, &good)).await;
    called.unwrap();
    assert_eq!(operations, 1);
    let again = resource.call(&token, &good).await.unwrap_err();
    assert_eq!(again.why(), &Refusal::Proof(BadProof::Replayed));
}
