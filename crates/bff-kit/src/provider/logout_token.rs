//! The logout token's checks (OIDC Back-Channel Logout 1.0 §2.6). That it comes
//! once is for whoever ends the sessions: only then is it used.

use std::sync::Arc;

use kit::{
    clock::{Clock, Timestamp},
    telemetry::names::{OK, span},
};
use oauth_types::{
    BadMember, Members,
    names::{BACKCHANNEL_LOGOUT_EVENT, jwt_type},
};
use openidconnect::core::CoreJsonWebKeySet;
use serde_json::Value;
use tracing::{Instrument as _, Span, field::Empty};

use super::{
    Provider, ProviderError,
    id_token::{MAX_AGE, check_issue_time},
    odd,
    signed::{self, Unsigned},
};

/// The longest that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// What its `typ` may be, where it has one (§2.4).
const TYPES: [&str; 3] = [jwt_type::LOGOUT, "application/logout+jwt", jwt_type::JWT];

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
    /// A claim that is needed (section 2.4).
    #[error("The logout token: {0} (section 2.4).")]
    Claim(#[from] BadMember),
    /// RFC 8725 §3.11, Back-Channel Logout 1.0 §2.4.
    #[error("typ is neither logout+jwt nor JWT: this is a token of another kind.")]
    Type,
    /// §2.6, 2: and `none` is never used.
    #[error("alg is none of those that id_tokens are signed by.")]
    Algorithm,
    /// No key of the provider's.
    #[error("No known key of the identity provider fits kid and alg.")]
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
        match check(token, &known.keys, &parties) {
            Err(BadLogoutToken::UnknownKey) => {
                let newer = self.newer_than(&known).await?;
                check(token, &newer.keys, &parties)
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
    let claims = signed::claims(token, keys, &TYPES)?;
    check_claims(&claims, parties)
}

impl From<Unsigned> for BadLogoutToken {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::Unreadable => Self::Unreadable,
            Unsigned::Type => Self::Type,
            Unsigned::Algorithm => Self::Algorithm,
            Unsigned::UnknownKey => Self::UnknownKey,
            Unsigned::Signature => Self::Signature,
        }
    }
}

fn check_claims(claims: &Members, parties: &Parties<'_>) -> Result<LogoutToken, BadLogoutToken> {
    if claims.needed("iss")? != parties.issuer {
        return Err(BadLogoutToken::Issuer);
    }
    // OIDC Core §3.1.3.7, 3: nobody else is trusted with it.
    let audiences = claims.texts("aud")?;
    if audiences.is_empty() || audiences.iter().any(|one| *one != parties.client_id) {
        return Err(BadLogoutToken::Audience);
    }
    let expires_at = Timestamp::from_secs(claims.needed_seconds("exp")?);
    let issued_at = claims.needed_seconds("iat")?;
    let jti = claims.needed("jti")?.to_owned();
    if expires_at <= parties.clock.now() {
        return Err(BadLogoutToken::Expired);
    }
    check_issue_time(parties.clock, issued_at).map_err(BadLogoutToken::IssueTime)?;
    let event = claims.value("events");
    let event = event.and_then(|events| events.get(BACKCHANNEL_LOGOUT_EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(BadLogoutToken::Event);
    }
    // Whatever it says: also null.
    if claims.has("nonce") {
        return Err(BadLogoutToken::Nonce);
    }
    let sid = claims.text("sid")?;
    let sub = match sid {
        // It says enough, and what is odd beside it says nothing.
        Some(_) => odd("a logout token", claims.text("sub")),
        None => claims.text("sub")?,
    };
    let subject = match (sid, sub) {
        (Some(sid), _) => Subject::Login(sid.to_owned()),
        (None, Some(sub)) => Subject::User(sub.to_owned()),
        (None, None) => return Err(BadLogoutToken::Nobody),
    };
    let issued_at = Timestamp::from_secs(issued_at);
    let too_old = issued_at + MAX_AGE;
    Ok(LogoutToken {
        subject,
        sub: sub.map(ToOwned::to_owned),
        jti,
        issued_at,
        good_until: expires_at.min(too_old),
    })
}

#[cfg(test)]
#[path = "logout_token_tests.rs"]
mod tests;
