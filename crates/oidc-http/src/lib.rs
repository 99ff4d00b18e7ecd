//! The HTTP client with which `openidconnect` calls the identity provider. The issuer
//! is the address that browsers see; a program may have to connect to another one. Only
//! the address of the connection changes: `iss` and the metadata's issuer are still
//! compared with the issuer.

use std::{pin::Pin, sync::Arc};

use http::{
    HeaderMap,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use kit::{
    config::Site,
    lab_control::Control,
    net,
    telemetry::{
        items::{Items, Place},
        propagation,
    },
};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use token_verify::Issuer;
use tracing::Span;

/// The longest `Retry-After` that is passed on, in seconds.
const MAX_RETRY_AFTER: u64 = 60;

/// The client for calls to the provider.
#[derive(Clone, Debug)]
pub struct Backchannel {
    http: reqwest::Client,
    issuer: Issuer,
    /// In a lab: remembers the failures that the provider names in its answers.
    control: Option<Arc<Control>>,
}

/// Why a call got no response of the protocol.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No connection, or no complete response in time.
    #[error("{0}")]
    Unreachable(String),
    /// A server error, or too many requests.
    #[error("status {status}")]
    Busy {
        /// The status.
        status: u16,
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// Longer than [`net::MAX_ANSWER`].
    #[error("the answer is too long")]
    TooLarge,
}

impl Backchannel {
    /// A client for calls to `issuer`, at its internal address.
    pub fn new(issuer: Issuer) -> Self {
        Self {
            http: issuer.http_client(),
            issuer,
            control: None,
        }
    }

    /// In a lab: `control` remembers the failures that the provider names in its answers.
    #[must_use]
    pub fn noting_failures_in(self, control: Option<Arc<Control>>) -> Self {
        Self { control, ..self }
    }

    /// One call, within the time that `kit::net` allows.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let (parts, body) = request.into_parts();
        let is_safe = parts.method.is_safe();
        let mut headers = parts.headers;
        // Metadata and keys are no part of a step.
        let is_recorded = !is_safe;
        if is_recorded {
            record_request(&headers, &body);
        }
        propagation::inject(&mut headers);
        let call = self
            .http
            .request(parts.method, self.issuer.reach(&parts.uri.to_string()));
        let call = call.headers(headers).body(body);
        let answer = if is_safe {
            net::send_idempotent(call).await
        } else {
            net::send_retry_connect(call).await
        };
        let answer = answer.map_err(|error| unreachable(&error))?;
        if let Some(control) = &self.control {
            control.note_peer_failures(Site::Idp, answer.headers());
        }
        let status = answer.status();
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            let said = answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok());
            let retry_after = said.and_then(|value| value.parse().ok()).unwrap_or(1);
            let retry_after = retry_after.clamp(1, MAX_RETRY_AFTER);
            return Err(CallError::Busy {
                status: status.as_u16(),
                retry_after,
            });
        }
        let mut headers = answer.headers().clone();
        // The body is read as JSON, whatever its declared type.
        headers.remove(CONTENT_TYPE);
        let body = net::read_bounded(answer)
            .await
            .map_err(|error| match error {
                net::ReadError::Http(error) => unreachable(&error),
                net::ReadError::TooLarge => CallError::TooLarge,
            })?;
        if is_recorded && let Some(mut items) = Items::of_current() {
            items.json(&body);
            items.record_response(&Span::current());
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Records on the current span what a journey's call carries.
fn record_request(headers: &HeaderMap, body: &[u8]) {
    let Some(mut items) = Items::of_current() else {
        return;
    };
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(authorization) = value("authorization") {
        items.authorization(authorization);
    }
    if let Some(proof) = value("dpop") {
        items.value(Place::Header, "DPoP", proof);
    }
    items.parameters(Place::Form, body);
    items.record_request(&Span::current());
}

fn unreachable(error: &reqwest::Error) -> CallError {
    CallError::Unreachable(net::why(error))
}

impl<'c> AsyncHttpClient<'c> for Backchannel {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
