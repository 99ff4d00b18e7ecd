//! Access token verification (RFC 9068 §4).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::Algorithm;
use kit::{
    bounded_cache::BoundedCache,
    clock::Clock,
    metrics::{Counter, Metrics},
    telemetry::names::metric,
};
use oauth_types::{claims::AccessToken, names::jwt_type, numeric_date};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tracing::Span;

use crate::{
    jwks::{Jwks, SignerError},
    jwt::{UnverifiedHeader, UnverifiedJwt},
    keys::{Key, NoSigner},
    refusal::{Invalid, MAX_TOKEN, Refusal},
};

/// The maximum number of cached tokens.
const MAX_SEEN: usize = 4096;
/// How far the issuer's clock may be ahead. This does not prolong a token's life,
/// which can be as short as a second.
const SKEW: Duration = Duration::from_secs(5);

/// RFC 8725 §3.1, RFC 9068 §2.1: never `none`, and no HS*, whose "key" would be public.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA];

/// RFC 9068 §2.2: the required claims.
const REQUIRED: [&str; 7] = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

/// The SHA-256 of a token, so the cache holds no bearer secret.
type Fingerprint = [u8; 32];

/// Verifies access tokens for one resource server.
pub struct Verifier {
    audience: Arc<str>,
    jwks: Arc<Jwks>,
    clock: Arc<dyn Clock>,
    /// Verified tokens: verifying a signature costs more than the rest of a request.
    seen: Mutex<BoundedCache<Fingerprint, Arc<Verified>>>,
    checks: Option<Counter>,
}

/// A verified access token.
pub struct Verified {
    claims: AccessToken,
    not_before: Option<i64>,
    key: Arc<Key>,
}

impl Verified {
    /// The claims.
    pub fn claims(&self) -> &AccessToken {
        &self.claims
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verified")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier for the resource server `audience`, with the issuer of `jwks`.
    pub fn new(audience: &str, jwks: Arc<Jwks>, clock: Arc<dyn Clock>) -> Self {
        Self {
            audience: audience.into(),
            jwks,
            clock,
            seen: Mutex::new(BoundedCache::new(MAX_SEEN)),
            checks: None,
        }
    }

    /// Counts the checks in `metrics`.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        Self {
            checks: Some(metrics.counter(&metric::TOKEN_CHECKS)),
            ..self
        }
    }

    /// The counter of checks.
    pub(crate) const fn checks(&self) -> Option<&Counter> {
        self.checks.as_ref()
    }

    /// The required audience.
    pub fn audience(&self) -> &Arc<str> {
        &self.audience
    }

    /// Verifies `token`: an access token from the issuer, for this audience.
    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, Refusal> {
        self.verify_on(token, &Span::none()).await
    }

    /// Like [`verify`](Self::verify); records in `span` whether the result was cached.
    pub(crate) async fn verify_on(
        &self,
        token: &str,
        span: &Span,
    ) -> Result<Arc<Verified>, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Invalid::TooLong.into());
        }
        let fingerprint = fingerprint(token);
        let seen = self.found_good(&fingerprint);
        span.record("sso.cache_hit", seen.is_some());
        match seen {
            Some(seen) => {
                self.check_times(&seen)?;
                Ok(seen)
            }
            None => self.verify_and_remember(token, fingerprint).await,
        }
    }

    /// The cached result for `token`, unless its key is withdrawn, which invalidates
    /// its tokens.
    fn found_good(&self, token: &Fingerprint) -> Option<Arc<Verified>> {
        let seen = self.seen.lock().get(token).cloned()?;
        if self.jwks.holds(&seen.key) {
            return Some(seen);
        }
        self.seen.lock().remove(token);
        None
    }

    async fn verify_and_remember(
        &self,
        token: &str,
        fingerprint: Fingerprint,
    ) -> Result<Arc<Verified>, Refusal> {
        let verified = Arc::new(self.verify_anew(token).await?);
        self.seen.lock().insert(fingerprint, Arc::clone(&verified));
        Ok(verified)
    }

    async fn verify_anew(&self, token: &str) -> Result<Verified, Refusal> {
        let jwt = UnverifiedJwt::split(token).ok_or(Invalid::NotAJwt)?;
        check_header(&jwt.header)?;
        let key = self.signer(&jwt).await?;
        let verified = read_claims(&jwt, key)?;
        // RFC 9068 §4: `iss` must match exactly, `aud` must contain this audience.
        if verified.claims.iss != self.jwks.owner() {
            return Err(Invalid::Issuer.into());
        }
        if !verified.claims.aud.contains(&self.audience) {
            return Err(Invalid::Audience(Arc::clone(&self.audience)).into());
        }
        self.check_times(&verified)?;
        Ok(verified)
    }

    async fn signer(&self, jwt: &UnverifiedJwt<'_>) -> Result<Arc<Key>, Refusal> {
        let signer = self.jwks.signer(jwt, &ALGORITHMS).await;
        signer.map_err(|error| match error {
            SignerError::NoKeys => Refusal::NoKeys,
            SignerError::Outdated(none) | SignerError::NoSigner(none) => Invalid::from(none).into(),
        })
    }

    /// RFC 7519 §4.1.4 to §4.1.6, by the local clock.
    fn check_times(&self, verified: &Verified) -> Result<(), Invalid> {
        let now = self.clock.now();
        let claims = &verified.claims;
        if now.secs() >= claims.exp {
            return Err(Invalid::Expired);
        }
        let latest_start = verified.not_before.unwrap_or(claims.iat).max(claims.iat);
        if (now + SKEW).secs() < latest_start {
            return Err(Invalid::NotYet);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.seen.lock().len()
    }
}

/// The checks of the header, before any key is used.
fn check_header(header: &UnverifiedHeader) -> Result<(), Invalid> {
    header.algorithm(&ALGORITHMS)?;
    // RFC 9068 §4.
    if header.is_of_type(jwt_type::ACCESS_TOKEN) {
        Ok(())
    } else {
        Err(Invalid::Type)
    }
}

impl From<NoSigner> for Invalid {
    fn from(none: NoSigner) -> Self {
        match none {
            NoSigner::Critical => Self::Critical,
            NoSigner::Algorithm => Self::Algorithm,
            NoSigner::Unknown => Self::UnknownKey,
            NoSigner::OtherAlgorithm => Self::KeyAlgorithm,
            NoSigner::Signature => Self::Signature,
        }
    }
}

fn read_claims(jwt: &UnverifiedJwt<'_>, key: Arc<Key>) -> Result<Verified, Invalid> {
    let claims: Map<String, Value> = jwt.claims().ok_or(Invalid::Claims)?;
    if let Some(missing) = REQUIRED.iter().find(|name| !claims.contains_key(**name)) {
        return Err(Invalid::Missing(missing));
    }
    let not_before = match claims.get("nbf") {
        None => None,
        Some(nbf) => Some(numeric_date::of(nbf).ok_or(Invalid::Claims)?),
    };
    let claims = serde_json::from_value(claims.into()).map_err(|_| Invalid::Claims)?;
    Ok(Verified {
        claims,
        not_before,
        key,
    })
}

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}
