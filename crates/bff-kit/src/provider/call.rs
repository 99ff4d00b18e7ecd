//! A form posted to one of the provider's endpoints, with the client authentication of
//! the token endpoint: for the endpoints that openidconnect does not know.

use http::{HeaderValue, Method, StatusCode, header};
use oauth_types::{Members, secret::basic};
use openidconnect::{HttpRequest, HttpResponse, http};
use secrecy::ExposeSecret as _;
use url::form_urlencoded;

use super::{Provider, ProviderError, types::ErrorAnswer};
use crate::client_auth::ClientAuth;

/// A client of the provider, in a call.
#[derive(Clone, Copy)]
pub(crate) struct AsClient<'a> {
    /// Its client_id.
    pub(crate) id: &'a str,
    /// How it authenticates.
    pub(crate) auth: &'a ClientAuth,
}

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
        let client = self.own_client();
        let answer = self.post_as(client, endpoint, params, expected).await;
        Self::logged(client.id, call, answer)
    }

    /// The same as `client`, unlogged.
    pub(super) async fn post_as(
        &self,
        client: AsClient<'_>,
        endpoint: &str,
        params: &[(&str, &str)],
        expected: StatusCode,
    ) -> Result<HttpResponse, ProviderError> {
        let request = self.form_request(client, endpoint, params)?;
        let answer = self.backchannel.send(request).await?;
        as_expected(answer, endpoint, expected)
    }

    /// Such a request.
    pub(super) fn form_request(
        &self,
        client: AsClient<'_>,
        endpoint: &str,
        params: &[(&str, &str)],
    ) -> Result<HttpRequest, ProviderError> {
        let invalid = |why: &dyn std::fmt::Display| invalid(endpoint, why);
        let mut request = HttpRequest::new(self.form(client, params)?.into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.parse().map_err(|e| invalid(&e))?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        if let Some(secret) = client.auth.secret() {
            let basic = basic(client.id, secret.expose_secret());
            let mut basic = HeaderValue::try_from(basic).map_err(|e| invalid(&e))?;
            basic.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, basic);
        }
        Ok(request)
    }

    fn form(&self, client: AsClient<'_>, params: &[(&str, &str)]) -> Result<String, ProviderError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(params);
        form.extend_pairs(self.auth_params(client)?);
        Ok(form.finish())
    }
}

/// The response, if its status is `expected`; otherwise what it says.
pub(super) fn as_expected(
    answer: HttpResponse,
    endpoint: &str,
    expected: StatusCode,
) -> Result<HttpResponse, ProviderError> {
    if answer.status() == expected {
        return Ok(answer);
    }
    let said = Members::read(answer.body()).ok();
    let refused = said.as_ref().and_then(ErrorAnswer::read);
    Err(refused.map_or_else(|| invalid(endpoint, &answer.status()), Into::into))
}

fn invalid(endpoint: &str, why: &dyn std::fmt::Display) -> ProviderError {
    ProviderError::Invalid(format!("a call to {endpoint}: {why}"))
}
