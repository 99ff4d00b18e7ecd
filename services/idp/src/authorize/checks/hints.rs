//! OIDC Core §3.1.2.1: which user the client expects. An id_token_hint may have
//! expired.

use oauth_types::{ErrorCode, Params};

use super::Refusal;
use crate::{Idp, own_tokens, settings::Client};

/// The most characters of `login_hint`: as many as the form takes.
const MAX_LOGIN_HINT: usize = 128;

/// `login_hint`, the user name to fill in.
pub(super) fn login_hint(params: &Params) -> Result<Option<String>, Refusal> {
    let hint = params.one("login_hint")?;
    Ok(hint.map(|hint| hint.chars().take(MAX_LOGIN_HINT).collect()))
}

/// The subject of `id_token_hint`.
pub(super) fn expected_sub(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<Option<String>, Refusal> {
    let Some(hint) = params.one("id_token_hint")? else {
        return Ok(None);
    };
    let subject = own_tokens::id_token_subject(idp, hint, &client.client_id);
    subject
        .map(Some)
        .map_err(|why| Refusal::new(ErrorCode::InvalidRequest, format!("id_token_hint: {why}.")))
}
