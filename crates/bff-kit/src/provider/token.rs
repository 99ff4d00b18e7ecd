//! The token endpoint: redeems codes and refresh tokens.

use std::time::Duration;

use kit::{
    clock::Timestamp,
    telemetry::names::{OK, span},
};
use oauth_types::names::{access_token_type, grant};
use openidconnect::{
    AuthorizationCode, OAuth2TokenResponse as _, PkceCodeVerifier, RefreshToken,
    core::CoreTokenType,
};
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty};

use super::{Provider, ProviderError, record_outcome, types::TokenAnswer};
use crate::{audiences, bearer::Bearer};

/// The assumed lifetime of an access token if the response does not state one (RFC 6749
/// §5.1). It is short, so that a wrong guess costs little.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(60);

/// How a refresh names the audience of the new access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceBy {
    /// `resource` (RFC 8707 §2.2).
    Resource,
    /// `audience` (Auth0).
    Audience,
    /// The audience's scopes (Entra ID).
    Scope,
}

impl std::str::FromStr for AudienceBy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "resource" => Ok(Self::Resource),
            "audience" => Ok(Self::Audience),
            "scope" => Ok(Self::Scope),
            _ => Err("resource, audience or scope is expected"),
        }
    }
}

/// The tokens of a token response. No `Debug`: it holds secrets.
pub(crate) struct Grant {
    /// The access token.
    pub(crate) access_token: Bearer,
    /// When it was requested.
    pub(crate) issued_at: Timestamp,
    /// When it expires, counted from before the call.
    pub(crate) expires_at: Timestamp,
    /// The new refresh token, if there is one.
    pub(crate) refresh_token: Option<String>,
    /// The ID token, unverified.
    pub(super) id_token: Option<String>,
}

impl Provider {
    /// Redeems `code` (RFC 6749 §4.1.3) with its PKCE verifier (RFC 7636 §4.5).
    /// It is sent once: the second use of a code revokes its tokens. A request that is refused
    /// because its DPoP proof has no nonce does not use the code (RFC 9449 §8).
    pub(crate) async fn redeem_code(
        &self,
        code: &str,
        verifier: &str,
    ) -> Result<Grant, ProviderError> {
        let grant = grant::AUTHORIZATION_CODE;
        let span = kit::step!(
            span::CODE_EXCHANGE,
            "sso.to" = self.party,
            "sso.grant" = grant,
            "sso.outcome" = Empty
        );
        let redeeming = self.redeem_code_now(code, verifier);
        let redeeming = self.timed(self.client_id(), grant, redeeming);
        redeeming.instrument(span).await
    }

    /// Logs and measures a call of `client` to the token endpoint.
    pub(super) async fn timed(
        &self,
        client: &str,
        grant: &'static str,
        calling: impl Future<Output = Result<Grant, ProviderError>>,
    ) -> Result<Grant, ProviderError> {
        let started = Instant::now();
        let answer = Self::logged(client, grant, record_outcome(calling.await));
        let outcome = answer.as_ref().err().map_or(OK, ProviderError::in_a_metric);
        let calls = &self.meters.token_calls;
        calls.record(&[grant, outcome], started.elapsed());
        answer
    }

    async fn redeem_code_now(&self, code: &str, verifier: &str) -> Result<Grant, ProviderError> {
        let ask = || self.redeem_code_once(code, verifier);
        self.with_new_nonce(ask().await, ask).await
    }

    async fn redeem_code_once(&self, code: &str, verifier: &str) -> Result<Grant, ProviderError> {
        let discovery = self.discovery().await?;
        let asked_at = self.clock.now();
        let code = AuthorizationCode::new(code.to_owned());
        let mut request = discovery.client.exchange_code(code);
        request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        for (name, value) in self.auth_params(self.own_client())? {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(&self.token_client()).await?;
        self.read(&answer, asked_at)
    }

    /// Redeems `refresh_token` for an access token to `audience` (RFC 6749 §6).
    /// After a server error or a lost response it is sent once more: a provider that
    /// has rotated the token returns the same successor again.
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
        let ask = || self.refresh_once(refresh_token, audience, by);
        let redeeming = self.timed(self.client_id(), grant, self.retried(ask));
        redeeming.instrument(span).await
    }

    async fn refresh_once(
        &self,
        refresh_token: &str,
        audience: &str,
        by: AudienceBy,
    ) -> Result<Grant, ProviderError> {
        let discovery = self.discovery().await?;
        let asked_at = self.clock.now();
        let refresh_token = RefreshToken::new(refresh_token.to_owned());
        let mut request = discovery.client.exchange_refresh_token(&refresh_token);
        request = match by {
            AudienceBy::Resource => request.add_extra_param("resource", audience),
            AudienceBy::Audience => request.add_extra_param("audience", audience),
            AudienceBy::Scope => {
                let own = audiences::scope_of(audience);
                request.add_scopes(
                    own.iter()
                        .map(|token| openidconnect::Scope::new(token.to_owned())),
                )
            }
        };
        for (name, value) in self.auth_params(self.own_client())? {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(&self.token_client()).await?;
        self.read(&answer, asked_at)
    }

    /// Reads a response. A provider that gives a bearer token to an app whose tokens have to
    /// be bound ignores the app's proof (RFC 9449 §5).
    pub(super) fn read(
        &self,
        answer: &TokenAnswer,
        asked_at: Timestamp,
    ) -> Result<Grant, ProviderError> {
        let grant = read(answer, asked_at)?;
        if grant.access_token.is_bound() == self.prover.is_some() {
            return Ok(grant);
        }
        let expected = match self.prover {
            Some(_) => "the token is not bound to the app's key: its token_type is not DPoP",
            None => "the token is not a Bearer token",
        };
        Err(ProviderError::Invalid(expected.to_owned()))
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

/// The tokens of `answer` to a request that was sent at `asked_at`.
pub(super) fn read(answer: &TokenAnswer, asked_at: Timestamp) -> Result<Grant, ProviderError> {
    if let Some(refused) = answer.refused() {
        return Err(refused.clone().into());
    }
    let is_bound = match answer.token_type() {
        CoreTokenType::Bearer => false,
        CoreTokenType::Extension(name) if name == access_token_type::DPOP => true,
        _ => {
            let why = "the token is not a Bearer token".to_owned();
            return Err(ProviderError::Invalid(why));
        }
    };
    let lifetime = answer.expires_in().unwrap_or(ASSUMED_LIFETIME);
    let access_token = Bearer::bound_if(is_bound, answer.access_token().secret());
    Ok(Grant {
        access_token: access_token
            .ok_or_else(|| ProviderError::Invalid("its access token fits no header".to_owned()))?,
        issued_at: asked_at,
        expires_at: asked_at + lifetime,
        refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
        id_token: answer.id_token.as_ref().map(|token| token.0.clone()),
    })
}

#[cfg(test)]
mod tests {
    use oauth_types::ErrorCode;
    use serde_json::{Value, json};

    use super::{super::types::ErrorAnswer, *};

    fn answer(changes: &Value) -> Result<Grant, String> {
        let mut members = json!({
            "access_token": "a", "token_type": "Bearer", "expires_in": 900,
            "refresh_token": "r", "id_token": "i",
        });
        for (name, value) in changes.as_object().unwrap() {
            members[name] = value.clone();
        }
        let answer = serde_json::from_str(&members.to_string());
        let answer = answer.map_err(|error| error.to_string())?;
        read(&answer, Timestamp::from_secs(100)).map_err(|error| error.to_string())
    }

    fn ends(changes: &Value) -> i64 {
        answer(changes).ok().unwrap().expires_at.secs()
    }

    #[test]
    fn rfc6749_5_1_another_token_type_is_refused_and_case_says_nothing() {
        for bearer in ["Bearer", "bearer", "BEARER"] {
            assert!(answer(&json!({ "token_type": bearer })).is_ok(), "{bearer}");
        }
        for other in [json!("mac"), json!(null), json!(5), json!("")] {
            assert!(answer(&json!({ "token_type": other })).is_err(), "{other}");
        }
        for dpop in ["DPoP", "dpop"] {
            let grant = answer(&json!({ "token_type": dpop })).ok().unwrap();
            assert!(grant.access_token.is_bound(), "RFC 9449 section 5");
        }
    }

    #[test]
    fn rfc6749_5_1_expires_in_is_read_as_a_number_or_digits_or_assumed() {
        assert_eq!(ends(&json!({})), 1000);
        assert_eq!(ends(&json!({"expires_in": "3599"})), 3699);
        assert_eq!(ends(&json!({"expires_in": 3599.5})), 3699);
        for odd in [json!("soon"), json!(null), json!([900]), json!(true)] {
            assert_eq!(ends(&json!({ "expires_in": odd })), 160, "{odd}");
        }
    }

    #[test]
    fn what_nobody_reads_of_an_answer_may_have_any_shape() {
        let odd = json!({
            "scope": ["openid", 5], "not_before": "x", "ext_expires_in": {}, "session_state": null,
            "error": null, "profile": [{}], "refresh_expires_in": "0",
        });
        assert!(answer(&odd).is_ok());
        let without = answer(&json!({"refresh_token": {}, "id_token": 5}))
            .ok()
            .unwrap();
        assert!(without.refresh_token.is_none() && without.id_token.is_none());
    }

    #[test]
    fn what_an_answer_needs_is_named_and_its_value_is_not_told() {
        for odd in [json!(["secret"]), json!({"secret": 1}), json!(true)] {
            let why = answer(&json!({ "access_token": odd })).err().unwrap();
            assert!(why.contains("member access_token is not a string"), "{why}");
            assert!(!why.contains("secret"), "{why}");
        }
        let none: Result<TokenAnswer, _> = serde_json::from_str("\"secret\"");
        assert!(!none.err().unwrap().to_string().contains("secret"));
    }

    #[test]
    fn rfc6749_5_2_a_refusal_counts_also_with_status_200_and_odd_members() {
        let refused = answer(&json!({"access_token": null, "error": "invalid_grant"}));
        assert!(refused.err().unwrap().contains("invalid_grant"));
        let odd = r#"{"error":"invalid_grant","error_description":{"a":1},"error_uri":5}"#;
        let read: ErrorAnswer = serde_json::from_str(odd).unwrap();
        assert!(ProviderError::from(read).is_refused_as(ErrorCode::InvalidGrant));
        for none in [r#"{"error":{"code":5}}"#, "[]", "{}"] {
            assert!(serde_json::from_str::<ErrorAnswer>(none).is_err(), "{none}");
        }
    }

    #[test]
    fn fuzz_answers_of_the_provider() {
        let seeds = [
            r#"{"access_token":"a","token_type":"Bearer","expires_in":900,"refresh_token":"r","id_token":"i"}"#,
            r#"{"error":"invalid_grant","error_description":"no"}"#,
            r#"{"access_token":"a b","token_type":"bearer","expires_in":"1e3"}"#,
        ];
        fuzz::run(&seeds, |body| {
            let Ok(answer) = serde_json::from_slice(body) else {
                return;
            };
            let asked_at = Timestamp::from_secs(100);
            if let Ok(grant) = read(&answer, asked_at) {
                assert!(grant.expires_at >= asked_at);
            }
        });
    }
}
