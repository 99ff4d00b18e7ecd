//! The id_token's checks (OIDC Core §3.1.3.7), by openidconnect and our clock.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use kit::clock::{Clock, Timestamp};
use openidconnect::{
    ClaimsVerificationError, ClientId, IdTokenClaims, IssuerUrl, Nonce, SignatureVerificationError,
    core::{CoreGenderClaim, CoreJwsSigningAlgorithm},
};

use super::{
    Grant, Known, Provider, ProviderError,
    types::{MoreClaims, Token, Verifier},
};

/// What the provider may sign by: public keys alone, never `none`.
pub(super) const ALGORITHMS: [CoreJwsSigningAlgorithm; 4] = [
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// By how much the provider's clock may differ from ours.
const SKEW: Duration = Duration::from_secs(10);
/// How old an id_token, or a logout token, may be when it comes.
pub(super) const MAX_AGE: Duration = Duration::from_secs(600);

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

impl Provider {
    /// Checks the id_token in `grant`. A key that is not known yet is asked for.
    pub(crate) async fn identify(
        &self,
        grant: &Grant,
        expected: &Expected<'_>,
    ) -> Result<Identity, ProviderError> {
        let missing = || ProviderError::Invalid("there is no id_token".to_owned());
        let token = grant.id_token.as_ref().ok_or_else(missing)?;
        let known = self.known().await?;
        let nonce = Nonce::new(expected.nonce.to_owned());
        let mut checked = token.claims(&self.verifier(&known, expected)?, &nonce);
        let newer;
        if matches!(
            checked,
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey
            ))
        ) {
            newer = self.newer_than(&known).await?;
            checked = token.claims(&self.verifier(&newer, expected)?, &nonce);
        }
        let claims =
            checked.map_err(|error| ProviderError::Invalid(format!("id_token: {error}")))?;
        identity(token, claims)
    }

    /// Made for a public client: that way no MAC algorithm is ever accepted.
    fn verifier(
        &self,
        known: &Known,
        expected: &Expected<'_>,
    ) -> Result<Verifier<'static>, ProviderError> {
        let issuer = IssuerUrl::new(self.issuer().to_owned());
        let issuer = issuer.map_err(|error| ProviderError::Invalid(error.to_string()))?;
        let client_id = ClientId::new(self.settings.client_id.clone());
        let (now, iat_clock) = (self.clock.clone(), self.clock.clone());
        let since = expected.signed_in_since;
        Ok(
            Verifier::new_public_client(client_id, issuer, known.metadata.jwks().clone())
                .set_allowed_algs(ALGORITHMS)
                .set_time_fn(move || {
                    DateTime::from_timestamp_millis(now.now().millis()).unwrap_or_default()
                })
                .set_issue_time_verifier_fn(move |iat| {
                    check_issue_time(&iat_clock, iat.timestamp())
                })
                .set_auth_time_verifier_fn(move |at| {
                    check_auth_time(since, at.map(|at| at.timestamp()))
                }),
        )
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
fn check_auth_time(since: Option<Timestamp>, auth_time: Option<i64>) -> Result<(), String> {
    match (since, auth_time) {
        (Some(_), None) => Err("it does not say when the user signed in".to_owned()),
        (Some(since), Some(at)) if Timestamp::from_secs(at) + SKEW < since => {
            Err("the user signed in before the time that was asked for".to_owned())
        }
        (None, _) | (Some(_), Some(_)) => Ok(()),
    }
}

fn identity(
    token: &Token,
    claims: &IdTokenClaims<MoreClaims, CoreGenderClaim>,
) -> Result<Identity, ProviderError> {
    let sub = claims.subject().as_str().to_owned();
    let name = claims
        .name()
        .and_then(|name| name.get(None))
        .map(|name| name.as_str().to_owned());
    let user_name = claims
        .preferred_username()
        .map(|name| name.as_str().to_owned());
    Ok(Identity {
        name: name.or(user_name).unwrap_or_else(|| sub.clone()),
        email: claims.email().map(|email| email.as_str().to_owned()),
        sid: claims.additional_claims().sid.clone(),
        id_token: serde_json::to_value(token)
            .ok()
            .and_then(|text| text.as_str().map(ToOwned::to_owned))
            .ok_or_else(|| ProviderError::Invalid("the id_token cannot be kept".to_owned()))?,
        issued_at: Timestamp::from_secs(claims.issue_time().timestamp()),
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
        let since = Some(Timestamp::from_secs(1000));
        assert!(check_auth_time(None, None).is_ok());
        assert!(check_auth_time(since, Some(1000)).is_ok());
        assert!(check_auth_time(since, Some(990)).is_ok());
        assert!(check_auth_time(since, Some(989)).is_err());
        assert!(check_auth_time(since, None).is_err());
    }
}
