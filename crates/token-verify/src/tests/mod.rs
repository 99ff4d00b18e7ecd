//! Tests with a real issuer on a port of its own.

mod bearer;
mod introspection;
mod jwks;
mod proofs;
mod rules;
mod weakened;

use std::sync::Arc;

use kit::clock::ManualClock;

use crate::{
    jwks::Jwks,
    refusal::{Invalid, Refusal},
    testing::{START, TestIssuer, TestKey},
    verifier::Verifier,
};

const AUDIENCE: &str = "https://api-1";
const SCOPE: &str = "https://api-1/read";

/// An issuer, and a resource server that trusts it.
struct World {
    issuer: TestIssuer,
    clock: Arc<ManualClock>,
    jwks: Arc<Jwks>,
    verifier: Verifier,
}

impl World {
    async fn new(key: TestKey) -> Self {
        let issuer = TestIssuer::start(key).unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let jwks = issuer.issuer().jwks(clock.clone());
        jwks.refresh().await.unwrap();
        let verifier = Verifier::new(AUDIENCE, Arc::clone(&jwks), clock.clone());
        Self {
            issuer,
            clock,
            jwks,
            verifier,
        }
    }

    fn token(&self) -> String {
        self.issuer.token(AUDIENCE, SCOPE)
    }

    async fn refusal(&self, token: &str) -> Invalid {
        match self.verifier.verify(token).await {
            Err(Refusal::Invalid(why)) => why,
            other => panic!("invalid_token was expected, not {other:?}"),
        }
    }
}
