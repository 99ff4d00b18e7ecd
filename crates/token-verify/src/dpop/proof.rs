//! The checks of a proof (RFC 9449 §4.3), in the order of the section.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::{BadMember, ErrorCode, Members};
use serde_json::Value;

use super::{ALGORITHMS, JWT_TYPE, Nonces, htu};
use crate::{
    jwt::UnverifiedJwt,
    keys::{Key, NoSigner},
    thumbprint::base64url,
};

/// The most bytes of a proof: that of an RSA key of 4096 bits has about 2,000.
const MAX_PROOF: usize = 4096;
/// The most characters of a `jti`.
const MAX_JTI: usize = 256;
/// How old a proof may be.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How far the clock of the client may be ahead.
const SKEW: Duration = Duration::from_secs(10);
/// How long a used proof is kept at most: for as long as it could be used again, which is
/// longest with a nonce of the next window.
#[cfg(test)]
pub(crate) const KEPT: Duration = Duration::from_secs(360);
/// How far a client's clock may be off where a nonce tells the time.
const CLOCK_ERROR: Duration = Duration::from_secs(30 * 60);
/// The members of private and symmetric keys (RFC 7518 §6, RFC 8037 §2).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The request that a proof has to be for.
#[derive(Clone, Copy, Debug)]
pub struct ProofTarget<'r> {
    /// The method.
    pub method: &'r str,
    /// The public URLs of the server, without a path: that of the port that the request
    /// came to, and that of the port for mTLS, if it has one (RFC 8705 §5).
    pub bases: &'r [&'r str],
    /// The path, without the query.
    pub path: &'r str,
    /// The access token of the request, if it has one.
    pub token: Option<&'r str>,
    /// The nonces that the server requires; none: it requires none.
    pub nonces: Option<&'r Nonces>,
}

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// No header, where one is needed.
    #[error("the header DPoP is missing")]
    Missing,
    /// More than one header.
    #[error("the request has more than one header DPoP")]
    Repeated,
    /// Longer than [`MAX_PROOF`].
    #[error("the proof is longer than {MAX_PROOF} bytes")]
    TooLong,
    /// Not a signed JWT in its compact form.
    #[error("the proof is not a signed JWT")]
    NotAJwt,
    /// A claim of §4.2 is missing or unreadable.
    #[error("the proof cannot be used: {0}")]
    Claim(#[from] BadMember),
    /// `jti` is empty or too long.
    #[error("the proof's jti must have 1 to {MAX_JTI} characters")]
    Jti,
    /// `typ`.
    #[error("the proof's typ is not dpop+jwt")]
    Type,
    /// `alg`, or critical header parameters.
    #[error("the proof cannot be verified: {0}")]
    Header(NoSigner),
    /// `jwk` is missing, or is no key for the algorithm.
    #[error("the proof's header has no jwk with a public key for its algorithm")]
    Key,
    /// `jwk` has a private key.
    #[error("the proof's jwk has a private or symmetric key; it must have the public key alone")]
    PrivateKey,
    /// The signature.
    #[error("the proof's signature is not that of its jwk")]
    Signature,
    /// `htm`.
    #[error("the proof's htm is not the method of this request")]
    Method,
    /// `htu`.
    #[error("the proof's htu is not the URL of this request")]
    Url,
    /// No nonce, where one is required.
    #[error("the server requires a nonce in the proof: that of the header DPoP-Nonce")]
    NoNonce,
    /// Another nonce.
    #[error("the proof's nonce is not accepted any more: use that of the header DPoP-Nonce")]
    StaleNonce,
    /// `iat` is too far in the past.
    #[error("the proof is too old (iat)")]
    Old,
    /// `exp`, which a proof may have (RFC 7519 §4.1.4).
    #[error("the proof has expired (exp)")]
    Expired,
    /// `nbf`, which a proof may have (RFC 7519 §4.1.5).
    #[error("the proof is not valid yet (nbf)")]
    NotYet,
    /// `iat` is in the future.
    #[error("the proof is from the future (iat): the client's clock is ahead")]
    Early,
    /// `ath` is missing or that of another token.
    #[error("the proof's ath is not the hash of this access token")]
    Token,
    /// It was used before.
    #[error("the proof was used before (jti)")]
    Replayed,
}

impl BadProof {
    /// The protocol's error code (§5, §8).
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NoNonce | Self::StaleNonce => ErrorCode::UseDpopNonce,
            _ => ErrorCode::InvalidDpopProof,
        }
    }
}

/// A valid proof, which may not have been used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidProof {
    /// The thumbprint of its key (RFC 7638).
    pub jkt: String,
    /// Tells it from all other proofs: the hash of key and `jti`.
    pub(super) fingerprint: String,
    until: Timestamp,
}

impl ValidProof {
    /// How long it could still be used.
    pub fn ttl(&self, now: Timestamp) -> Duration {
        now.until(self.until).max(Duration::from_secs(1))
    }

    /// When it is refused anyway.
    pub const fn until(&self) -> Timestamp {
        self.until
    }
}

/// §4.2, §4.3. Trusted once the signature is verified. Unknown members are ignored.
#[derive(Debug)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    exp: Option<i64>,
    nbf: Option<i64>,
    nonce: Option<String>,
    ath: Option<String>,
}

impl Claims {
    fn read(members: &Members) -> Result<Self, BadMember> {
        let text = |name| Ok(members.text(name)?.map(str::to_owned));
        let needed = |name| text(name)?.ok_or(BadMember::Missing(name));
        Ok(Self {
            jti: needed("jti")?,
            htm: needed("htm")?,
            htu: needed("htu")?,
            iat: members.needed_seconds("iat")?,
            exp: members.seconds("exp")?,
            nbf: members.seconds("nbf")?,
            nonce: text("nonce")?,
            ath: text("ath")?,
        })
    }
}

/// Checks the proof that a request with the headers `sent` brings for `target`.
pub fn check(
    sent: &[&[u8]],
    target: &ProofTarget<'_>,
    now: Timestamp,
) -> Result<ValidProof, BadProof> {
    // 1. One header.
    let proof = match sent {
        [] => return Err(BadProof::Missing),
        [one] if one.len() > MAX_PROOF => return Err(BadProof::TooLong),
        [one] => std::str::from_utf8(one).map_err(|_| BadProof::NotAJwt)?,
        _ => return Err(BadProof::Repeated),
    };
    // 2. One well-formed JWT.
    let jwt = UnverifiedJwt::split(proof).ok_or(BadProof::NotAJwt)?;
    // 3. All required claims.
    let claims = Claims::read(&jwt.members()?)?;
    if claims.jti.is_empty() || claims.jti.len() > MAX_JTI {
        return Err(BadProof::Jti);
    }
    // 4. Its type. 5. to 7. Algorithm, signature and key.
    if !jwt.header.is_of_type(JWT_TYPE) {
        return Err(BadProof::Type);
    }
    let key = signer(&jwt)?;
    // 8. The method, case-sensitive (RFC 9110 §9.1). 9. The URL.
    if claims.htm != target.method {
        return Err(BadProof::Method);
    }
    let is_this = |base: &&str| htu::is_same(&claims.htu, &[base, target.path].concat());
    if !target.bases.iter().any(is_this) {
        return Err(BadProof::Url);
    }
    // 10. and 11. Its time, by the server's nonce, or else by the client's clock.
    let until = match target.nonces {
        Some(own) => by_nonce(own, &claims, now)?,
        // A nonce of another server says nothing.
        None => by_clock(&claims, now)?,
    };
    // 12. The access token.
    if let Some(token) = target.token
        && claims.ath.as_deref() != Some(&*hash_of(token))
    {
        return Err(BadProof::Token);
    }
    let jkt = key.thumbprint();
    Ok(ValidProof {
        fingerprint: fingerprint(&format!("{jkt}.{}", claims.jti)),
        jkt,
        until,
    })
}

/// The key that a proof states, if it signed the proof.
fn signer(jwt: &UnverifiedJwt<'_>) -> Result<Key, BadProof> {
    // Before any key is used: never `none`, never a symmetric algorithm.
    let algorithm = jwt.header.algorithm(&ALGORITHMS);
    let algorithm = algorithm.map_err(BadProof::Header)?;
    let Some(Value::Object(jwk)) = jwt.embedded_key() else {
        return Err(BadProof::Key);
    };
    if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
        return Err(BadProof::PrivateKey);
    }
    let key = Key::of(&Value::Object(jwk)).ok_or(BadProof::Key)?;
    if !key.fits(algorithm) {
        return Err(BadProof::Key);
    }
    if key.signed(jwt, algorithm) {
        Ok(key)
    } else {
        Err(BadProof::Signature)
    }
}

/// Until when the proof is accepted, by the client's clock.
fn by_clock(claims: &Claims, now: Timestamp) -> Result<Timestamp, BadProof> {
    check_times(claims, now, MAX_AGE, SKEW)?;
    Ok(Timestamp::from_secs(claims.iat) + MAX_AGE + Duration::from_secs(1))
}

/// Until when the proof is accepted, by its nonce: the client's clock may be wrong (§8), by
/// [`CLOCK_ERROR`] at most.
fn by_nonce(own: &Nonces, claims: &Claims, now: Timestamp) -> Result<Timestamp, BadProof> {
    let nonce = claims.nonce.as_deref().ok_or(BadProof::NoNonce)?;
    check_times(claims, now, CLOCK_ERROR, CLOCK_ERROR)?;
    own.accepted_until(nonce, now).ok_or(BadProof::StaleNonce)
}

/// The times of a proof that may be `oldest` old, made by a clock that may be wrong by `skew`.
fn check_times(
    claims: &Claims,
    now: Timestamp,
    oldest: Duration,
    skew: Duration,
) -> Result<(), BadProof> {
    let made = Timestamp::from_secs(claims.iat);
    if made > now + skew {
        return Err(BadProof::Early);
    }
    if made.until(now) > oldest {
        return Err(BadProof::Old);
    }
    if claims
        .nbf
        .is_some_and(|nbf| Timestamp::from_secs(nbf) > now + skew)
    {
        return Err(BadProof::NotYet);
    }
    if claims
        .exp
        .is_some_and(|exp| Timestamp::from_secs(exp) + skew <= now)
    {
        return Err(BadProof::Expired);
    }
    Ok(())
}

/// `ath` of `token` (§4.2).
pub fn hash_of(token: &str) -> String {
    base64url(digest(&SHA256, token.as_bytes()).as_ref())
}
