//! The checks of a logout token (OIDC Back-Channel Logout 1.0 §2.6), except that each is
//! used once: `backchannel_logout` checks that when it has ended the sessions.

use std::sync::Arc;

use kit::{
    clock::{Clock, Timestamp},
    telemetry::names::{OK, span},
};
use oauth_types::{
    BadMember, Members,
    names::{BACKCHANNEL_LOGOUT_EVENT, jwt_type},
};
use serde_json::Value;
use token_verify::Jwks;
use tracing::{Instrument as _, Span, field::Empty};

use super::{
    Provider, ProviderError,
    id_token::{MAX_AGE, check_begun, check_issue_time},
    optional,
    signed::{self, Unsigned},
};

/// The maximum length of a logout token in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// The values of `typ`, which is optional (§2.4).
const TYPES: [&str; 2] = [jwt_type::LOGOUT, jwt_type::JWT];

/// A logout token that passed every check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogoutToken {
    /// Whose sessions have ended.
    pub(crate) subject: Subject,
    /// The user, if the token names one.
    pub(crate) sub: Option<String>,
    /// The token's unique id.
    pub(crate) jti: String,
    /// The time of issue, by the provider's clock.
    pub(crate) issued_at: Timestamp,
    /// When the token expires or becomes too old.
    pub(crate) good_until: Timestamp,
}

/// Whose sessions have ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The sessions of one login session at the provider, by `sid`.
    Login(String),
    /// All sessions of a user, by `sub`.
    User(String),
}

/// Why a logout token is refused. The provider's developer reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLogoutToken {
    /// Not for now: the keys cannot be fetched.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Longer than [`MAX_TOKEN`].
    #[error("The logout token is longer than {MAX_TOKEN} bytes.")]
    TooLong,
    /// RFC 7519 §7.2.
    #[error("The logout token is no signed JWT with the claims of one (section 2.4).")]
    Unreadable,
    /// A required claim is missing or unreadable (section 2.4).
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
    /// RFC 7519 §4.1.5.
    #[error("nbf: {0}.")]
    NotYet(&'static str),
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

/// The sender and the receiver of a logout token, and the receiver's clock.
struct Parties<'a> {
    issuer: &'a str,
    client_id: &'a str,
    clock: &'a Arc<dyn Clock>,
}

impl Provider {
    /// Checks `token`.
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
        check(token, &self.jwks, &parties).await
    }
}

async fn check(
    token: &str,
    jwks: &Jwks,
    parties: &Parties<'_>,
) -> Result<LogoutToken, BadLogoutToken> {
    if token.len() > MAX_TOKEN {
        return Err(BadLogoutToken::TooLong);
    }
    let claims = signed::claims(token, jwks, &TYPES).await?;
    check_claims(&claims, parties)
}

impl From<Unsigned> for BadLogoutToken {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::NoKeys => Self::Provider(ProviderError::no_keys()),
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
    // OIDC Core §3.1.3.7, 3: no other audience is trusted.
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
    check_begun(parties.clock, claims.seconds("nbf")?).map_err(BadLogoutToken::NotYet)?;
    let event = claims.value("events");
    let event = event.and_then(|events| events.get(BACKCHANNEL_LOGOUT_EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(BadLogoutToken::Event);
    }
    // With any value, also null.
    if claims.has("nonce") {
        return Err(BadLogoutToken::Nonce);
    }
    // One of them is enough: an unreadable or empty one counts as missing beside the other,
    // as it does in the ID token.
    let given = |name| {
        claims
            .text(name)
            .map(|text| text.filter(|text| !text.is_empty()))
    };
    let (sid, sub) = match (given("sid"), given("sub")) {
        (Err(bad), Ok(None) | Err(_)) | (Ok(None), Err(bad)) => return Err(bad.into()),
        (sid, sub) => (
            optional("a logout token", sid),
            optional("a logout token", sub),
        ),
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
