//! All that a resource server trusts: where the keys come from ([`issuer`],
//! [`jwks`]), what makes an access token good ([`verifier`]), who calls
//! ([`caller`]) and how a refusal reads ([`refusal`]), with a face for HTTP
//! ([`actix`]) and one for gRPC ([`grpc`]). Nothing is issued here.

pub mod actix;
pub mod caller;
pub mod grpc;
pub mod issuer;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod refusal;
mod seen;
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
