//! A form posted to one of the provider's endpoints, with the client authentication of
//! the token endpoint: for the endpoints that openidconnect does not know.

use http::{HeaderValue, Method, StatusCode, header};
use oauth_types::Members;
use openidconnect::{HttpRequest, HttpResponse, http};
use secrecy::ExposeSecret as _;
use url::form_urlencoded;

use super::{Provider, ProviderError, types::ErrorAnswer};

impl Provider {
    /// Posts `params` to `endpoint` for `call`; returns the response if its status is
    /// `expected`.
    pub(super) async fn post(
        &self,
        call: &'static str,
        endpoint: &str,
        params: &[(&str, &str)],
        expected: StatusCode,
    ) -> Result<HttpResponse, ProviderError> {
        let answer = self.post_now(endpoint, params, expected).await;
        self.logged(call, answer)
    }

    async fn post_now(
        &self,
        endpoint: &str,
        params: &[(&str, &str)],
        expected: StatusCode,
    ) -> Result<HttpResponse, ProviderError> {
        let mut request = HttpRequest::new(self.form(params)?.into_bytes());
        *request.method_mut() = Method::POST;
        let invalid = |why: &dyn std::fmt::Display| {
            ProviderError::Invalid(format!("a call to {endpoint}: {why}"))
        };
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
        if answer.status() != expected {
            let said = Members::read(answer.body()).ok();
            let refused = said.as_ref().and_then(ErrorAnswer::read);
            return Err(refused.map_or_else(|| invalid(&answer.status()), Into::into));
        }
        Ok(answer)
    }

    fn form(&self, params: &[(&str, &str)]) -> Result<String, ProviderError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(params);
        form.extend_pairs(self.auth_params()?);
        Ok(form.finish())
    }
}

/// RFC 6749 §2.3.1: id and secret are form-encoded, then joined.
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
