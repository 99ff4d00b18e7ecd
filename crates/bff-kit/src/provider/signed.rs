//! JWTs that the provider signed (RFC 7515): verifies the signature, then returns the
//! claims.

use jsonwebtoken::Algorithm;
use oauth_types::Members;
use token_verify::{Jwks, jwks::SignerError, jwt::UnverifiedJwt, keys::NoSigner};

/// The algorithms that the provider may sign with: with public keys, never `none`.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::EdDSA,
];

/// Why a token proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsigned {
    /// A newer key may have signed it, and cannot be fetched now.
    #[error("the identity provider's keys cannot be fetched now")]
    NoKeys,
    /// RFC 7519 §7.2; RFC 7515 §4.1.11: no extension is understood.
    #[error("it is no signed JWT")]
    Unreadable,
    /// RFC 8725 §3.11.
    #[error("typ: it is a token of another kind")]
    Type,
    /// Not one of [`ALGORITHMS`].
    #[error("alg is none of those that tokens are signed by")]
    Algorithm,
    /// No key of the provider has this `kid` and fits `alg` (RFC 7517 §4.2, §4.4).
    #[error("no known key of the identity provider fits kid and alg")]
    UnknownKey,
    /// The keys that fit did not make the signature.
    #[error("the signature is not the identity provider's")]
    Signature,
}

/// The claims of `token`, if it is of one of `types` and signed by one of the
/// provider's keys.
pub(super) async fn claims(token: &str, jwks: &Jwks, types: &[&str]) -> Result<Members, Unsigned> {
    let jwt = UnverifiedJwt::split(token).ok_or(Unsigned::Unreadable)?;
    let header = &jwt.header;
    if !header.may_be_of_type(types) {
        return Err(Unsigned::Type);
    }
    jwks.signer(&jwt, &ALGORITHMS).await?;
    jwt.members().map_err(|_| Unsigned::Unreadable)
}

impl From<SignerError> for Unsigned {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::NoKeys | SignerError::Outdated(_) => Self::NoKeys,
            SignerError::NoSigner(NoSigner::Critical) => Self::Unreadable,
            SignerError::NoSigner(NoSigner::Algorithm) => Self::Algorithm,
            SignerError::NoSigner(NoSigner::Unknown | NoSigner::OtherAlgorithm) => Self::UnknownKey,
            SignerError::NoSigner(NoSigner::Signature) => Self::Signature,
        }
    }
}
