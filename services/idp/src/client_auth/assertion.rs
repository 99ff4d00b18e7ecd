//! `private_key_jwt`: a JWT signed by the client (RFC 7523 §2.2, §3; OIDC Core §9).

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use jsonwebtoken::Algorithm;
use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::{claims::Audience, numeric_date};
use parking_lot::Mutex;
use serde::Deserialize;
use token_verify::{
    jwt::UnverifiedJwt,
    keys::{KeySet, NoSigner},
};
use web_kit::client::AddrBucket;

use super::{Whose, too_many};
use crate::{
    error::OAuthError,
    settings::{AuthMethod, Client, ClientKeys, Settings},
    state::Idp,
};

/// The most characters of an assertion.
const MAX_LEN: usize = 4096;
/// How far the client's clock may be off.
const SKEW: Duration = Duration::from_secs(10);
/// What clients may sign by.
pub const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::PS256,
    Algorithm::EdDSA,
    Algorithm::RS256,
];

/// Names of [`ALGORITHMS`], for metadata.
pub const ALGORITHM_NAMES: [&str; 4] = ["ES256", "PS256", "EdDSA", "RS256"];

/// RFC 7523 §3. They count once the signature is checked.
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

/// The public keys of clients, read from their files once and again where none
/// of them fits.
#[derive(Clone, Debug, Default)]
pub struct AssertionKeys(Arc<Mutex<HashMap<String, Read>>>);

#[derive(Clone, Debug)]
struct Read {
    set: Arc<KeySet>,
    at: Timestamp,
}

/// How soon a file is read again: anybody can send what no key in it has signed.
const READ_AGAIN: Duration = Duration::from_secs(1);

impl AssertionKeys {
    /// Whether a key of `client` signed `jwt`.
    async fn check(
        &self,
        client: &Client,
        jwt: &UnverifiedJwt<'_>,
        now: Timestamp,
    ) -> Result<(), NoSigner> {
        let signed_by = |set: &KeySet| set.signer(jwt, &ALGORITHMS).map(|_| ());
        let known = self.0.lock().get(&client.client_id).cloned();
        let checked = known.as_ref().map(|read| signed_by(&read.set));
        let is_fresh = |read: &Read| read.at + READ_AGAIN > now;
        if let Some(checked) = checked
            && (checked.is_ok() || known.as_ref().is_some_and(is_fresh))
        {
            return checked;
        }
        let Some(set) = read_keys(client).await.map(Arc::new) else {
            // What was known stays.
            return checked.unwrap_or(Err(NoSigner::Unknown));
        };
        let checked = signed_by(&set);
        let read = Read { set, at: now };
        self.0.lock().insert(client.client_id.clone(), read);
        checked
    }
}

async fn read_keys(client: &Client) -> Option<KeySet> {
    let keys = client.keys.clone()?;
    let read = tokio::task::spawn_blocking(move || keys.read())
        .await
        .ok()?;
    let client = &client.client_id;
    read.inspect_err(|error| tracing::warn!(client, "the client's keys cannot be read: {error}"))
        .ok()
}

/// Says which clients have no keys yet: they cannot authenticate until their
/// file is there.
pub fn name_missing_keys(settings: &Settings) {
    let by_file = |client: &&Client| matches!(client.keys, Some(ClientKeys::File(_)));
    for client in settings.clients().filter(by_file) {
        if let Some(Err(error)) = client.keys.as_ref().map(ClientKeys::read) {
            let client = &client.client_id;
            tracing::warn!(client, "the client cannot authenticate yet: {error}");
        }
    }
}

/// Whose `assertion` says to be. Nothing is checked.
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
    let none = |none: NoSigner| refused(&format!("{none}."));
    jwt.header.algorithm(&ALGORITHMS).map_err(none)?;
    let claims: Claims = jwt.claims().ok_or_else(|| {
        refused("a claim of RFC 7523 section 3 is missing, or of the wrong type.")
    })?;
    let client = idp
        .settings
        .client(&claims.iss)
        .filter(|client| client.authenticates_by(AuthMethod::PrivateKeyJwt))
        .ok_or_else(|| refused("its iss is no client that authenticates so."))?;
    let whose = Whose::Client(&client.client_id);
    // A signature costs time to check.
    if let Some(wait) = idp.failures.wait(whose, from, idp.now()) {
        return Err(too_many(wait));
    }
    let checked = idp.assertion_keys.check(client, &jwt, idp.now()).await;
    let failed = |_: &NoSigner| idp.failures.add(whose, from, idp.now());
    checked.inspect_err(failed).map_err(none)?;
    idp.failures.forget(whose, from);
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
    let ours = [
        idp.issuer.clone(),
        idp.endpoint("/token"),
        idp.endpoint("/par"),
    ];
    if !ours.iter().any(|own| claims.aud.contains(own)) {
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
