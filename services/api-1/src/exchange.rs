//! Token exchange (RFC 8693): exchanges the user's token for API-1 for a token for
//! API-2, with the user as the subject and API-1 as the actor. The same exchange is
//! available over gRPC and at the token endpoint.

use std::time::Instant;

use kit::{
    metrics::{Metrics, Timer},
    net::{ReadError, read_bounded, send_idempotent},
    telemetry::{
        items::{Items, Place},
        names::{OK, metric, span},
        propagation,
    },
};
use oauth_types::{
    BadMember, ErrorCode, Members,
    names::{grant, token_type},
    secret::basic,
    sounds_like_code,
};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use sso_proto::idp::{ExchangeRequest, token_exchange_client::TokenExchangeClient};
use token_verify::{Caller, refusal::MAX_TOKEN};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{Config, SERVICE};

/// The audience of the exchanged token.
const TARGET: &str = "https://api-2";

/// Why a token exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The identity provider refused with this OAuth error code.
    #[error("the identity provider refused the token exchange: {0}")]
    Refused(String),
    /// The identity provider did not answer, or asked to retry later.
    #[error("the identity provider cannot be reached: {0}")]
    Unreachable(String),
    /// The response contains no usable token.
    #[error("the identity provider's response is unusable: {0}")]
    Answer(&'static str),
    /// A member of the response is unusable.
    #[error("the identity provider's response is unusable: {0}")]
    Member(#[from] BadMember),
}

/// The client for token exchanges.
pub(crate) struct Exchange {
    grpc: TokenExchangeClient<Channel>,
    http: reqwest::Client,
    token_endpoint: String,
    credentials: SecretString,
    calls: Timer,
}

impl Exchange {
    pub(crate) fn new(config: &Config, metrics: &Metrics) -> Result<Self, tonic::transport::Error> {
        let issuer = &config.server.issuer;
        let token_endpoint = issuer.reach(&issuer.below("/token"));
        let channel = config.trust.grpc_channel(&config.idp_grpc_url)?;
        Ok(Self {
            grpc: TokenExchangeClient::new(channel).max_decoding_message_size(4 * MAX_TOKEN),
            http: config.trust.http_client(),
            token_endpoint,
            credentials: basic(SERVICE, config.client_secret.expose_secret()).into(),
            calls: metrics.timer(&metric::TOKEN_CALLS),
        })
    }

    /// Gets a token for `caller` with `scope` at API-2, over gRPC.
    pub(crate) async fn by_grpc(
        &self,
        caller: &Caller,
        scope: &str,
    ) -> Result<SecretString, ExchangeError> {
        let exchanged = self.call_grpc(caller, scope);
        let step = step("grpc");
        self.traced(grant::TOKEN_EXCHANGE, step, exchanged).await
    }

    /// Gets a token for `caller` with `scope` at API-2, from the token endpoint.
    pub(crate) async fn by_http(
        &self,
        caller: &Caller,
        scope: &str,
    ) -> Result<SecretString, ExchangeError> {
        let exchanged = self.call_http(caller, scope);
        let step = step("http");
        self.traced(grant::TOKEN_EXCHANGE, step, exchanged).await
    }

    /// Gets a token of API-1 itself with `scope` at API-2, for a caller that brought no
    /// token (RFC 6749 §4.4).
    pub(crate) async fn own(&self, scope: &str) -> Result<SecretString, ExchangeError> {
        let step = kit::step!(
            span::OWN_TOKEN,
            "sso.audience" = TARGET,
            "sso.outcome" = Empty
        );
        let asked = self.call_own(scope);
        self.traced(grant::CLIENT_CREDENTIALS, step, asked).await
    }

    async fn traced(
        &self,
        grant: &'static str,
        step: Span,
        exchanged: impl Future<Output = Result<SecretString, ExchangeError>>,
    ) -> Result<SecretString, ExchangeError> {
        let started = Instant::now();
        let exchanged = exchanged.instrument(step.clone()).await;
        let (outcome, in_a_metric) = outcome_of(&exchanged);
        step.record("sso.outcome", outcome);
        if let Err(error) = &exchanged {
            let (call, client) = (grant, SERVICE);
            tracing::warn!(call, client, error = outcome, "{error}");
        }
        let labels = [grant, in_a_metric];
        self.calls.record(&labels, started.elapsed());
        exchanged
    }

    async fn call_grpc(&self, caller: &Caller, scope: &str) -> Result<SecretString, ExchangeError> {
        // Only the response carries the effect, so the exchange may be repeated.
        let exchange = async || {
            let message = ExchangeRequest {
                audience: vec![TARGET.to_owned()],
                scope: scope.to_owned(),
                requested_token_type: token_type::ACCESS_TOKEN.to_owned(),
                subject_token: caller.token().expose_secret().to_owned(),
                subject_token_type: token_type::ACCESS_TOKEN.to_owned(),
                ..ExchangeRequest::default()
            };
            let credentials = self.credentials.expose_secret();
            let request = grpc_kit::authorized(message, credentials)
                .map_err(|_| Status::internal("the client's credentials are not valid metadata"))?;
            self.grpc.clone().exchange(request).await
        };
        if let Some(items) = Items::of_current() {
            record_exchange(items, caller, scope);
        }
        let answer = grpc_kit::call_idempotent(exchange).await;
        let answer = answer
            .map_err(|status| refused_by_grpc(&status))?
            .into_inner();
        if let Some(mut items) = Items::of_current() {
            items.value(Place::Json, "access_token", &answer.access_token);
            items.value(Place::Json, "issued_token_type", &answer.issued_token_type);
            items.record_response(&Span::current());
        }
        check(Answer {
            access_token: answer.access_token,
            token_type: &answer.token_type,
            issued_token_type: Some(&answer.issued_token_type),
            expires_in: answer.expires_in,
        })
    }

    async fn call_http(&self, caller: &Caller, scope: &str) -> Result<SecretString, ExchangeError> {
        let form = [
            ("grant_type", grant::TOKEN_EXCHANGE),
            ("audience", TARGET),
            ("scope", scope),
            ("requested_token_type", token_type::ACCESS_TOKEN),
            ("subject_token", caller.token().expose_secret()),
            ("subject_token_type", token_type::ACCESS_TOKEN),
        ];
        self.request(&form, None).await
    }

    async fn call_own(&self, scope: &str) -> Result<SecretString, ExchangeError> {
        let form = [
            ("grant_type", grant::CLIENT_CREDENTIALS),
            ("resource", TARGET),
            ("scope", scope),
        ];
        // RFC 6749 §5.1: nothing else is issued.
        self.request(&form, Some(token_type::ACCESS_TOKEN)).await
    }

    /// The token that the token endpoint issues for `form`. `issued`: its type, if the
    /// response does not name it.
    async fn request(
        &self,
        form: &[(&str, &str)],
        issued: Option<&str>,
    ) -> Result<SecretString, ExchangeError> {
        let body = self.post(form).await?;
        let answer = Members::read(&body)?;
        let token_type = answer.needed("token_type")?;
        let issued_token_type = match issued {
            Some(issued) => Some(issued),
            None => answer.text("issued_token_type")?,
        };
        check(Answer {
            token_type,
            issued_token_type,
            // RFC 8693 §2.2.1: this member is optional.
            expires_in: u64::try_from(answer.seconds("expires_in")?.unwrap_or(1)).unwrap_or(0),
            access_token: answer.needed("access_token")?.to_owned(),
        })
    }

    /// The body of a successful answer of the token endpoint to `form`.
    async fn post(&self, form: &[(&str, &str)]) -> Result<Vec<u8>, ExchangeError> {
        if let Some(mut items) = Items::of_current() {
            for (name, value) in form {
                items.value(Place::Form, name, value);
            }
            items.record_request(&Span::current());
        }
        let mut headers = HeaderMap::new();
        propagation::inject(&mut headers);
        let request = self
            .http
            .post(&self.token_endpoint)
            .headers(headers)
            .header("authorization", self.credentials.expose_secret())
            .form(form);
        let unreachable = |e: ReadError| ExchangeError::Unreachable(e.to_string());
        let response = send_idempotent(request)
            .await
            .map_err(|e| unreachable(e.into()))?;
        let status = response.status().as_u16();
        let body = read_bounded(response).await.map_err(unreachable)?;
        if let Some(mut items) = Items::of_current() {
            items.json(&body);
            items.record_response(&Span::current());
        }
        if status != 200 {
            return Err(refused_by_http(status, &body));
        }
        Ok(body)
    }
}

/// Records what an exchange over gRPC carries.
fn record_exchange(mut items: Items, caller: &Caller, scope: &str) {
    for (name, value) in [
        ("audience", TARGET),
        ("scope", scope),
        ("subject_token", caller.token().expose_secret()),
        ("subject_token_type", token_type::ACCESS_TOKEN),
    ] {
        items.value(Place::Form, name, value);
    }
    items.record_request(&Span::current());
}

/// The span of an exchange.
fn step(transport: &'static str) -> Span {
    kit::step!(
        span::TOKEN_EXCHANGE,
        "sso.audience" = TARGET,
        "network.protocol.name" = transport,
        "sso.outcome" = Empty
    )
}

/// The outcome, for the span and for the metric's closed list of values.
fn outcome_of(exchanged: &Result<SecretString, ExchangeError>) -> (&str, &'static str) {
    match exchanged {
        Ok(_) => (OK, OK),
        Err(ExchangeError::Refused(code)) if code == ErrorCode::InvalidGrant.as_str() => {
            (code, ErrorCode::InvalidGrant.as_str())
        }
        Err(ExchangeError::Refused(code)) => (code, "refused"),
        Err(ExchangeError::Unreachable(_)) => ("unavailable", "unavailable"),
        Err(ExchangeError::Answer(_) | ExchangeError::Member(_)) => ("unusable", "unusable"),
    }
}

fn refused_by_grpc(status: &Status) -> ExchangeError {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            ExchangeError::Unreachable(status.message().chars().take(200).collect())
        }
        _ => {
            let reason = status.get_details_error_info().map(|info| info.reason);
            let code = reason.filter(|reason| sounds_like_code(reason));
            ExchangeError::Refused(code.unwrap_or_else(|| format!("{:?}", status.code())))
        }
    }
}

fn refused_by_http(status: u16, body: &[u8]) -> ExchangeError {
    // RFC 6585 §4, RFC 9110 §15.6.4: may be retried, whatever the body.
    if matches!(status, 429 | 502..=504) {
        return ExchangeError::Unreachable(format!("it answered {status}"));
    }
    let said = Members::read(body).ok();
    let code = said.as_ref().and_then(|said| said.needed("error").ok());
    let code = code
        .filter(|code| sounds_like_code(code))
        .map(ToOwned::to_owned);
    ExchangeError::Refused(code.unwrap_or_else(|| format!("status {status}")))
}

struct Answer<'a> {
    access_token: String,
    token_type: &'a str,
    issued_token_type: Option<&'a str>,
    expires_in: u64,
}

/// RFC 8693 §2.2.1: the response has an access token of type Bearer that has not
/// expired.
fn check(answer: Answer<'_>) -> Result<SecretString, ExchangeError> {
    if !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err(ExchangeError::Answer("its token_type is not Bearer"));
    }
    if answer.issued_token_type != Some(token_type::ACCESS_TOKEN) {
        return Err(ExchangeError::Answer("it is not an access token"));
    }
    if answer.expires_in == 0 {
        return Err(ExchangeError::Answer("the token has already expired"));
    }
    if answer.access_token.is_empty() || answer.access_token.len() > MAX_TOKEN {
        return Err(ExchangeError::Answer("the token is empty or too long"));
    }
    Ok(answer.access_token.into())
}

#[cfg(test)]
mod unit {
    use super::*;

    fn good() -> Answer<'static> {
        Answer {
            access_token: "t".into(),
            token_type: "bearer",
            issued_token_type: Some(token_type::ACCESS_TOKEN),
            expires_in: 1,
        }
    }

    #[test]
    fn rfc8693_2_2_1_only_a_live_bearer_access_token_is_taken() {
        assert!(check(good()).is_ok());
        let wrong = [
            Answer {
                token_type: "N_A",
                ..good()
            },
            Answer {
                issued_token_type: Some(token_type::ID_TOKEN),
                ..good()
            },
            Answer {
                issued_token_type: None,
                ..good()
            },
            Answer {
                expires_in: 0,
                ..good()
            },
            Answer {
                access_token: String::new(),
                ..good()
            },
            Answer {
                access_token: "t".repeat(MAX_TOKEN + 1),
                ..good()
            },
        ];
        for answer in wrong {
            assert!(check(answer).is_err());
        }
    }

    #[test]
    fn an_error_code_that_is_none_is_not_passed_on() {
        let strange = br#"{"error": "<script>"}"#;
        let ExchangeError::Refused(code) = refused_by_http(400, strange) else {
            panic!("refused")
        };
        assert_eq!(code, "status 400");
        let overloaded = refused_by_http(503, br#"{"error": "temporarily_unavailable"}"#);
        assert!(matches!(overloaded, ExchangeError::Unreachable(_)));
    }
}
