//! A program as an OAuth client: calls the token endpoint, pushes authorization
//! requests, calls APIs with its tokens.

mod client_auth;
mod proofs;
mod tokens;

use std::sync::Arc;

pub use client_auth::{AssertionKey, ClientAuth};
use kit::{
    clock::{Clock, SystemClock},
    net::Trust,
};
use proofs::Proofs;
use reqwest::{
    Method, RequestBuilder,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap},
};
use serde_json::Value;
use token_verify::dpop;
pub use token_verify::dpop::{ProofKey, ProofRequest};
pub use tokens::{Pkce, UnverifiedClaims, tampered};

use crate::TestCertificate;

/// The actor.
#[derive(Clone)]
pub struct Machine {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    /// The issuer, for assertions.
    provider: String,
    /// The address of its endpoints.
    at: String,
    auth: ClientAuth,
    proofs: Option<Proofs>,
}

/// A response of the provider or an API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|e| panic!("{}: no JSON ({e}): {}", self.status, self.body))
    }

    /// A string of the body.
    pub fn text(&self, name: &str) -> String {
        let json = self.json();
        json[name]
            .as_str()
            .unwrap_or_else(|| panic!("{}: no {name:?} in {json}", self.status))
            .to_owned()
    }

    /// The protocol's `error` (RFC 6749 §5.2); empty if there is none.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and `error`, for a comparison of both.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.error())
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Asserts success.
    pub fn granted(self) -> Self {
        assert_eq!(self.status, 200, "refused: {}", self.body);
        self
    }
}

impl Machine {
    /// A client of the provider at `issuer`.
    pub fn new(issuer: &str, auth: ClientAuth) -> Self {
        Self::with_clock(issuer, auth, Arc::new(SystemClock))
    }

    /// Dates assertions by `clock`.
    pub fn with_clock(issuer: &str, auth: ClientAuth, clock: Arc<dyn Clock>) -> Self {
        Self {
            http: kit::net::http_client(),
            clock,
            provider: issuer.to_owned(),
            at: issuer.to_owned(),
            auth,
            proofs: None,
        }
    }

    /// The program with a key: it sends a DPoP proof of it with each request for tokens
    /// (RFC 9449 §5), with the nonce that the server gave out last.
    pub fn with_key(&self, key: &ProofKey) -> Self {
        Self {
            proofs: Some(Proofs::new(key.clone(), Arc::clone(&self.clock))),
            ..self.clone()
        }
    }

    /// The program on the provider's mTLS port at `url`, whose certificate `ca` (PEM) has
    /// issued; with its own certificate or without.
    pub fn over_mtls(&self, url: &str, ca: &str, own: Option<&TestCertificate>) -> Self {
        let trust = Trust::in_pem(ca.as_bytes()).unwrap();
        let trust = match own {
            Some(own) => trust.identified_by(own.identity()),
            None => trust,
        };
        Self {
            at: url.to_owned(),
            ..self.clone().trusting(&trust)
        }
    }

    /// Accepts these certificate authorities.
    pub fn trusting(self, trust: &Trust) -> Self {
        Self {
            http: trust.http_client(),
            ..self
        }
    }

    /// The program as another client.
    pub fn identified_by(&self, auth: ClientAuth) -> Self {
        Self {
            auth,
            ..self.clone()
        }
    }

    /// A request to the token endpoint, with the client's authentication.
    pub async fn token(&self, parameters: &[(&str, &str)]) -> Answer {
        self.post_as_client("/token", parameters).await
    }

    /// A pushed authorization request (RFC 9126 §2.1).
    pub async fn push(&self, parameters: &[(&str, &str)]) -> Answer {
        self.post_as_client("/par", parameters).await
    }

    /// A device authorization request (RFC 8628 §3.1).
    pub async fn authorize_device(&self, scope: &str) -> Answer {
        self.post_as_client("/device_authorization", &[("scope", scope)])
            .await
    }

    /// The `device_code` grant (RFC 8628 §3.4).
    pub async fn poll(&self, device_code: &str) -> Answer {
        let parameters = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device_code),
        ];
        self.token(&parameters).await
    }

    /// The `authorization_code` grant (RFC 6749 §4.1.3).
    pub async fn redeem(&self, code: &str, redirect_uri: &str, verifier: &str) -> Answer {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.token(&parameters).await
    }

    /// The `refresh_token` grant (RFC 6749 §6), with the additional parameters `more`.
    pub async fn refresh(&self, refresh_token: &str, more: &[(&str, &str)]) -> Answer {
        let mut parameters = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        parameters.extend_from_slice(more);
        self.token(&parameters).await
    }

    /// The exchange of an access token (RFC 8693 §2.1), with the additional parameters `more`.
    pub async fn exchange(
        &self,
        subject_token: &str,
        audience: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let mut parameters = vec![
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("subject_token", subject_token),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("audience", audience),
        ];
        parameters.extend_from_slice(more);
        self.token(&parameters).await
    }

    /// Posts a form with the client's authentication.
    pub async fn post_as_client(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.post_accepting(path, parameters, "*/*").await
    }

    async fn post_accepting(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        accept: &str,
    ) -> Answer {
        let headers = [("accept", accept)];
        let Some(proofs) = &self.proofs else {
            return self.post_with(path, parameters, &headers).await;
        };
        let url = format!("{}{path}", self.provider);
        let proof = proofs.proof("POST", &url, None);
        let with_proof = [headers[0], (dpop::HEADER, proof.as_str())];
        let answer = self.post_with(path, parameters, &with_proof).await;
        if !proofs.learn(&url, &answer) {
            return answer;
        }
        let proof = proofs.proof("POST", &url, None);
        let with_proof = [headers[0], (dpop::HEADER, proof.as_str())];
        self.post_with(path, parameters, &with_proof).await
    }

    /// Posts a form with the client's authentication and these headers.
    pub async fn post_with(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut form: Vec<(String, String)> = parameters.iter().map(own).collect();
        let basic = self.auth.apply(&mut form, &self.provider, self.clock.now());
        let request = self.http.post(format!("{}{path}", self.at));
        let mut request = with_headers(request, headers).form(&form);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, basic);
        }
        answer(request).await
    }

    /// Asks whether `token` is active (RFC 7662 §2.1), with this header `Accept`.
    pub async fn introspect(&self, token: &str, accept: &str) -> Answer {
        self.post_accepting("/introspect", &[("token", token)], accept)
            .await
    }

    /// Posts `body` without authentication.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: String) -> Answer {
        answer(
            self.http
                .post(format!("{}{path}", self.at))
                .header(CONTENT_TYPE, content_type)
                .body(body),
        )
        .await
    }

    /// A `GET` request to the provider.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.http.get(format!("{}{path}", self.at))).await
    }

    /// A call with a bearer token (RFC 6750 §2.1), to any address.
    pub async fn call(&self, method: Method, url: &str, token: &str) -> Answer {
        answer(self.http.request(method, url).bearer_auth(token)).await
    }

    /// A call with a bound token and a proof of the program's key (RFC 9449 §7.1).
    ///
    /// # Panics
    /// If the program has no key.
    pub async fn call_bound(&self, method: Method, url: &str, token: &str) -> Answer {
        let proofs = self.proofs.as_ref().expect("a key: with_key");
        let authorization = format!("DPoP {token}");
        let authorization = ("authorization", authorization.as_str());
        let proof = proofs.proof(method.as_str(), url, Some(token));
        let headers = [authorization, (dpop::HEADER, proof.as_str())];
        let answer = self.call_with(method.clone(), url, &headers).await;
        if !proofs.learn(url, &answer) {
            return answer;
        }
        let proof = proofs.proof(method.as_str(), url, Some(token));
        let headers = [authorization, (dpop::HEADER, proof.as_str())];
        self.call_with(method, url, &headers).await
    }

    /// A call with these headers, and no others of the program's.
    pub async fn call_with(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
        answer(with_headers(self.http.request(method, url), headers)).await
    }

    /// A call with a bearer token and a JSON body.
    pub async fn call_json(&self, method: Method, url: &str, token: &str, json: &Value) -> Answer {
        answer(self.http.request(method, url).bearer_auth(token).json(json)).await
    }

    /// A call without any authentication.
    pub async fn call_unsigned(&self, method: Method, url: &str) -> Answer {
        answer(self.http.request(method, url)).await
    }
}

fn with_headers(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    let headers = headers.iter();
    headers.fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap_or_else(|e| panic!("{e:?}"));
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = kit::net::read_bounded(response).await.unwrap();
    Answer {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}
