//! What makes an access token good (RFC 9068 §4).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use kit::{
    clock::Clock,
    metrics::{Counter, Metrics},
    telemetry::names::metric,
};
use oauth_types::{claims::AccessToken, names::jwt_type};
use tracing::Span;

use crate::{
    jwks::{Found, Jwks},
    jwt::{UnverifiedHeader, UnverifiedJwt},
    keys::{Key, MAX_KID},
    refusal::{Invalid, Refusal},
    seen::{Fingerprint, Seen},
};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;
/// How far the issuer's clock may be ahead of ours. It makes no token live
/// longer: a life can be as short as a second.
const SKEW: Duration = Duration::from_secs(5);

/// RFC 9068 §2.2: the claims of every access token.
const REQUIRED: [&str; 7] = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

/// Checks access tokens for one resource server.
pub struct Verifier {
    audience: Arc<str>,
    jwks: Arc<Jwks>,
    clock: Arc<dyn Clock>,
    seen: Seen,
    checks: Option<Counter>,
}

/// What a good access token says.
pub struct Verified {
    claims: AccessToken,
    not_before: Option<i64>,
    kid: String,
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
    /// For the resource server `audience`, of tokens by the issuer of `jwks`.
    pub fn new(audience: &str, jwks: Arc<Jwks>, clock: Arc<dyn Clock>) -> Self {
        Self {
            audience: audience.into(),
            jwks,
            clock,
            seen: Seen::default(),
            checks: None,
        }
    }

    /// With its checks counted in `metrics`.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        Self {
            checks: Some(metrics.counter(&metric::TOKEN_CHECKS)),
            ..self
        }
    }

    /// Where its checks are counted.
    pub(crate) const fn checks(&self) -> Option<&Counter> {
        self.checks.as_ref()
    }

    /// The resource server that tokens must be for.
    pub fn audience(&self) -> &Arc<str> {
        &self.audience
    }

    /// What `token` says, if it is an access token of our issuer's for us.
    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, Refusal> {
        self.verify_on(token, &Span::none()).await
    }

    /// The same; `span` is told whether it was remembered.
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

    /// The token that was found good before, unless its key is withdrawn: that
    /// withdraws its tokens.
    fn found_good(&self, token: &Fingerprint) -> Option<Arc<Verified>> {
        let seen = self.seen.get(token)?;
        if self.jwks.holds(&seen.kid, &seen.key) {
            return Some(seen);
        }
        self.seen.forget(token);
        None
    }

    async fn verify_and_remember(
        &self,
        token: &str,
        fingerprint: Fingerprint,
    ) -> Result<Arc<Verified>, Refusal> {
        let verified = Arc::new(self.verify_anew(token).await?);
        self.seen
            .put(fingerprint, Arc::clone(&verified), self.clock.now());
        Ok(verified)
    }

    async fn verify_anew(&self, token: &str) -> Result<Verified, Refusal> {
        let jwt = UnverifiedJwt::split(token)?;
        let kid = check_header(&jwt.header)?;
        let key = match self.jwks.key(kid).await {
            Found::Key(key) => key,
            Found::Unknown => return Err(Invalid::UnknownKey.into()),
            Found::NoKeys => return Err(Refusal::NoKeys),
        };
        // RFC 8725 §3.1: the key says which algorithm, not the token.
        if jwt.header.alg != algorithm_name(&key) {
            return Err(Invalid::KeyAlgorithm.into());
        }
        if !key.verifies(jwt.message, jwt.signature) {
            return Err(Invalid::Signature.into());
        }
        let verified = read_claims(&jwt, kid, key)?;
        // RFC 9068 §4: iss exactly, aud with us in it
        if verified.claims.iss != self.jwks.issuer().name() {
            return Err(Invalid::Issuer.into());
        }
        if !verified.claims.aud.contains(&self.audience) {
            return Err(Invalid::Audience(Arc::clone(&self.audience)).into());
        }
        self.check_times(&verified)?;
        Ok(verified)
    }

    /// RFC 7519 §4.1.4 to §4.1.6, by our own clock.
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
        self.seen.len()
    }
}

/// What can be refused by the header alone, before any key is looked at.
/// Gives the key id.
fn check_header(header: &UnverifiedHeader) -> Result<&str, Invalid> {
    // RFC 8725 §3.1, RFC 9068 §2.1: never `none`; and no HS*, whose "key" all know
    if !["ES256", "RS256", "EdDSA"].contains(&header.alg.as_str()) {
        return Err(Invalid::Algorithm);
    }
    // RFC 9068 §4, RFC 7515 §4.1.9: `application/` may be left out
    let typ = header.typ.as_deref().unwrap_or_default();
    let bare = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    if !bare.eq_ignore_ascii_case(jwt_type::ACCESS_TOKEN) {
        return Err(Invalid::Type);
    }
    // RFC 7515 §4.1.11: we understand no extension
    if header.crit.is_some() {
        return Err(Invalid::Critical);
    }
    let kid = header.kid.as_deref().filter(|kid| kid.len() <= MAX_KID);
    kid.ok_or(Invalid::UnknownKey)
}

fn read_claims(jwt: &UnverifiedJwt<'_>, kid: &str, key: Arc<Key>) -> Result<Verified, Invalid> {
    let claims = jwt.claims().ok_or(Invalid::Claims)?;
    if let Some(missing) = REQUIRED.iter().find(|name| !claims.contains_key(**name)) {
        return Err(Invalid::Missing(missing));
    }
    let not_before = match claims.get("nbf") {
        None => None,
        Some(nbf) => Some(nbf.as_i64().ok_or(Invalid::Claims)?),
    };
    let claims = serde_json::from_value(claims.into()).map_err(|_| Invalid::Claims)?;
    Ok(Verified {
        claims,
        not_before,
        kid: kid.to_owned(),
        key,
    })
}

fn algorithm_name(key: &Key) -> &'static str {
    use jsonwebtoken::Algorithm;
    match key.algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::RS256 => "RS256",
        Algorithm::EdDSA => "EdDSA",
        _ => "",
    }
}

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}
