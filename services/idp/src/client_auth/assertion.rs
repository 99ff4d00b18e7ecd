//! `private_key_jwt`: a JWT signed by the client (RFC 7523 §2.2, §3; OIDC Core §9).

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::claims::Audience;
use parking_lot::Mutex;
use serde::Deserialize;
use web_kit::client::AddrBucket;

use super::{Whose, too_many};
use crate::{
    error::OAuthError,
    settings::{AuthMethod, Client, ClientKeys},
    state::Idp,
};

/// The most characters of an assertion.
const MAX_LEN: usize = 4096;
/// The longest life of an assertion: its `jti` has to be remembered so long.
const MAX_LIFE: Duration = Duration::from_secs(600);
/// How far the client's clock may be off.
const SKEW: Duration = Duration::from_secs(10);
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::PS256,
    Algorithm::EdDSA,
    Algorithm::RS256,
];

/// Names of [`ALGORITHMS`], for metadata.
pub const ALGORITHM_NAMES: [&str; 4] = ["ES256", "PS256", "EdDSA", "RS256"];

/// What an assertion claims before its signature is checked.
#[derive(Deserialize)]
struct UnverifiedIssuer {
    iss: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    jti: String,
    iat: Option<i64>,
    nbf: Option<i64>,
}

/// The public keys of clients, read from their files once and again for a
/// `kid` that is not known.
#[derive(Clone, Debug, Default)]
pub struct AssertionKeys(Arc<Mutex<HashMap<String, Read>>>);

#[derive(Clone, Debug)]
struct Read {
    set: Arc<JwkSet>,
    at: Timestamp,
}

/// How soon a file is read again for a `kid` that is not in it: anybody can
/// send one.
const READ_AGAIN: Duration = Duration::from_secs(1);

impl AssertionKeys {
    async fn key(&self, client: &Client, kid: Option<&str>, now: Timestamp) -> Option<DecodingKey> {
        let known = self.0.lock().get(&client.client_id).cloned();
        if let Some(read) = known {
            let key = find(&read.set, kid);
            if key.is_some() || read.at + READ_AGAIN > now {
                return key;
            }
        }
        let set = Arc::new(read_keys(client.keys.clone()?).await?);
        let key = find(&set, kid);
        let read = Read { set, at: now };
        self.0.lock().insert(client.client_id.clone(), read);
        key
    }
}

async fn read_keys(keys: ClientKeys) -> Option<JwkSet> {
    match keys {
        ClientKeys::Inline(value) => serde_json::from_value(value).ok(),
        ClientKeys::File(path) => {
            let read = tokio::task::spawn_blocking(move || kit::files::read_text(&path)).await;
            serde_json::from_str(&read.ok()?.ok()?).ok()
        }
    }
}

fn find(set: &JwkSet, kid: Option<&str>) -> Option<DecodingKey> {
    let jwk = match kid {
        Some(kid) => set.find(kid)?,
        None => set.keys.first().filter(|_| set.keys.len() == 1)?,
    };
    DecodingKey::from_jwk(jwk).ok()
}

/// Whose `assertion` says to be. Nothing is checked.
pub(super) fn issuer(assertion: &str) -> Option<String> {
    let short = Some(assertion).filter(|text| text.len() <= MAX_LEN)?;
    let unverified = jsonwebtoken::dangerous::insecure_decode::<UnverifiedIssuer>(short);
    Some(unverified.ok()?.claims.iss)
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
    let header = decode_header(assertion).map_err(|_| refused("not a JWT."))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused("this algorithm is not taken."));
    }
    let unverified: UnverifiedIssuer = jsonwebtoken::dangerous::insecure_decode(assertion)
        .map_err(|_| refused("it has no iss."))?
        .claims;
    let client = idp
        .settings
        .client(&unverified.iss)
        .filter(|client| client.authenticates_by(AuthMethod::PrivateKeyJwt))
        .ok_or_else(|| refused("its iss is no client that authenticates so."))?;
    let whose = Whose::Client(&client.client_id);
    // A signature costs time to check.
    if let Some(wait) = idp.failures.wait(whose, from, idp.now()) {
        return Err(too_many(wait));
    }
    let key = idp
        .assertion_keys
        .key(client, header.kid.as_deref(), idp.now())
        .await;
    let claims = match key {
        Some(key) => verified(assertion, &key, header.alg).map_err(refused),
        None => Err(refused("no key of this client fits.")),
    };
    let claims = claims.inspect_err(|_| idp.failures.add(whose, from, idp.now()))?;
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

/// What the assertion claims, once its signature was found good.
fn verified(assertion: &str, key: &DecodingKey, alg: Algorithm) -> Result<Claims, &'static str> {
    let mut validation = Validation::new(alg);
    // Times are checked below, by our own clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<Claims>(assertion, key, &validation)
        .map(|decoded| decoded.claims)
        .map_err(|_| "bad signature, or a claim of RFC 7523 section 3 is missing.")
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
    if secs(claims.exp) > now + MAX_LIFE {
        return Err("exp is too far ahead; 10 minutes at most.".into());
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
