//! Access token verification: of JWTs here (RFC 9068 §4), or by introspection.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use kit::telemetry::Waivers;
use kit::{
    bounded_cache::BoundedCache,
    clock::{Clock, Timestamp},
    config::{Weakness, Weaknesses},
    metrics::{Counter, Metrics},
    shutdown::Shutdown,
    telemetry::names::metric,
};
use oauth_types::{BadMember, Members, names::jwt_type};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tracing::Span;

use crate::{
    dpop::{Nonces, ProofQuota, UsedProofs},
    introspection::{Introspection, NoIntrospection, settings::IntrospectionSettings},
    issuer::Issuer,
    jwks::{FetchError, Jwks, SignerError},
    jwt::{UnverifiedHeader, UnverifiedJwt},
    keys::{Key, NoSigner},
    refusal::{Invalid, MAX_TOKEN, Refusal},
    verified::{ALGORITHMS, Fingerprint, Verified},
};

/// The maximum number of cached tokens.
const MAX_SEEN: usize = 4096;

/// Verifies access tokens for one resource server.
pub struct Verifier {
    audience: Arc<str>,
    jwks: Arc<Jwks>,
    clock: Arc<dyn Clock>,
    /// The verified tokens, because checking a signature costs more than the rest of a
    /// request.
    seen: Mutex<BoundedCache<Fingerprint, Arc<Verified>>>,
    /// Set if the issuer is asked about each token; otherwise tokens are verified here.
    introspection: Option<Introspection>,
    checks: Option<Counter>,
    proofs: Option<ProofSettings>,
    weaknesses: Weaknesses,
}

/// What a resource server needs to accept DPoP proofs (RFC 9449 §7).
pub struct ProofSettings {
    /// The public URL of its HTTP endpoints, without a path.
    pub http_url: String,
    /// The same at its port for mTLS, if it has one (RFC 8705 §5).
    pub mtls_url: Option<String>,
    /// The public URL of its gRPC endpoints, without a path, if it has some.
    pub grpc_url: Option<String>,
    /// The proofs that were used.
    pub used: UsedProofs,
    /// How many used proofs of one caller are kept.
    pub quota: ProofQuota,
    /// The nonces that it requires in proofs; `None`: it requires none.
    pub nonces: Option<Nonces>,
}

/// Why the issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotReached {
    /// Its keys could not be fetched.
    #[error(transparent)]
    Keys(#[from] FetchError),
    /// It does not answer introspection requests of this service.
    #[error(transparent)]
    Introspection(#[from] NoIntrospection),
}

impl Verifier {
    /// A verifier for the resource server `audience`, with the issuer of `jwks`.
    pub fn new(audience: &str, jwks: Arc<Jwks>, clock: Arc<dyn Clock>) -> Self {
        Self {
            audience: audience.into(),
            jwks,
            clock,
            seen: Mutex::new(BoundedCache::new(MAX_SEEN)),
            introspection: None,
            checks: None,
            proofs: None,
            weaknesses: Weaknesses::default(),
        }
    }

    /// The verifier of a service: it counts its checks in `metrics`, and asks the issuer
    /// if there are settings for that.
    pub fn of_service(
        audience: &str,
        issuer: &Issuer,
        introspection: Option<&IntrospectionSettings>,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Self {
        let jwks = issuer.clone().jwks(Arc::clone(clock));
        let verifier = Self::new(audience, Arc::clone(&jwks), Arc::clone(clock));
        // Made in any case, so that a service that does not introspect reports zero.
        let calls = metrics.timer(&metric::INTROSPECTION_CALLS);
        let introspection = introspection.map(|settings| {
            let audience = verifier.audience();
            Introspection::new(settings, audience, (issuer, &jwks), clock, calls)
        });
        Self {
            introspection,
            ..verifier.counted(metrics)
        }
    }

    /// Fetches the issuer's keys and, if tokens are introspected, introspects once. An error
    /// means that no token could be checked.
    pub async fn reach(&self) -> Result<(), NotReached> {
        self.jwks.refresh().await?;
        if let Some(introspection) = &self.introspection {
            introspection.reach().await?;
        }
        Ok(())
    }

    /// Keeps the issuer's keys up to date until the drain. For a task of its own.
    pub async fn keep_fresh(&self, shutdown: Shutdown) {
        Arc::clone(&self.jwks).keep_fresh(shutdown).await;
    }

    /// Accepts tokens that are bound to a key, with DPoP proofs.
    #[must_use]
    pub fn accepting_proofs(self, proofs: ProofSettings) -> Self {
        Self {
            proofs: Some(proofs),
            ..self
        }
    }

    /// Skips the checks that a lab has switched off.
    #[must_use]
    pub fn weakened(self, weaknesses: Weaknesses) -> Self {
        Self { weaknesses, ..self }
    }

    /// The settings for proofs, if it accepts them.
    pub(crate) const fn proofs(&self) -> Option<&ProofSettings> {
        self.proofs.as_ref()
    }

    /// The current time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
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
        self.verify_in_span(token, &Span::none()).await
    }

    /// Like [`verify`](Self::verify); records in `span` whether the result was cached.
    pub(crate) async fn verify_in_span(
        &self,
        token: &str,
        span: &Span,
    ) -> Result<Arc<Verified>, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Invalid::TooLong.into());
        }
        let fingerprint = fingerprint(token);
        if let Some(introspection) = &self.introspection {
            // Boxed: the check of a JWT needs no room for this.
            let active = Box::pin(introspection.check(token, fingerprint, span)).await?;
            active.check_times(self.clock.now())?;
            return Ok(active);
        }
        let seen = self.cached(&fingerprint);
        span.record("sso.cache_hit", seen.is_some());
        match seen {
            Some(seen) => {
                seen.check_times(self.clock.now())?;
                Ok(seen)
            }
            None => self.verify_and_remember(token, fingerprint).await,
        }
    }

    /// The cached result for `token`. The result is dropped once the issuer has withdrawn
    /// the key that signed the token.
    fn cached(&self, token: &Fingerprint) -> Option<Arc<Verified>> {
        let seen = self.seen.lock().get(token).cloned()?;
        if seen.key().is_some_and(|key| self.jwks.holds(key)) {
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
        let mut waivers = Waivers::new(self.weaknesses);
        let verified = Arc::new(self.verify_uncached(token, &mut waivers).await?);
        waivers.record();
        // A token that only a weakness let pass stays invalid for all other requests.
        if !waivers.are_used() {
            self.seen.lock().insert(fingerprint, Arc::clone(&verified));
        }
        Ok(verified)
    }

    async fn verify_uncached(
        &self,
        token: &str,
        waivers: &mut Waivers,
    ) -> Result<Verified, Refusal> {
        let jwt = UnverifiedJwt::split(token).ok_or(Invalid::NotAJwt)?;
        let key = match check_algorithm(&jwt.header) {
            Err(_) if jwt.is_unsigned() && waivers.waive(Weakness::AlgNone) => None,
            checked => {
                checked?;
                check_type(&jwt.header, waivers)?;
                Some(self.signer(&jwt).await?)
            }
        };
        let claims = claims(&jwt, *waivers)?;
        let verified = Verified::read(&claims, key).map_err(Invalid::from)?;
        // RFC 9068 §4: `iss` must match exactly, `aud` must contain this audience.
        if verified.claims().iss != self.jwks.owner() {
            return Err(Invalid::Issuer.into());
        }
        let is_for_us = verified.claims().aud.contains(&self.audience);
        if !is_for_us && !waivers.waive(Weakness::AnyAudience) {
            return Err(Invalid::Audience(Arc::clone(&self.audience)).into());
        }
        verified.check_times(self.clock.now())?;
        Ok(verified)
    }

    async fn signer(&self, jwt: &UnverifiedJwt<'_>) -> Result<Arc<Key>, Refusal> {
        let signer = self.jwks.signer(jwt, &ALGORITHMS).await;
        signer.map_err(|error| match error {
            SignerError::NoKeys => Refusal::NoKeys,
            SignerError::Outdated(none) | SignerError::NoSigner(none) => Invalid::from(none).into(),
        })
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.seen.lock().len()
    }
}

/// The check of the algorithm, before any key is used.
fn check_algorithm(header: &UnverifiedHeader) -> Result<(), Invalid> {
    header.algorithm(&ALGORITHMS)?;
    Ok(())
}

/// RFC 9068 §4.
fn check_type(header: &UnverifiedHeader, waivers: &mut Waivers) -> Result<(), Invalid> {
    let is_access_token = header.is_of_type(jwt_type::ACCESS_TOKEN);
    if is_access_token || waivers.waive(Weakness::AnyTokenType) {
        Ok(())
    } else {
        Err(Invalid::Type)
    }
}

/// The claims of `jwt`. A JWT of another type, which passes only by a weakness, has neither
/// `client_id` nor `jti`: its `azp` or `aud` stands in for the client, and "none" for the id.
fn claims(jwt: &UnverifiedJwt<'_>, waivers: Waivers) -> Result<Members, Invalid> {
    if !waivers.are_used() {
        return Ok(jwt.members()?);
    }
    let mut claims: Map<String, Value> = jwt.claims().ok_or(BadMember::NoObject)?;
    let client = claims.get("azp").or_else(|| claims.get("aud")).cloned();
    if let Some(client) = client.filter(Value::is_string) {
        claims.entry("client_id").or_insert(client);
    }
    claims.entry("jti").or_insert_with(|| "none".into());
    Ok(Members::from(claims))
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

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}
