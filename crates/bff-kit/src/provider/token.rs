//! The token endpoint: the code and the refresh token are redeemed here.

use std::time::Duration;

use kit::{
    clock::Timestamp,
    telemetry::names::{OK, span},
};
use oauth_types::names::grant;
use openidconnect::{
    AuthorizationCode, OAuth2TokenResponse as _, PkceCodeVerifier, RefreshToken,
    TokenResponse as _, core::CoreTokenType,
};
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty};

use super::{
    Provider, ProviderError, note,
    types::{Token, TokenAnswer},
};
use crate::{audiences, bearer::Bearer};

/// Stands in where the answer does not say how long the access token lives
/// (RFC 6749 §5.1 lets it): short, so that a wrong guess costs little.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(60);

/// How a refresh names the audience that it wants a token for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceBy {
    /// `resource` (RFC 8707 §2.2).
    Resource,
    /// `audience`, as Auth0 has it.
    Audience,
    /// The audience's own scopes, as Entra has it.
    Scope,
}

impl std::str::FromStr for AudienceBy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "resource" => Ok(Self::Resource),
            "audience" => Ok(Self::Audience),
            "scope" => Ok(Self::Scope),
            _ => Err("resource, audience or scope"),
        }
    }
}

/// What the token endpoint gave. It has no `Debug`: nothing of it may be shown.
pub(crate) struct Grant {
    /// The access token.
    pub(crate) access_token: Bearer,
    /// When it was asked for.
    pub(crate) issued_at: Timestamp,
    /// When it ends, counted from before the call.
    pub(crate) expires_at: Timestamp,
    /// The refresh token, where a new one came.
    pub(crate) refresh_token: Option<String>,
    /// The id_token, not yet checked.
    pub(super) id_token: Option<Token>,
}

impl Provider {
    /// Redeems `code` (RFC 6749 §4.1.3) with its PKCE verifier (RFC 7636 §4.5).
    /// Never tried twice: a code that comes again revokes what it gave.
    pub(crate) async fn redeem_code(
        &self,
        code: &str,
        verifier: &str,
    ) -> Result<Grant, ProviderError> {
        let grant = grant::AUTHORIZATION_CODE;
        let span = kit::step!(
            span::CODE_EXCHANGE,
            "sso.grant" = grant,
            "sso.outcome" = Empty
        );
        let redeeming = self.timed(grant, self.redeem_code_now(code, verifier));
        redeeming.instrument(span).await
    }

    /// Calls the token endpoint: how long it takes, and how it ends.
    async fn timed(
        &self,
        grant: &'static str,
        calling: impl Future<Output = Result<Grant, ProviderError>>,
    ) -> Result<Grant, ProviderError> {
        let started = Instant::now();
        let answer = note(calling.await);
        let outcome = answer.as_ref().err().map_or(OK, ProviderError::in_a_metric);
        let calls = &self.meters.token_calls;
        calls.record(&[grant, outcome], started.elapsed());
        answer
    }

    async fn redeem_code_now(&self, code: &str, verifier: &str) -> Result<Grant, ProviderError> {
        let known = self.known().await?;
        let asked_at = self.clock.now();
        let request = known
            .client
            .exchange_code(AuthorizationCode::new(code.to_owned()));
        let mut request = request.map_err(|_| no_endpoint())?;
        request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        for (name, value) in self.auth_params()? {
            request = request.add_extra_param(name, value);
        }
        read(&request.request_async(&self.backchannel).await?, asked_at)
    }

    /// Redeems `refresh_token` for an access token to `audience` (RFC 6749 §6).
    /// After a server error or a lost answer it is sent once more: a provider
    /// that rotated it meanwhile gives the same successor again.
    pub(crate) async fn redeem_refresh(
        &self,
        refresh_token: &str,
        audience: &str,
        by: AudienceBy,
    ) -> Result<Grant, ProviderError> {
        let grant = grant::REFRESH_TOKEN;
        let span = kit::step!(
            span::REFRESH,
            "sso.audience" = audience,
            "sso.grant" = grant,
            "sso.outcome" = Empty
        );
        let twice = async {
            match self.refresh_once(refresh_token, audience, by).await {
                Err(ProviderError::Unavailable { .. }) => {
                    self.refresh_once(refresh_token, audience, by).await
                }
                answer => answer,
            }
        };
        self.timed(grant, twice).instrument(span).await
    }

    async fn refresh_once(
        &self,
        refresh_token: &str,
        audience: &str,
        by: AudienceBy,
    ) -> Result<Grant, ProviderError> {
        let known = self.known().await?;
        let asked_at = self.clock.now();
        let refresh_token = RefreshToken::new(refresh_token.to_owned());
        let mut request = known
            .client
            .exchange_refresh_token(&refresh_token)
            .map_err(|_| no_endpoint())?;
        request = match by {
            AudienceBy::Resource => request.add_extra_param("resource", audience),
            AudienceBy::Audience => request.add_extra_param("audience", audience),
            AudienceBy::Scope => {
                let own = audiences::scope().filter(|token| belongs_to(token, audience));
                request.add_scopes(
                    own.iter()
                        .map(|token| openidconnect::Scope::new(token.to_owned())),
                )
            }
        };
        for (name, value) in self.auth_params()? {
            request = request.add_extra_param(name, value);
        }
        read(&request.request_async(&self.backchannel).await?, asked_at)
    }
}

#[cfg(test)]
impl Grant {
    pub(crate) fn for_test(
        access: &str,
        refresh: Option<&str>,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            access_token: Bearer::new(access).unwrap(),
            issued_at,
            expires_at,
            refresh_token: refresh.map(ToOwned::to_owned),
            id_token: None,
        }
    }
}

/// Whether the scope `token` is one of `audience`'s: `https://api-1/read`.
fn belongs_to(token: &str, audience: &str) -> bool {
    token
        .strip_prefix(audience)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn no_endpoint() -> ProviderError {
    ProviderError::Invalid("its metadata names no token endpoint".to_owned())
}

fn read(answer: &TokenAnswer, asked_at: Timestamp) -> Result<Grant, ProviderError> {
    if *answer.token_type() != CoreTokenType::Bearer {
        return Err(ProviderError::Invalid(
            "the token is not a Bearer token".to_owned(),
        ));
    }
    let lifetime = answer.expires_in().unwrap_or(ASSUMED_LIFETIME);
    let access_token = Bearer::new(answer.access_token().secret());
    Ok(Grant {
        access_token: access_token
            .ok_or_else(|| ProviderError::Invalid("its access token fits no header".to_owned()))?,
        issued_at: asked_at,
        expires_at: asked_at + lifetime,
        refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
        id_token: answer.id_token().cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_belongs_to_the_audience_that_it_begins_with() {
        assert!(belongs_to("https://api-1/read", "https://api-1"));
        assert!(!belongs_to("https://api-10/read", "https://api-1"));
        assert!(!belongs_to("openid", "https://api-1"));
    }

    #[test]
    fn rfc6749_5_1_another_token_type_is_refused() {
        let answer = |kind: &str| {
            let text = format!(r#"{{"access_token":"a","token_type":"{kind}","expires_in":900}}"#);
            read(
                &serde_json::from_str(&text).unwrap(),
                Timestamp::from_secs(100),
            )
        };
        assert_eq!(
            answer("Bearer").ok().map(|grant| grant.expires_at.secs()),
            Some(1000)
        );
        assert!(answer("DPoP").is_err());
    }
}
