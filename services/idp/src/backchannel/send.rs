//! One attempt to tell an app (Back-Channel Logout 1.0 §2.5).

use std::time::Duration;

use kit::{
    net::{AddressOverrides, Trust},
    telemetry::propagation,
};
use reqwest::{Method, StatusCode, header::HeaderMap};
use url::Url;

/// How long an app may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How apps are reached.
pub(super) struct Sender {
    http: reqwest::Client,
    reach: AddressOverrides,
}

/// Why an app does not know yet. §2.8: whatever it is, it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No connection, or no answer in time.
    #[error("it is not reached: {0}")]
    Unreachable(String),
    /// It refused, or could not do it.
    #[error("it answered {0}")]
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
        let mut headers = HeaderMap::new();
        propagation::inject(&mut headers);
        let request = self.reach.request(&self.http, Method::POST, uri);
        let sent = request
            .headers(headers)
            .timeout(PATIENCE)
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
