//! OIDC Core §3.1.2.1: `prompt` and `max_age`.

use oauth_types::{ErrorCode, Params};

use super::Refusal;

/// What a client may ask for, as metadata lists it.
pub const PROMPTS: [&str; 4] = ["none", "login", "consent", "select_account"];

/// The values of `prompt`.
pub(super) fn prompts(params: &Params) -> Result<Vec<String>, Refusal> {
    let prompt = params.one("prompt")?;
    let prompts: Vec<_> = prompt
        .into_iter()
        .flat_map(|text| text.split(' '))
        .collect();
    if prompts.contains(&"none") && prompts.len() > 1 {
        return Err(invalid("prompt=none excludes any other value."));
    }
    if !prompts.iter().all(|prompt| PROMPTS.contains(prompt)) {
        return Err(invalid("prompt is none, login, consent or select_account."));
    }
    Ok(prompts.into_iter().map(str::to_owned).collect())
}

/// `max_age`, in seconds.
pub(super) fn max_age(params: &Params) -> Result<Option<u64>, Refusal> {
    let max_age = params.one("max_age")?.map(str::parse).transpose();
    max_age.map_err(|_| invalid("max_age is a number of seconds."))
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, why)
}
