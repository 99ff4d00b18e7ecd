//! A JWT that a client signed (RFC 7523 §3): as its authentication by `private_key_jwt`
//! (§2.2, OIDC Core §9), or as its authorization (§2.1, `token::jwt_bearer`). Each one
//! counts once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kit::{
    clock::{Clock, Timestamp},
    seal::fingerprint,
};
use oauth_types::{BadMember, Members, claims::Audience, names::jwt_type};
use serde::Deserialize;
use store::StoreError;
use token_verify::{
    Jwks,
    jwks::{FetchError, KeySource, SignerError, Timing},
    jwt::UnverifiedJwt,
    keys::KeySet,
};
use web_kit::client::AddrBucket;

use super::{FailureKey, too_many};
use crate::{
    Idp,
    error::OAuthError,
    settings::{ASSERTION_ALGORITHMS, AuthMethod, Client, ClientKeys, Settings},
    used_once::Cause,
};

/// The most characters of an assertion.
const MAX_LEN: usize = 4096;
/// How far the clock of the client may deviate.
const SKEW: Duration = Duration::from_secs(10);

/// RFC 7523 §3. Trusted once the signature is verified.
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    jti: String,
    iat: Option<i64>,
    nbf: Option<i64>,
}

impl Claims {
    fn read(members: &Members) -> Result<Self, BadMember> {
        // An empty name is one that nobody has.
        let sub = members.text("sub")?.ok_or(BadMember::Missing("sub"))?;
        Ok(Self {
            iss: members.needed("iss")?.to_owned(),
            sub: sub.to_owned(),
            aud: Audience::read(members)?,
            exp: members.needed_seconds("exp")?,
            jti: members.needed("jti")?.to_owned(),
            iat: members.seconds("iat")?,
            nbf: members.seconds("nbf")?,
        })
    }
}

/// When a client's keys are read again: at most once a second, whoever sends JWTs that
/// no known key has signed; at once after a failure.
const TIMING: Timing = Timing {
    // There is no task for it.
    refresh: Duration::MAX,
    cooldown: Duration::from_secs(1),
    failed_cooldown: Duration::ZERO,
};

/// A cache of the `keys` that the configuration has for `owner`.
pub fn configured_keys(owner: &str, keys: ClientKeys, clock: &Arc<dyn Clock>) -> Arc<Jwks> {
    Jwks::new(owner, keys, TIMING, Arc::clone(clock))
}

/// The public keys of the clients that have some.
pub struct AssertionKeys(BTreeMap<String, Arc<Jwks>>);

impl AssertionKeys {
    /// Those of the clients in `settings`. They are read when they are needed.
    pub fn new(settings: &Settings, clock: &Arc<dyn Clock>) -> Self {
        let keys = settings.clients().filter_map(|client| {
            let (id, keys) = (client.client_id.clone(), client.keys.clone()?);
            let jwks = configured_keys(&id, keys, clock);
            Some((id, jwks))
        });
        Self(keys.collect())
    }

    /// Whether a key of `client` signed `jwt`.
    async fn check(&self, client: &Client, jwt: &UnverifiedJwt<'_>) -> Result<(), SignerError> {
        let jwks = self.0.get(&client.client_id);
        let jwks = jwks.ok_or(SignerError::NoKeys)?;
        jwks.signer(jwt, &ASSERTION_ALGORITHMS).await.map(drop)
    }
}

#[async_trait]
impl KeySource for ClientKeys {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let keys = self.clone();
        let read = tokio::task::spawn_blocking(move || keys.read()).await;
        let set = read.map_err(|error| FetchError::Unreadable(error.into()))?;
        set.map_err(|error| FetchError::Unreadable(error.into()))
    }
}

/// Logs the clients whose key file is missing: they cannot authenticate until it
/// exists.
pub fn name_missing_keys(settings: &Settings) {
    let by_file = |client: &&Client| matches!(client.keys, Some(ClientKeys::File(_)));
    for client in settings.clients().filter(by_file) {
        if let Some(Err(error)) = client.keys.as_ref().map(ClientKeys::read) {
            let client = &client.client_id;
            // As long as nothing uses the client, that is how it should be.
            tracing::info!(client, "the client cannot authenticate yet: {error}");
        }
    }
}

/// The `iss` of `assertion`, unverified.
pub(super) fn issuer(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct UnverifiedIssuer {
        iss: String,
    }
    let short = Some(assertion).filter(|text| text.len() <= MAX_LEN)?;
    let unverified: UnverifiedIssuer = UnverifiedJwt::split(short)?.claims()?;
    Some(unverified.iss)
}

/// An assertion with its claims, unverified.
struct Unverified<'a> {
    jwt: UnverifiedJwt<'a>,
    claims: Claims,
}

impl<'a> Unverified<'a> {
    /// Reads `assertion`, whose type is left out or one of `types`.
    fn read(assertion: &'a str, types: &[&str]) -> Result<Self, String> {
        if assertion.len() > MAX_LEN {
            return Err("too long".to_owned());
        }
        let jwt = UnverifiedJwt::split(assertion).ok_or("not a signed JWT")?;
        if !jwt.header.may_be_of_type(types) {
            return Err("its typ is that of a JWT for another purpose".to_owned());
        }
        let checked = jwt.header.algorithm(&ASSERTION_ALGORITHMS);
        checked.map_err(|none| none.to_string())?;
        let claims = jwt.members().and_then(|members| Claims::read(&members));
        let claims = claims.map_err(|bad| bad.to_string())?;
        Ok(Self { jwt, claims })
    }
}

/// Why an assertion cannot be redeemed.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// It counts once.
    #[error("its jti was used before")]
    Used,
    /// The client has used too many lately; the time to wait.
    #[error("the client has used too many assertions that have not expired")]
    TooMany(Duration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RedeemError {
    /// The error for the client; `used`: for an assertion that was used before.
    pub fn respond(self, used: impl FnOnce(&str) -> OAuthError) -> OAuthError {
        match self {
            Self::Used => used(&self.to_string()),
            Self::TooMany(wait) => {
                let why = "Too many assertions of this client have not expired yet: let them expire sooner, or reuse tokens.";
                OAuthError::too_early(why, wait)
            }
            Self::Store(error) => error.into(),
        }
    }
}

/// A valid assertion of a client, not redeemed yet.
pub struct ClientAssertion {
    /// Its subject.
    pub sub: String,
    /// The client.
    client_id: String,
    /// The key of its `jti` in the store.
    seen: String,
    /// When it is refused anyway.
    until: Timestamp,
}

impl ClientAssertion {
    /// An assertion that `client` sends as its authorization (RFC 7523 §2.1).
    pub async fn of_grant(idp: &Idp, client: &Client, assertion: &str) -> Result<Self, String> {
        let unverified = Unverified::read(assertion, &jwt_type::AUTHORIZATION_GRANT)?;
        if unverified.claims.iss != client.client_id {
            return Err("its iss is not the client that sends it".to_owned());
        }
        let checked = idp.assertion_keys.check(client, &unverified.jwt).await;
        checked.map_err(|error| error.to_string())?;
        Self::checked(idp, unverified.claims, &["/token"])
    }

    /// Checks the claims, after the signature. `endpoints`: whose addresses may stand
    /// for the issuer as the audience.
    fn checked(idp: &Idp, claims: Claims, endpoints: &[&str]) -> Result<Self, String> {
        let now = idp.now();
        let secs = Timestamp::from_secs;
        if !is_audience(idp, &claims.aud, endpoints) {
            return Err(format!("aud must be {}", idp.issuer));
        }
        if secs(claims.exp) + SKEW <= now {
            return Err("expired".to_owned());
        }
        let most = idp.settings.lifetimes.client_assertion;
        if secs(claims.exp) > now + most + SKEW {
            let most = most.as_secs();
            return Err(format!("exp is too far ahead: {most} s at most"));
        }
        if claims.nbf.is_some_and(|nbf| secs(nbf) > now + SKEW) {
            return Err("not valid yet (nbf)".to_owned());
        }
        if claims.iat.is_some_and(|iat| secs(iat) > now + SKEW) {
            return Err("issued in the future (iat)".to_owned());
        }
        if claims.jti.len() > 256 {
            return Err("jti must have 1 to 256 characters".to_owned());
        }
        Ok(Self {
            seen: format!("idp:jti:{}:{}", claims.iss, fingerprint(&claims.jti)),
            client_id: claims.iss,
            sub: claims.sub,
            until: secs(claims.exp) + SKEW,
        })
    }

    /// Marks its `jti` as used, whatever it was sent for: of several calls one succeeds.
    pub async fn redeem(self, idp: &Idp, cause: Cause) -> Result<(), RedeemError> {
        let (all, now) = (&idp.used_assertions, idp.now());
        all.enter(&self.client_id, cause, self.until, now)
            .map_err(RedeemError::TooMany)?;
        let ttl = now.until(self.until).max(Duration::from_secs(1));
        let used = Bytes::from_static(b"1");
        let written = idp.records.store().put_new(&self.seen, used, ttl).await;
        if !matches!(written, Ok(true)) {
            all.leave(&self.client_id, cause, self.until);
        }
        if written? {
            Ok(())
        } else {
            Err(RedeemError::Used)
        }
    }
}

/// Whether `aud` names this provider: by its issuer, or by the URL of one of `endpoints`
/// (RFC 7523 §3), also at the mTLS port (RFC 8705 §5).
fn is_audience(idp: &Idp, aud: &Audience, endpoints: &[&str]) -> bool {
    let mtls = idp.mtls.as_ref().map(|mtls| mtls.url.as_str());
    let mut bases = [idp.issuer.as_str()].into_iter().chain(mtls);
    aud.contains(&idp.issuer)
        || bases.any(|base| {
            let mut urls = endpoints.iter().map(|path| format!("{base}{path}"));
            urls.any(|url| aud.contains(&url))
        })
}

/// The endpoints where clients authenticate by an assertion.
const AUTHENTICATED: [&str; 5] = [
    "/token",
    "/par",
    "/introspect",
    "/revoke",
    "/device_authorization",
];

pub(super) async fn authenticate<'i>(
    idp: &'i Idp,
    named: Option<&str>,
    assertion: &str,
    (from, cause): (AddrBucket, Cause),
) -> Result<&'i Client, OAuthError> {
    let refused = |why: &str| OAuthError::client(format!("client_assertion: {why}."));
    let read = Unverified::read(assertion, &jwt_type::CLIENT_AUTHENTICATION);
    let Unverified { jwt, claims } = read.map_err(|why| refused(&why))?;
    let client = idp
        .settings
        .client(&claims.iss)
        .filter(|client| client.authenticates_by(AuthMethod::PrivateKeyJwt))
        .ok_or_else(|| refused("its iss is no client that uses private_key_jwt"))?;
    let key = FailureKey::Client(&client.client_id);
    // Checked first: verifying a signature takes time.
    if let Some(wait) = idp.failures.wait(key, from, idp.now()) {
        return Err(too_many(wait));
    }
    if let Err(error) = idp.assertion_keys.check(client, &jwt).await {
        idp.failures.add(key, from, idp.now());
        return Err(refused(&error.to_string()));
    }
    idp.failures.forget(key, from);
    if claims.sub != client.client_id {
        return Err(refused(
            "iss and sub must be the client_id (OIDC Core section 9)",
        ));
    }
    if named.is_some_and(|named| named != client.client_id) {
        return Err(refused("client_id differs from its iss"));
    }
    let assertion = ClientAssertion::checked(idp, claims, &AUTHENTICATED);
    let assertion = assertion.map_err(|why| refused(&why))?;
    let redeemed = assertion.redeem(idp, cause).await;
    redeemed.map_err(|error| error.respond(refused))?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_text_is_an_assertion_of_bounded_length_or_refused(text in ".{0,80}", long in 0..6000_usize) {
            let long = text.clone() + &"x".repeat(long);
            for text in [&text, &long] {
                prop_assert!(Unverified::read(text, &[]).is_err(), "no text is a JWT by chance");
            }
        }

        #[test]
        fn any_claims_are_read_or_refused(iss in ".{1,40}", exp in any::<f64>(), more in ".{1,40}") {
            let claims = serde_json::json!({
                "iss": iss, "sub": more, "aud": [more], "exp": exp, "jti": more, "nbf": exp,
            });
            let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
            let header = part(serde_json::json!({"alg": "ES256"}));
            let assertion = format!("{header}.{}.x", part(claims));
            match Unverified::read(&assertion, &[]) {
                Ok(read) => prop_assert_eq!(read.claims.iss, iss),
                // JSON has no such number.
                Err(_) => prop_assert!(!exp.is_finite() || assertion.len() > MAX_LEN),
            }
        }
    }

    #[test]
    fn fuzz_assertions() {
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = part(serde_json::json!({"alg": "ES256", "kid": "1"}));
        let claims = serde_json::json!({
            "iss": "lib", "sub": "lib", "aud": ["a"], "exp": 1e9, "jti": "j", "nbf": null,
        });
        let seed = format!("{header}.{}.c2ln", part(claims.clone()));
        fuzz::run_text(&[&seed], |text| {
            if Unverified::read(text, &[]).is_ok() {
                assert!(text.len() <= MAX_LEN && text.split('.').count() == 3);
            }
        });
        fuzz::run(&[claims.to_string()], |claims| {
            let text = format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
            if let Ok(read) = Unverified::read(&text, &[]) {
                let json: serde_json::Value = serde_json::from_slice(claims).unwrap();
                assert_eq!(json["iss"], read.claims.iss);
            }
        });
    }
}
