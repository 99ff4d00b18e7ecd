//! What an authorization request is checked for, in this order. Each check has
//! a file of its own. An error goes back to the client.

mod bounds;
mod hints;
mod pkce;
mod prompt;
mod request_object;
mod resource;
mod response_type;
mod scope;

#[cfg(test)]
pub use bounds::MAX_REQUEST;
use oauth_types::{ErrorCode, Scope};

use crate::{
    domain::AuthorizationRequest,
    params::{BadParams, Params},
    settings::Client,
    state::Idp,
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

/// A check reads the parameters and writes what it found into the request.
type Check = fn(&Asked<'_>, &mut AuthorizationRequest) -> Result<(), Refusal>;

const CHECKS: [Check; 9] = [
    request_object::check,
    response_type::check,
    bounds::check,
    pkce::check,
    scope::check,
    resource::check,
    prompt::check,
    hints::check,
    bounds::check_size,
];

/// What the checks look at.
struct Asked<'a> {
    idp: &'a Idp,
    client: &'a Client,
    params: &'a Params,
}

/// Runs all checks: the request as it was understood, or the first refusal.
pub fn check(
    idp: &Idp,
    client: &Client,
    params: &Params,
    redirect_uri: &str,
) -> Result<AuthorizationRequest, Refusal> {
    let asked = Asked {
        idp,
        client,
        params,
    };
    let mut request = AuthorizationRequest {
        client_id: client.client_id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scope: Scope::empty(),
        audiences: Vec::new(),
        state: None,
        nonce: None,
        code_challenge: None,
        prompt: Vec::new(),
        max_age: None,
        login_hint: None,
        expected_sub: None,
        pushed: None,
    };
    CHECKS
        .iter()
        .try_for_each(|check| check(&asked, &mut request))?;
    Ok(request)
}
