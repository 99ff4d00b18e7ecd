//! The id_token's checks (OIDC Core §3.1.3.7), by our clock. Of its claims only
//! those are looked at that a check or a session needs.

use std::{sync::Arc, time::Duration};

use kit::clock::{Clock, Timestamp};
use oauth_types::{BadMember, Members, names::jwt_type, secret::same_secret};
use openidconnect::core::CoreJsonWebKeySet;

use super::{
    Grant, Provider, ProviderError, odd,
    signed::{self, Unsigned},
};

/// By how much the provider's clock may differ from ours.
const SKEW: Duration = Duration::from_secs(10);
/// How old an id_token, or a logout token, may be when it comes.
pub(super) const MAX_AGE: Duration = Duration::from_secs(600);
/// The longest that is looked at, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// What the id_token has to say.
pub(crate) struct Expected<'a> {
    /// The nonce of this login.
    pub(crate) nonce: &'a str,
    /// When the user must have signed in, at the earliest; `None`: whenever.
    pub(crate) signed_in_since: Option<Timestamp>,
}

/// Who signed in, as a checked id_token says.
pub(crate) struct Identity {
    /// The user; stable.
    pub(crate) sub: String,
    /// A name to greet with.
    pub(crate) name: String,
    /// The user's address, where it was granted.
    pub(crate) email: Option<String>,
    /// The provider's session.
    pub(crate) sid: Option<String>,
    /// The id_token itself.
    pub(crate) id_token: String,
    /// When it was issued, by the provider's clock.
    pub(crate) issued_at: Timestamp,
}

/// Why an id_token is refused.
#[derive(Debug, thiserror::Error)]
enum BadIdToken {
    /// Longer than any of ours.
    #[error("it is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// RFC 7515.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// A claim that is needed.
    #[error(transparent)]
    Claim(#[from] BadMember),
    /// §3.1.3.7, 2.
    #[error("iss is another provider")]
    Issuer,
    /// §3.1.3.7, 3: with nobody else in it, for nobody else is trusted with it.
    #[error("aud is not this client alone")]
    Audience,
    /// §3.1.3.7, 9.
    #[error("exp is in the past")]
    Expired,
    /// §3.1.3.7, 10.
    #[error("iat: {0}")]
    IssueTime(String),
    /// §3.1.3.7, 11.
    #[error("nonce is not this login's")]
    Nonce,
    /// §3.1.3.7, 13.
    #[error("auth_time: {0}")]
    AuthTime(String),
}

impl Provider {
    /// Checks the id_token in `grant`. A key that is not known yet is asked for.
    pub(crate) async fn identify(
        &self,
        grant: &Grant,
        expected: &Expected<'_>,
    ) -> Result<Identity, ProviderError> {
        let missing = || ProviderError::Invalid("there is no id_token".to_owned());
        let token = grant.id_token.as_deref().ok_or_else(missing)?;
        let known = self.known().await?;
        let mut checked = self.check_id_token(token, &known.keys, expected);
        if matches!(checked, Err(BadIdToken::Unsigned(Unsigned::UnknownKey))) {
            let newer = self.newer_than(&known).await?;
            checked = self.check_id_token(token, &newer.keys, expected);
        }
        checked.map_err(|error| ProviderError::Invalid(format!("id_token: {error}")))
    }

    fn check_id_token(
        &self,
        token: &str,
        keys: &CoreJsonWebKeySet,
        expected: &Expected<'_>,
    ) -> Result<Identity, BadIdToken> {
        if token.len() > MAX_TOKEN {
            return Err(BadIdToken::TooLong);
        }
        let claims = signed::claims(token, keys, &[jwt_type::JWT])?;
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
        if !same_secret(claims.needed("nonce")?, expected.nonce) {
            return Err(BadIdToken::Nonce);
        }
        if let Some(since) = expected.signed_in_since {
            let auth_time = claims.seconds("auth_time")?;
            check_auth_time(since, auth_time).map_err(BadIdToken::AuthTime)?;
        }
        identity(token, &claims, Timestamp::from_secs(issued_at))
    }
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

/// OIDC Core §3.1.3.7, 13: a login that asked for a fresh sign-in checks that
/// it was one. `auth_time` counts whole seconds.
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
    // What a session can do without is left out where it is odd.
    let perhaps = |name| {
        let text = odd("an id_token", claims.text(name)).filter(|text| !text.is_empty());
        text.map(ToOwned::to_owned)
    };
    let sub = claims.needed("sub")?.to_owned();
    let name = perhaps("name").or_else(|| perhaps("preferred_username"));
    Ok(Identity {
        name: name.unwrap_or_else(|| sub.clone()),
        email: perhaps("email"),
        sid: perhaps("sid"),
        id_token: token.to_owned(),
        issued_at,
        sub,
    })
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
