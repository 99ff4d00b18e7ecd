//! Asks the provider about a token (RFC 7662 §2.1).

use std::{sync::Arc, time::Instant};

use kit::{
    clock::Clock,
    metrics::Timer,
    net::{ReadError, read_bounded, send_idempotent},
    telemetry::{
        names::{OK, span},
        propagation,
    },
};
use oauth_types::{
    Members, names::TOKEN_INTROSPECTION_MEDIA_TYPE as JWT_MEDIA_TYPE, secret::basic,
    sounds_like_code,
};
use reqwest::{
    Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap},
};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::{Instrument as _, field::Empty};

use super::{
    answer::{self, Expected, Unusable},
    cache::Answer,
    settings::{AnswerForm, IntrospectionSettings},
};
use crate::{issuer::Issuer, jwks::Jwks};

/// The path of the provider's endpoint.
const PATH: &str = "/introspect";
const JSON_MEDIA_TYPE: &str = "application/json";

/// Why a token is not judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The provider did not answer, or asked to retry later.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The provider refused the question with this error code.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// The answer says nothing about the token.
    #[error("the provider's answer is unusable: {0}")]
    Unusable(#[from] Unusable),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl Failure {
    /// As metrics and log lines name it.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unavailable",
            Self::Refused(_) => "refused",
            Self::Unusable(_) => "unusable",
        }
    }
}

/// Asks for one resource server.
pub(super) struct Question {
    http: reqwest::Client,
    endpoint: String,
    credentials: SecretString,
    client_id: &'static str,
    form: AnswerForm,
    audience: Arc<str>,
    /// The provider's keys, and its name.
    jwks: Arc<Jwks>,
    clock: Arc<dyn Clock>,
    calls: Timer,
}

impl Question {
    pub(super) fn new(
        settings: &IntrospectionSettings,
        audience: &Arc<str>,
        (issuer, jwks): (&Issuer, &Arc<Jwks>),
        clock: &Arc<dyn Clock>,
        calls: Timer,
    ) -> Self {
        Self {
            http: issuer.http_client(),
            endpoint: issuer.reach(&issuer.below(PATH)),
            credentials: basic(settings.client_id, settings.secret.expose_secret()).into(),
            client_id: settings.client_id,
            form: settings.form,
            audience: Arc::clone(audience),
            jwks: Arc::clone(jwks),
            clock: Arc::clone(clock),
            calls,
        }
    }

    /// What the provider says about `token`.
    pub(super) async fn ask(&self, token: &str) -> Result<Answer, Failure> {
        let step = kit::step!(
            span::INTROSPECTION_CALL,
            "sso.audience" = &*self.audience,
            "sso.outcome" = Empty
        );
        let started = Instant::now();
        let asked = self.call(token).instrument(step.clone()).await;
        let outcome = match &asked {
            Ok(Ok(_)) => OK,
            Ok(Err(_)) => "inactive",
            Err(failure) => failure.outcome(),
        };
        step.record("sso.outcome", outcome);
        self.calls.record(&[outcome], started.elapsed());
        asked
    }

    async fn call(&self, token: &str) -> Result<Answer, Failure> {
        let mut headers = HeaderMap::new();
        propagation::inject(&mut headers);
        let accept = match self.form {
            AnswerForm::Json => JSON_MEDIA_TYPE,
            AnswerForm::Jwt => JWT_MEDIA_TYPE,
        };
        let request = self
            .http
            .post(&self.endpoint)
            .headers(headers)
            .header(ACCEPT, accept)
            .header(AUTHORIZATION, self.credentials.expose_secret())
            .form(&[("token", token), ("token_type_hint", "access_token")]);
        let response = send_idempotent(request).await.map_err(ReadError::from)?;
        let status = response.status().as_u16();
        let is_jwt = is_of_type(&response, JWT_MEDIA_TYPE);
        let body = read_bounded(response).await?;
        if status != 200 {
            return Err(refused(status, &body));
        }
        let expected = Expected {
            issuer: self.jwks.owner(),
            audience: &self.audience,
            client_id: self.client_id,
        };
        Ok(match self.form {
            AnswerForm::Json => answer::json(&body, &expected)?,
            AnswerForm::Jwt if !is_jwt => return Err(Unusable::NoJwt.into()),
            AnswerForm::Jwt => answer::jwt(&body, &expected, &self.jwks, self.clock.now()).await?,
        })
    }
}

fn is_of_type(response: &Response, media_type: &str) -> bool {
    let found = response.headers().get(CONTENT_TYPE);
    let found = found.and_then(|value| value.to_str().ok());
    let found = found.and_then(|value| value.split(';').next());
    found.is_some_and(|found| found.trim().eq_ignore_ascii_case(media_type))
}

fn refused(status: u16, body: &[u8]) -> Failure {
    // RFC 6585 §4, RFC 9110 §15.6: may be retried, whatever the body.
    if matches!(status, 429 | 500..=599) {
        return Failure::Unreachable(format!("it answered {status}"));
    }
    let said = Members::read(body).ok();
    let code = said.as_ref().and_then(|said| said.needed("error").ok());
    let code = code.filter(|code| sounds_like_code(code));
    Failure::Refused(code.map_or_else(|| format!("status {status}"), ToOwned::to_owned))
}
