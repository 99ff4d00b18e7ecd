//! The token endpoint, by the grants that openidconnect does not know.

use http::StatusCode;
use openidconnect::http;

use super::{
    AsClient, AudienceBy, Grant, Provider, ProviderError, call::as_expected, metadata::Metadata,
    token::read,
};
use crate::{audiences, client_auth::ClientKey};

impl AsClient<'_> {
    /// Where it asks for tokens.
    fn token_endpoint(self, metadata: &Metadata) -> Result<String, ProviderError> {
        let Some(own) = self.auth.certificate() else {
            return Ok(metadata.token_endpoint.clone());
        };
        let alias = metadata.mtls_token_endpoint.as_deref();
        alias.and_then(|alias| own.reach(alias)).ok_or_else(|| {
            let what = "discovery: it has no token endpoint for clients with a certificate \
                        (mtls_endpoint_aliases, RFC 8705 section 5)";
            ProviderError::Invalid(what.to_owned())
        })
    }
}

impl AudienceBy {
    /// The parameters that name `audience` for a new access token.
    pub(crate) fn params(self, audience: &str) -> Vec<(&'static str, String)> {
        match self {
            Self::Resource => vec![("resource", audience.to_owned())],
            Self::Audience => vec![("audience", audience.to_owned())],
            Self::Scope => vec![("scope", audiences::scope_of(audience).to_string())],
        }
    }
}

impl Provider {
    /// An access token for `client`, by `grant` with the parameters that `params` makes.
    /// After a lost answer it asks once more: nothing at the provider counts these grants,
    /// apart from an assertion's `jti`, and `params` makes a new one.
    pub(crate) async fn request_token(
        &self,
        client: AsClient<'_>,
        grant: &'static str,
        params: impl Fn() -> Result<Vec<(&'static str, String)>, ProviderError>,
    ) -> Result<Grant, ProviderError> {
        let ask = || async { self.request_once(client, grant, params()?).await };
        self.timed(client.id, grant, self.retried(ask)).await
    }

    async fn request_once(
        &self,
        client: AsClient<'_>,
        grant: &'static str,
        params: Vec<(&'static str, String)>,
    ) -> Result<Grant, ProviderError> {
        let discovery = self.discovery().await?;
        let asked_at = self.clock.now();
        let mut all = vec![("grant_type", grant)];
        all.extend(params.iter().map(|(name, value)| (*name, value.as_str())));
        let endpoint = client.token_endpoint(&discovery.metadata)?;
        let request = self.form_request(client, &endpoint, &all)?;
        let certificate = client.auth.certificate();
        let answer = match certificate {
            Some(own) => own.backchannel().send(request).await?,
            None => self.token_client().send(request).await?,
        };
        let answer = as_expected(answer, &endpoint, StatusCode::OK)?;
        let answer = serde_json::from_slice(answer.body()).map_err(|error| {
            // The error names a member, never its value.
            ProviderError::Invalid(format!("the token answer cannot be read: {error}"))
        })?;
        match certificate {
            // Bound by the connection, so that no proof comes with it (RFC 8705 §3).
            Some(_) => read(&answer, asked_at),
            None => self.read(&answer, asked_at),
        }
    }

    /// An assertion of the client `client_id` about `sub` (RFC 7523 §3), signed by `key`.
    pub(crate) fn assertion(
        &self,
        key: &ClientKey,
        client_id: &str,
        sub: &str,
    ) -> Result<String, ProviderError> {
        let now = self.clock.now();
        let signed = key.assertion(client_id, sub, self.issuer(), now, &*self.random);
        signed.map_err(|error| {
            ProviderError::Invalid(format!("the assertion cannot be signed: {error}"))
        })
    }
}
