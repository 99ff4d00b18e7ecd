//! `token_exchange` (RFC 8693): the app exchanges the user's access token for one to the
//! API, with the app as the actor. The subject token is the one that the app holds since
//! the login; the provider's policy allows the app its own tokens alone
//! (`exchanges[].own_tokens`).

use kit::telemetry::names::span;
use oauth_types::names::{grant, token_type};
use tracing::{Instrument as _, field::Empty};

use super::clients::Client;
use crate::{
    audiences::Audience,
    bearer::Bearer,
    provider::{Grant, ProviderError},
};

impl Client<'_> {
    /// A token for `audience` in exchange for `subject`.
    pub(super) async fn exchange(
        self,
        subject: &Bearer,
        audience: &Audience,
    ) -> Result<Grant, ProviderError> {
        let span = kit::step!(
            span::EXCHANGE,
            "sso.audience" = audience.uri,
            "sso.grant" = grant::TOKEN_EXCHANGE,
            "sso.outcome" = Empty
        );
        let params = || -> Result<_, ProviderError> {
            Ok(vec![
                ("subject_token", subject.token().to_owned()),
                ("subject_token_type", token_type::ACCESS_TOKEN.to_owned()),
                ("requested_token_type", token_type::ACCESS_TOKEN.to_owned()),
            ])
        };
        self.request(grant::TOKEN_EXCHANGE, audience, params)
            .instrument(span)
            .await
    }
}
