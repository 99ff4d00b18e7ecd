//! Verification of JWTs: which key signed one ([`keys`]), with a cache of the signer's
//! published keys ([`jwks`]), for all who check JWTs. On top of it the verification of
//! access tokens for resource servers: the issuer ([`issuer`]), the checks
//! ([`verifier`]), introspection in their place ([`introspection`]), the caller
//! ([`caller`]), the key that a token is bound to ([`possession`], with the proofs of
//! [`dpop`]) and refusals ([`refusal`]), with adapters for HTTP ([`actix`]) and gRPC
//! ([`grpc`]). [`resource_server`] is what the services that use all this have in common.

pub mod actix;
pub mod caller;
pub mod dpop;
pub mod grpc;
pub mod introspection;
pub mod issuer;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod possession;
pub mod refusal;
pub mod resource_server;
pub mod scheme;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod thumbprint;
pub mod verified;
pub mod verifier;

pub use caller::{Caller, Presented, SentProof, Transport};
pub use introspection::settings::{IntrospectionArgs, IntrospectionSettings};
pub use issuer::{Issuer, IssuerArgs};
pub use jwks::Jwks;
pub use possession::Possession;
pub use refusal::{Refusal, Refused};
pub use resource_server::ResourceServer;
pub use scheme::Scheme;
pub use verified::Verified;
pub use verifier::{ProofSettings, Verifier};
