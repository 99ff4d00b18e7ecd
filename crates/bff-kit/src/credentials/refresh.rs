//! `refresh`: the user's own access token for the API, by the refresh token of the
//! session. One refresh token is good for every API (RFC 8707 §2.2).

use crate::{
    audiences::Audience,
    provider::{AudienceBy, Grant, Provider, ProviderError},
};

/// The tokens for `refresh_token`; the access token is meant to be for `audience`.
pub(crate) async fn redeem(
    provider: &Provider,
    refresh_token: &str,
    audience: &Audience,
    by: AudienceBy,
) -> Result<Grant, ProviderError> {
    provider
        .redeem_refresh(refresh_token, audience.uri, by)
        .await
}

/// Whether the access token of `grant` is for `audience`. Some providers issue a token
/// for a default audience where they do not know the requested one; an opaque token does
/// not say.
pub(crate) fn is_for(grant: &Grant, audience: &Audience) -> bool {
    let is_for = grant.access_token.unverified_audience();
    is_for.is_none_or(|aud| aud.contains(audience.uri))
}
