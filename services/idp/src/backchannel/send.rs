//! One attempt to notify a client (Back-Channel Logout 1.0 §2.5).

use std::time::Duration;

use kit::{
    net::{AddressOverrides, Trust},
    telemetry::{
        items::{Items, Place},
        propagation,
    },
};
use reqwest::{Method, StatusCode, header::HeaderMap};
use tracing::Span;
use url::Url;

/// How long a client may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends logout tokens.
pub(super) struct Sender {
    http: reqwest::Client,
    reach: AddressOverrides,
}

/// Why a delivery failed. §2.8: every failure is retried.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No connection, or no response in time.
    #[error("the client is unreachable: {0}")]
    Unreachable(String),
    /// The client refused it, or failed.
    #[error("the client answered {0}")]
    Answered(StatusCode),
    /// The token could not be signed.
    #[error(transparent)]
    Unsigned(#[from] crate::keys::SignError),
}

impl Sender {
    pub(super) fn new(reach: AddressOverrides, trust: &Trust) -> Self {
        Self {
            http: trust.http_client(),
            reach,
        }
    }

    pub(super) async fn post(&self, uri: &Url, logout_token: &str) -> Result<(), Failure> {
        if let Some(mut items) = Items::of_current() {
            items.value(Place::Form, "logout_token", logout_token);
            items.record_request(&Span::current());
        }
        let mut headers = HeaderMap::new();
        propagation::inject(&mut headers);
        let request = self.reach.request(&self.http, Method::POST, uri);
        let sent = request
            .headers(headers)
            .timeout(TIMEOUT)
            .form(&[("logout_token", logout_token)])
            .send();
        let answer = sent.await;
        let answer = answer.map_err(|error| Failure::Unreachable(kit::net::why(&error)))?;
        match answer.status() {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            other => Err(Failure::Answered(other)),
        }
    }
}
