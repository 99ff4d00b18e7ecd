//! Pushed authorization requests (RFC 9126): openidconnect has none, so the
//! push is a call of our own.

use http::{HeaderValue, Method, header};
use oauth_types::ErrorBody;
use openidconnect::{HttpRequest, http};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use tracing::Instrument as _;
use url::form_urlencoded;

use super::{Provider, ProviderError};

/// The most bytes of a `request_uri` that is taken over into a redirect.
const MAX_REQUEST_URI: usize = 1024;

#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
}

impl Provider {
    /// Pushes an authorization request and gives its `request_uri` (RFC 9126 §2.2).
    pub(crate) async fn push(
        &self,
        params: &[(&'static str, String)],
    ) -> Result<String, ProviderError> {
        let span = kit::step!(kit::telemetry::names::span::PAR_PUSH);
        self.push_now(params).instrument(span).await
    }

    async fn push_now(&self, params: &[(&'static str, String)]) -> Result<String, ProviderError> {
        let known = self.known().await?;
        let endpoint = known
            .metadata
            .additional_metadata()
            .pushed_authorization_request_endpoint
            .as_ref();
        let endpoint = endpoint.ok_or_else(|| {
            ProviderError::Invalid("its metadata names no endpoint for pushed requests".to_owned())
        })?;
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(params);
        body.extend_pairs(self.auth_params()?);
        let mut request = HttpRequest::new(body.finish().into_bytes());
        *request.method_mut() = Method::POST;
        let invalid =
            |why: &dyn std::fmt::Display| ProviderError::Invalid(format!("pushing: {why}"));
        *request.uri_mut() = endpoint.parse().map_err(|e| invalid(&e))?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        if let Some(secret) = self.settings.auth.secret() {
            let basic = basic(&self.settings.client_id, secret.expose_secret());
            let mut basic = HeaderValue::try_from(basic).map_err(|e| invalid(&e))?;
            basic.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, basic);
        }
        let answer = self.backchannel.send(request).await?;
        if answer.status() != http::StatusCode::CREATED {
            return Err(match serde_json::from_slice::<ErrorBody>(answer.body()) {
                Ok(said) => ProviderError::Refused { code: said.error },
                Err(_) => invalid(&answer.status()),
            });
        }
        let pushed: Pushed = serde_json::from_slice(answer.body()).map_err(|e| invalid(&e))?;
        if pushed.request_uri.is_empty() || pushed.request_uri.len() > MAX_REQUEST_URI {
            return Err(invalid(&"the request_uri is empty or too long"));
        }
        Ok(pushed.request_uri)
    }
}

/// RFC 6749 §2.3.1: id and secret are form-encoded before they are joined.
fn basic(client_id: &str, secret: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_2_3_1_id_and_secret_are_form_encoded_first() {
        // "a%3Ab:c+d" in base64.
        assert_eq!(basic("a:b", "c d"), "Basic YSUzQWI6Yytk");
    }
}
