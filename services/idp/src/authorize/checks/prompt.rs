//! OIDC Core §3.1.2.1: `prompt` and `max_age`.

use oauth_types::ErrorCode;

use super::{Asked, Refusal};
use crate::domain::AuthorizationRequest;

pub(super) fn check(asked: &Asked<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    let invalid = |why: &str| Refusal::new(ErrorCode::InvalidRequest, why);
    let prompts: Vec<_> = asked
        .params
        .one("prompt")?
        .into_iter()
        .flat_map(|text| text.split(' '))
        .collect();
    if prompts.contains(&"none") && prompts.len() > 1 {
        return Err(invalid("prompt=none goes with no other value."));
    }
    let known = |prompt: &&str| matches!(*prompt, "none" | "login" | "consent" | "select_account");
    if !prompts.iter().all(known) {
        return Err(invalid("prompt is none, login, consent or select_account."));
    }
    request.prompt = prompts.into_iter().map(str::to_owned).collect();
    let max_age = asked.params.one("max_age")?.map(str::parse);
    request.max_age = max_age
        .transpose()
        .map_err(|_| invalid("max_age is a number of seconds."))?;
    Ok(())
}
