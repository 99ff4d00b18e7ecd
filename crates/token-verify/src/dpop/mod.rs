//! DPoP (RFC 9449): a client proves with each request that it holds the private key to
//! which its tokens are bound. [`check`] is the server's side, [`ProofKey`] the client's.
//! A server remembers proofs until they expire ([`UsedProofs`]), so many of one caller
//! ([`ProofQuota`]), and may give out nonces, so that a proof cannot be made in advance
//! ([`Nonces`]).

mod args;
mod htu;
mod nonce;
mod proof;
mod proof_key;
mod quota;
mod used;

use jsonwebtoken::Algorithm;

pub use args::ProofArgs;
pub use nonce::Nonces;
pub use proof::{BadProof, ProofTarget, ValidProof, check, hash_of};
pub use proof_key::{ProofKey, ProofRequest};
pub use quota::ProofQuota;
pub use used::UsedProofs;

#[cfg(test)]
pub(crate) use proof::KEPT;

/// The header of a proof (§4.1).
pub const HEADER: &str = "dpop";
/// The header of a nonce (§8.1).
pub const NONCE_HEADER: &str = "dpop-nonce";
/// `typ` of a proof (§4.2).
pub const JWT_TYPE: &str = "dpop+jwt";

/// The accepted algorithms: asymmetric (§4.3), and those of FAPI 2.0 §5.4.1.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];
/// The same as metadata and challenges name them.
pub const ALGORITHM_NAMES: [&str; 3] = ["ES256", "EdDSA", "PS256"];

#[cfg(test)]
mod tests;
