//! The checks of an authorization request. [`check`] runs them in order. Each check has
//! its own file, reads the parameters that concern it and returns what they mean. The
//! first refusal goes back to the client.

mod bounds;
mod dpop;
mod hints;
mod pkce;
mod prompt;
mod request_object;
mod resource;
mod response_type;
mod scope;

#[cfg(test)]
pub use bounds::MAX_REQUEST;
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::{ErrorCode, Params, Scope, params::BadParams};
pub use prompt::PROMPTS;
pub use response_type::{RESPONSE_MODE, RESPONSE_TYPE};
use tracing::field::Empty;

use crate::{
    Idp, domain::AuthorizationRequest, error::OAuthError, settings::Client,
    token_binding::TokenBinding,
};

/// An error for the client, with a sentence for its developer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// The sentence.
    pub description: String,
}

impl Refusal {
    /// With a sentence.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }
}

impl From<BadParams> for Refusal {
    fn from(error: BadParams) -> Self {
        Self::new(ErrorCode::InvalidRequest, error.to_string())
    }
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.description)
    }
}

/// The scope and the audiences that `params` request, as far as `client` may have them.
pub fn requested_access(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<(Scope, Vec<String>), Refusal> {
    let scope = scope::scope(idp, client, params)?;
    let audiences = resource::audiences(idp, client, params, &scope)?;
    Ok((scope, audiences))
}

/// The checked request in `params`, or the first refusal. `proven`: the key of which the
/// client has proven possession.
pub fn check(
    idp: &Idp,
    client: &Client,
    params: &Params,
    redirect_uri: &str,
    proven: &TokenBinding,
) -> Result<AuthorizationRequest, Refusal> {
    request_object::check(params)?;
    response_type::check(params)?;
    let state = params.one("state")?.map(str::to_owned);
    let nonce = bounds::nonce(params)?;
    let code_challenge = pkce::code_challenge(client, params, idp.weaknesses)?;
    let dpop_jkt = dpop::key(params, proven)?;
    let (scope, audiences) = requested_access(idp, client, params)?;
    let prompt = prompt::prompts(params)?;
    let max_age = prompt::max_age(params)?;
    let login_hint = hints::login_hint(params)?;
    let expected_sub = hints::expected_sub(idp, client, params)?;
    let request = AuthorizationRequest {
        client_id: client.client_id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scope,
        audiences,
        state,
        nonce,
        code_challenge,
        dpop_jkt,
        prompt,
        max_age,
        login_hint,
        expected_sub,
        pushed: None,
    };
    bounds::check_size(&request)?;
    Ok(request)
}

/// [`check`] in a span of its own.
pub fn check_in_span(
    idp: &Idp,
    client: &Client,
    params: &Params,
    redirect_uri: &str,
    proven: &TokenBinding,
) -> Result<AuthorizationRequest, Refusal> {
    let step = step!(
        span::AUTHORIZE_CHECK,
        "sso.client_id" = client.client_id,
        "sso.outcome" = Empty
    );
    let checked = step.in_scope(|| check(idp, client, params, redirect_uri, proven));
    let outcome = checked.as_ref().err().map_or(OK, |why| why.code.as_str());
    step.record("sso.outcome", outcome);
    checked
}
