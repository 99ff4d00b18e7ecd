//! `private_key_jwt`: a JWT signed by the client (RFC 7523 §2.2, §3; OIDC Core §9).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kit::{
    clock::{Clock, Timestamp},
    seal::fingerprint,
};
use oauth_types::{claims::Audience, numeric_date};
use serde::Deserialize;
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
};

/// The most characters of an assertion.
const MAX_LEN: usize = 4096;
/// How far the clock of the client may deviate.
const SKEW: Duration = Duration::from_secs(10);

/// RFC 7523 §3. Trusted once the signature is verified.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    #[serde(deserialize_with = "numeric_date::required")]
    exp: i64,
    jti: String,
    #[serde(default, deserialize_with = "numeric_date::optional")]
    iat: Option<i64>,
    #[serde(default, deserialize_with = "numeric_date::optional")]
    nbf: Option<i64>,
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
            tracing::warn!(client, "the client cannot authenticate yet: {error}");
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

pub(super) async fn authenticate<'i>(
    idp: &'i Idp,
    named: Option<&str>,
    assertion: &str,
    from: AddrBucket,
) -> Result<&'i Client, OAuthError> {
    let refused = |why: &str| OAuthError::client(format!("client_assertion: {why}"));
    if assertion.len() > MAX_LEN {
        return Err(refused("too long."));
    }
    let jwt = UnverifiedJwt::split(assertion).ok_or_else(|| refused("not a signed JWT."))?;
    let algorithm = jwt.header.algorithm(&ASSERTION_ALGORITHMS);
    algorithm.map_err(|none| refused(&format!("{none}.")))?;
    let claims: Claims = jwt.claims().ok_or_else(|| {
        refused("a claim of RFC 7523 section 3 is missing, or of the wrong type.")
    })?;
    let client = idp
        .settings
        .client(&claims.iss)
        .filter(|client| client.authenticates_by(AuthMethod::PrivateKeyJwt))
        .ok_or_else(|| refused("its iss is no client that uses private_key_jwt."))?;
    let key = FailureKey::Client(&client.client_id);
    // Checked first: verifying a signature takes time.
    if let Some(wait) = idp.failures.wait(key, from, idp.now()) {
        return Err(too_many(wait));
    }
    if let Err(error) = idp.assertion_keys.check(client, &jwt).await {
        idp.failures.add(key, from, idp.now());
        return Err(refused(&format!("{error}.")));
    }
    idp.failures.forget(key, from);
    check_claims(idp, client, named, &claims).map_err(|why| refused(&why))?;
    let seen = format!("idp:jti:{}:{}", client.client_id, fingerprint(&claims.jti));
    let until = Timestamp::from_secs(claims.exp) + SKEW;
    let ttl = idp.now().until(until).max(Duration::from_secs(1));
    if !idp
        .records
        .store()
        .put_new(&seen, Bytes::from_static(b"1"), ttl)
        .await?
    {
        return Err(refused("its jti was used before."));
    }
    Ok(client)
}

fn check_claims(
    idp: &Idp,
    client: &Client,
    named: Option<&str>,
    claims: &Claims,
) -> Result<(), String> {
    let now = idp.now();
    let secs = Timestamp::from_secs;
    if claims.iss != client.client_id || claims.sub != client.client_id {
        return Err("iss and sub must be the client_id (OIDC Core section 9).".into());
    }
    if named.is_some_and(|named| named != client.client_id) {
        return Err("client_id differs from its iss.".into());
    }
    let accepted = [
        idp.issuer.clone(),
        idp.endpoint("/token"),
        idp.endpoint("/par"),
    ];
    if !accepted.iter().any(|own| claims.aud.contains(own)) {
        return Err(format!("aud must be {}.", idp.issuer));
    }
    if secs(claims.exp) + SKEW <= now {
        return Err("expired.".into());
    }
    let most = idp.settings.lifetimes.client_assertion;
    if secs(claims.exp) > now + most + SKEW {
        let most = most.as_secs();
        return Err(format!("exp is too far ahead: {most} s at most."));
    }
    if claims.nbf.is_some_and(|nbf| secs(nbf) > now + SKEW) {
        return Err("not valid yet (nbf).".into());
    }
    if claims.iat.is_some_and(|iat| secs(iat) > now + SKEW) {
        return Err("issued in the future (iat).".into());
    }
    if claims.jti.is_empty() || claims.jti.len() > 256 {
        return Err("jti must have 1 to 256 characters.".into());
    }
    Ok(())
}
