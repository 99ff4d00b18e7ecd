//! The checks of an ID token (OIDC Core §3.1.3.7), by this process's clock. Claims that
//! neither a check nor a session needs are ignored.

use std::{sync::Arc, time::Duration};

use kit::telemetry::Waivers;
use kit::{
    clock::{Clock, Timestamp},
    config::Weakness,
};
use oauth_types::{BadMember, Members, names::jwt_type, secret::same_secret};

use super::{
    Grant, Provider, ProviderError, optional,
    signed::{self, Unsigned},
};

/// The tolerated difference between the provider's clock and this one.
const SKEW: Duration = Duration::from_secs(10);
/// The maximum age of an ID token or a logout token.
pub(super) const MAX_AGE: Duration = Duration::from_secs(600);
/// The maximum length of an ID token in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// The most characters of a user's name that are kept.
const MAX_NAME: usize = 2048;

/// What a login expects of its ID token.
pub(crate) struct Expected<'a> {
    /// The nonce of this login.
    pub(crate) nonce: &'a str,
    /// The earliest time of the sign-in; `None`: any.
    pub(crate) signed_in_since: Option<Timestamp>,
}

/// Who signed in, by a verified ID token.
pub(crate) struct Identity {
    /// The user's stable identifier.
    pub(crate) sub: String,
    /// The display name.
    pub(crate) name: String,
    /// The email address, if the user granted it.
    pub(crate) email: Option<String>,
    /// The provider's session.
    pub(crate) sid: Option<String>,
    /// The id_token itself.
    pub(crate) id_token: String,
    /// The time of issue, by the provider's clock.
    pub(crate) issued_at: Timestamp,
}

/// Why an id_token is refused.
#[derive(Debug, thiserror::Error)]
enum BadIdToken {
    /// Longer than [`MAX_TOKEN`].
    #[error("it is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// RFC 7515.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// A required claim is missing or unreadable.
    #[error(transparent)]
    Claim(#[from] BadMember),
    /// §3.1.3.7, 2.
    #[error("iss is another provider")]
    Issuer,
    /// §3.1.3.7, 3: no other audience is trusted.
    #[error("aud is not this client alone")]
    Audience,
    /// §3.1.3.7, 9.
    #[error("exp is in the past")]
    Expired,
    /// §3.1.3.7, 10.
    #[error("iat: {0}")]
    IssueTime(String),
    /// RFC 7519 §4.1.5.
    #[error("nbf: {0}")]
    NotYet(&'static str),
    /// §3.1.3.7, 11.
    #[error("nonce is not this login's")]
    Nonce,
    /// §3.1.3.7, 13.
    #[error("auth_time: {0}")]
    AuthTime(String),
}

impl Provider {
    /// Checks the id_token in `grant`.
    pub(crate) async fn identify(
        &self,
        grant: &Grant,
        expected: &Expected<'_>,
    ) -> Result<Identity, ProviderError> {
        let missing = || ProviderError::Invalid("there is no id_token".to_owned());
        let token = grant.id_token.as_deref().ok_or_else(missing)?;
        let checked = self.check_id_token(token, expected).await;
        checked.map_err(|error| match error {
            BadIdToken::Unsigned(Unsigned::NoKeys) => ProviderError::no_keys(),
            error @ (BadIdToken::Expired | BadIdToken::IssueTime(_) | BadIdToken::NotYet(_)) => {
                ProviderError::OutOfTime(error.to_string())
            }
            error => ProviderError::Invalid(format!("id_token: {error}")),
        })
    }

    async fn check_id_token(
        &self,
        token: &str,
        expected: &Expected<'_>,
    ) -> Result<Identity, BadIdToken> {
        if token.len() > MAX_TOKEN {
            return Err(BadIdToken::TooLong);
        }
        let claims = signed::claims(token, &self.jwks, &[jwt_type::JWT]).await?;
        if claims.needed("iss")? != self.issuer() {
            return Err(BadIdToken::Issuer);
        }
        let audiences = claims.texts("aud")?;
        let is_us = |audience: &&str| *audience == self.client_id();
        if audiences.is_empty() || !audiences.iter().all(is_us) {
            return Err(BadIdToken::Audience);
        }
        if Timestamp::from_secs(claims.needed_seconds("exp")?) <= self.clock.now() {
            return Err(BadIdToken::Expired);
        }
        let issued_at = claims.needed_seconds("iat")?;
        check_issue_time(&self.clock, issued_at).map_err(BadIdToken::IssueTime)?;
        check_begun(&self.clock, claims.seconds("nbf")?).map_err(BadIdToken::NotYet)?;
        let is_ours = same_secret(claims.needed("nonce")?, expected.nonce);
        if !is_ours && !Waivers::one(self.weaknesses, Weakness::NoNonceCheck) {
            return Err(BadIdToken::Nonce);
        }
        if let Some(since) = expected.signed_in_since {
            let auth_time = claims.seconds("auth_time")?;
            check_auth_time(since, auth_time).map_err(BadIdToken::AuthTime)?;
        }
        identity(token, &claims, Timestamp::from_secs(issued_at))
    }
}

/// RFC 7519 §4.1.5.
pub(super) fn check_begun(clock: &Arc<dyn Clock>, nbf: Option<i64>) -> Result<(), &'static str> {
    let begins = nbf.map(Timestamp::from_secs);
    if begins.is_some_and(|begins| begins > clock.now() + SKEW) {
        return Err("it is not valid yet");
    }
    Ok(())
}

pub(super) fn check_issue_time(clock: &Arc<dyn Clock>, iat: i64) -> Result<(), String> {
    let (now, iat) = (clock.now(), Timestamp::from_secs(iat));
    if iat > now + SKEW {
        return Err("it was issued in the future".to_owned());
    }
    if iat + MAX_AGE < now {
        return Err("it was issued too long ago".to_owned());
    }
    Ok(())
}

/// OIDC Core §3.1.3.7, 13: a login that asked for a fresh sign-in checks `auth_time`,
/// which has whole seconds.
fn check_auth_time(since: Timestamp, auth_time: Option<i64>) -> Result<(), String> {
    match auth_time {
        None => Err("it does not say when the user signed in".to_owned()),
        Some(at) if Timestamp::from_secs(at) + SKEW < since => {
            Err("the user signed in before the time that was asked for".to_owned())
        }
        Some(_) => Ok(()),
    }
}

fn identity(token: &str, claims: &Members, issued_at: Timestamp) -> Result<Identity, BadIdToken> {
    // A session can do without these claims.
    let perhaps = |name| {
        let text = optional("an id_token", claims.text(name)).filter(|text| !text.is_empty());
        text.map(ToOwned::to_owned)
    };
    let sub = claims.needed("sub")?.to_owned();
    let name = perhaps("name").or_else(|| perhaps("preferred_username"));
    Ok(Identity {
        name: name.map_or_else(|| sub.clone(), shortened),
        email: perhaps("email"),
        sid: perhaps("sid"),
        id_token: token.to_owned(),
        issued_at,
        sub,
    })
}

/// A name as pages show it. One of any length would not fit in the cookies of a session.
fn shortened(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(MAX_NAME) {
        name.truncate(end);
    }
    name
}

#[cfg(test)]
mod tests {
    use kit::clock::ManualClock;

    use super::*;

    #[test]
    fn oidc_core_3_1_3_7_10_an_id_token_is_neither_from_the_future_nor_old() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_secs(10_000)));
        for fine in [10_000, 10_010, 9_400] {
            assert!(check_issue_time(&clock, fine).is_ok(), "{fine}");
        }
        for wrong in [10_011, 9_399, 0] {
            assert!(check_issue_time(&clock, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn oidc_core_3_1_3_7_13_a_fresh_sign_in_is_checked_where_it_was_asked_for() {
        let since = Timestamp::from_secs(1000);
        assert!(check_auth_time(since, Some(1000)).is_ok());
        assert!(check_auth_time(since, Some(990)).is_ok());
        assert!(check_auth_time(since, Some(989)).is_err());
        assert!(check_auth_time(since, None).is_err());
    }
}
