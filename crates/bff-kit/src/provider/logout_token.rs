//! The logout token's checks (OIDC Back-Channel Logout 1.0 §2.6). That it comes
//! once is for whoever ends the sessions: only then is it used.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{
    clock::{Clock, Timestamp},
    telemetry::names::{OK, span},
};
use oauth_types::{
    claims::Audience,
    names::{BACKCHANNEL_LOGOUT_EVENT, jwt_type},
};
use openidconnect::{
    JsonWebKey as _,
    core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tracing::{Instrument as _, Span, field::Empty};

use super::{
    Provider, ProviderError,
    id_token::{ALGORITHMS, MAX_AGE, check_issue_time},
};

/// The longest that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// A logout token that passed every check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogoutToken {
    /// Whose sessions are over.
    pub(crate) subject: Subject,
    /// The user, where it names one.
    pub(crate) sub: Option<String>,
    /// No two have the same.
    pub(crate) jti: String,
    /// When the provider said so, by its clock.
    pub(crate) issued_at: Timestamp,
    /// From then on it is refused as expired or old.
    pub(crate) good_until: Timestamp,
}

/// Whose sessions are over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Those of one session with the provider, by `sid`.
    Login(String),
    /// All of a user's, by `sub`.
    User(String),
}

/// Why a logout token is refused. The provider's developer reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLogoutToken {
    /// Not for now: the keys could not be had.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Longer than any of ours.
    #[error("The logout token is longer than {MAX_TOKEN} bytes.")]
    TooLong,
    /// RFC 7519 §7.2.
    #[error("The logout token is no signed JWT with the claims of one (section 2.4).")]
    Unreadable,
    /// RFC 8725 §3.11, Back-Channel Logout 1.0 §2.4.
    #[error("typ is neither logout+jwt nor JWT: this is a token of another kind.")]
    Type,
    /// §2.6, 2: and `none` is never used.
    #[error("alg is none of those that id_tokens are signed by.")]
    Algorithm,
    /// No key of the provider's.
    #[error("kid names no key of the provider's.")]
    UnknownKey,
    /// §2.6, 2.
    #[error("The signature is not the provider's.")]
    Signature,
    /// §2.6, 3.
    #[error("iss is another provider.")]
    Issuer,
    /// §2.6, 3.
    #[error("aud is not this client alone.")]
    Audience,
    /// §2.6, 3.
    #[error("exp is in the past.")]
    Expired,
    /// §2.6, 3.
    #[error("iat: {0}.")]
    IssueTime(String),
    /// §2.6, 4.
    #[error("There is neither sub nor sid.")]
    Nobody,
    /// §2.6, 5.
    #[error("events holds no {BACKCHANNEL_LOGOUT_EVENT} with a JSON object.")]
    Event,
    /// §2.6, 6: it might be an id_token.
    #[error("There is a nonce, which is prohibited.")]
    Nonce,
}

#[derive(Deserialize)]
struct Header {
    alg: Value,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: i64,
    jti: String,
    sub: Option<String>,
    sid: Option<String>,
    events: Map<String, Value>,
}

/// Who may send it, and to whom.
struct Parties<'a> {
    issuer: &'a str,
    client_id: &'a str,
    clock: &'a Arc<dyn Clock>,
}

impl Provider {
    /// Checks `token`. A key that is not known yet is asked for.
    pub(crate) async fn check_logout_token(
        &self,
        token: &str,
    ) -> Result<LogoutToken, BadLogoutToken> {
        let span = kit::step!(span::LOGOUT_TOKEN_CHECK, "sso.outcome" = Empty);
        let checking = async {
            let checked = self.check_logout_token_now(token).await;
            let outcome = match &checked {
                Ok(_) => OK,
                Err(BadLogoutToken::Provider(error)) => error.outcome(),
                Err(_) => "invalid_request",
            };
            Span::current().record("sso.outcome", outcome);
            checked
        };
        checking.instrument(span).await
    }

    async fn check_logout_token_now(&self, token: &str) -> Result<LogoutToken, BadLogoutToken> {
        let parties = Parties {
            issuer: self.issuer(),
            client_id: self.client_id(),
            clock: &self.clock,
        };
        let known = self.known().await?;
        match check(token, known.metadata.jwks(), &parties) {
            Err(BadLogoutToken::UnknownKey) => {
                let newer = self.newer_than(&known).await?;
                check(token, newer.metadata.jwks(), &parties)
            }
            checked => checked,
        }
    }
}

fn check(
    token: &str,
    keys: &CoreJsonWebKeySet,
    parties: &Parties<'_>,
) -> Result<LogoutToken, BadLogoutToken> {
    if token.len() > MAX_TOKEN {
        return Err(BadLogoutToken::TooLong);
    }
    let unreadable = || BadLogoutToken::Unreadable;
    let (message, signature) = token.rsplit_once('.').ok_or_else(unreadable)?;
    let (header, claims) = message.split_once('.').ok_or_else(unreadable)?;
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| unreadable())?;
    check_signature(&json(header)?, message.as_bytes(), &signature, keys)?;
    check_claims(json(claims)?, parties)
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, BadLogoutToken> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    let read = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.ok_or(BadLogoutToken::Unreadable)
}

/// §2.6, 2: by a key of the provider's, as an id_token is signed.
fn check_signature(
    header: &Header,
    message: &[u8],
    signature: &[u8],
    keys: &CoreJsonWebKeySet,
) -> Result<(), BadLogoutToken> {
    // RFC 7515 §4.1.11: we understand no extension.
    if header.crit.is_some() {
        return Err(BadLogoutToken::Unreadable);
    }
    let typ = header.typ.as_deref().unwrap_or(jwt_type::JWT);
    let is = |known: &str| typ.eq_ignore_ascii_case(known);
    if !is(jwt_type::LOGOUT) && !is("application/logout+jwt") && !is(jwt_type::JWT) {
        return Err(BadLogoutToken::Type);
    }
    let algorithm = serde_json::from_value::<CoreJwsSigningAlgorithm>(header.alg.clone());
    let algorithm = algorithm.ok().filter(|named| ALGORITHMS.contains(named));
    let algorithm = algorithm.ok_or(BadLogoutToken::Algorithm)?;
    let is_meant = |key: &&openidconnect::core::CoreJsonWebKey| match &header.kid {
        Some(kid) => key.key_id().is_some_and(|id| id.as_str() == kid),
        None => true,
    };
    let mut meant = keys.keys().iter().filter(is_meant).peekable();
    if meant.peek().is_none() {
        return Err(BadLogoutToken::UnknownKey);
    }
    // A key says itself what it is for: another kind's refuses the algorithm.
    meant
        .any(|key| {
            let checked = key.verify_signature(&algorithm, message, signature);
            checked.is_ok()
        })
        .then_some(())
        .ok_or(BadLogoutToken::Signature)
}

fn check_claims(
    claims: Map<String, Value>,
    parties: &Parties<'_>,
) -> Result<LogoutToken, BadLogoutToken> {
    // Whatever it says: also null.
    let has_nonce = claims.contains_key("nonce");
    let claims: Claims =
        serde_json::from_value(claims.into()).map_err(|_| BadLogoutToken::Unreadable)?;
    if claims.iss != parties.issuer {
        return Err(BadLogoutToken::Issuer);
    }
    if !is_alone(&claims.aud, parties.client_id) {
        return Err(BadLogoutToken::Audience);
    }
    let expires_at = Timestamp::from_secs(claims.exp);
    if expires_at <= parties.clock.now() {
        return Err(BadLogoutToken::Expired);
    }
    check_issue_time(parties.clock, claims.iat).map_err(BadLogoutToken::IssueTime)?;
    let event = claims.events.get(BACKCHANNEL_LOGOUT_EVENT);
    if !event.is_some_and(Value::is_object) {
        return Err(BadLogoutToken::Event);
    }
    if has_nonce {
        return Err(BadLogoutToken::Nonce);
    }
    let sub = claims.sub.clone();
    let subject = match (claims.sid, claims.sub) {
        (Some(sid), _) => Subject::Login(sid),
        (None, Some(sub)) => Subject::User(sub),
        (None, None) => return Err(BadLogoutToken::Nobody),
    };
    let too_old = Timestamp::from_secs(claims.iat) + MAX_AGE;
    Ok(LogoutToken {
        subject,
        sub,
        jti: claims.jti,
        issued_at: Timestamp::from_secs(claims.iat),
        good_until: expires_at.min(too_old),
    })
}

/// OIDC Core §3.1.3.7, 3: nobody else is trusted with it.
fn is_alone(aud: &Audience, client_id: &str) -> bool {
    match aud {
        Audience::One(one) => one == client_id,
        Audience::Many(many) => !many.is_empty() && many.iter().all(|one| one == client_id),
    }
}

#[cfg(test)]
#[path = "logout_token_tests.rs"]
mod tests;
