//! Verification of JWTs: which key signed one ([`keys`]), with a cache of the signer's
//! published keys ([`jwks`]), for all who check JWTs. On top of it the verification of
//! access tokens for resource servers: the issuer ([`issuer`]), the checks
//! ([`verifier`]), the caller ([`caller`]) and refusals ([`refusal`]), with adapters for
//! HTTP ([`actix`]) and gRPC ([`grpc`]).

pub mod actix;
pub mod caller;
pub mod grpc;
pub mod issuer;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod refusal;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod verifier;

pub use caller::Caller;
pub use issuer::{Issuer, IssuerArgs};
pub use jwks::Jwks;
pub use refusal::{Refusal, Refused};
pub use verifier::{Verified, Verifier};
