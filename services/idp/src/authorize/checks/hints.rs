//! OIDC Core §3.1.2.1: who is expected. An id_token_hint may have expired.

use oauth_types::ErrorCode;

use super::{Asked, Refusal};
use crate::{domain::AuthorizationRequest, tokens_of_ours};

/// The most characters of `login_hint`: the form takes no more.
const MAX_LOGIN_HINT: usize = 128;

pub(super) fn check(asked: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    request.login_hint = asked
        .params
        .one("login_hint")?
        .map(|hint| hint.chars().take(MAX_LOGIN_HINT).collect());
    if let Some(hint) = asked.params.one("id_token_hint")? {
        let subject = tokens_of_ours::id_token_subject(asked.idp, hint, &asked.client.client_id);
        let subject = subject.map_err(|why| {
            Refusal::new(ErrorCode::InvalidRequest, format!("id_token_hint: {why}."))
        })?;
        request.expected_sub = Some(subject);
    }
    Ok(())
}
