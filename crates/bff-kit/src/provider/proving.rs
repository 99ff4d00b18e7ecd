//! The token endpoint's client: it adds a DPoP proof to each request, if the app's tokens
//! are bound to its key (RFC 9449 §5), and keeps the provider's nonces (§8.2).

use std::pin::Pin;

use oauth_types::ErrorCode;
use oidc_http::{Backchannel, CallError};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use token_verify::dpop::HEADER;

use super::{Provider, ProviderError};
use crate::prover::{Prover, Request, Server};

/// The client for one request.
pub(super) struct Proving<'p> {
    backchannel: &'p Backchannel,
    prover: Option<&'p Prover>,
}

impl Provider {
    /// The client of the token endpoint.
    pub(super) fn token_client(&self) -> Proving<'_> {
        Proving {
            backchannel: &self.backchannel,
            prover: self.prover(),
        }
    }

    /// What the provider answers to `ask`, which is asked once more after a lost answer, and
    /// once more with a new nonce.
    pub(super) async fn retried<T, F>(&self, ask: impl Fn() -> F) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let mut answer = ask().await;
        if matches!(answer, Err(ProviderError::Unavailable { .. })) {
            answer = ask().await;
        }
        self.with_new_nonce(answer, ask).await
    }

    /// `answer`, or that of `ask` if the provider refused a request because its proof has no
    /// nonce, or an old one (RFC 9449 §8). `ask` builds the request anew: an assertion in it
    /// counts once.
    pub(super) async fn with_new_nonce<T, F>(
        &self,
        answer: Result<T, ProviderError>,
        ask: impl Fn() -> F,
    ) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let refused = answer.as_ref().err();
        let needs_nonce = refused.is_some_and(|error| error.is_refused_as(ErrorCode::UseDpopNonce));
        if needs_nonce && self.prover.is_some() {
            ask().await
        } else {
            answer
        }
    }
}

impl Proving<'_> {
    pub(super) async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, CallError> {
        if let Some(prover) = self.prover {
            let url = request.uri().to_string();
            let proven = Request {
                server: Server::Provider,
                method: "POST",
                path: &url,
                token: None,
            };
            if let Some(proof) = prover.proof(proven) {
                request.headers_mut().insert(HEADER, proof);
            }
        }
        let answer = self.backchannel.send(request).await?;
        if let Some(prover) = self.prover {
            prover.learn(Server::Provider, answer.headers());
        }
        Ok(answer)
    }
}

impl<'c> AsyncHttpClient<'c> for Proving<'_> {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
