//! A verified access token, whoever has verified it.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;
use kit::clock::Timestamp;
use oauth_types::{BadMember, Members, claims::AccessToken};

use crate::{keys::Key, refusal::Invalid};

/// How far the issuer's clock may be ahead of this one. It is not added to a token's
/// lifetime, which can be as short as a second.
pub(crate) const SKEW: Duration = Duration::from_secs(5);

/// The algorithms of what the provider signs. RFC 8725 §3.1, RFC 9068 §2.1: never `none`,
/// and no HS*, whose "key" would be public.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA];

/// The SHA-256 of a token, so the cache holds no bearer secret.
pub(crate) type Fingerprint = [u8; 32];

/// A verified access token.
pub struct Verified {
    claims: AccessToken,
    not_before: Option<i64>,
    /// The key that signed it; none if the issuer was asked about it.
    key: Option<Arc<Key>>,
}

impl Verified {
    /// The claims.
    pub fn claims(&self) -> &AccessToken {
        &self.claims
    }

    /// Reads the claims of a token that `key` signed, or that the issuer has called
    /// active.
    pub(crate) fn read(claims: &Members, key: Option<Arc<Key>>) -> Result<Self, BadMember> {
        Ok(Self {
            not_before: claims.seconds("nbf")?,
            claims: AccessToken::read(claims)?,
            key,
        })
    }

    /// The key that signed it, if it was verified here.
    pub(crate) const fn key(&self) -> Option<&Arc<Key>> {
        self.key.as_ref()
    }

    /// RFC 7519 §4.1.4 to §4.1.6, by the local clock.
    pub(crate) fn check_times(&self, now: Timestamp) -> Result<(), Invalid> {
        let claims = &self.claims;
        if now.secs() >= claims.exp {
            return Err(Invalid::Expired);
        }
        let latest_start = self.not_before.unwrap_or(claims.iat).max(claims.iat);
        if (now + SKEW).secs() < latest_start {
            return Err(Invalid::NotYet);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verified")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}
