//! What the attacker learns from an API's answer.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use headless_browser::Response;
use serde_json::Value;

use super::{
    outcome::{End, NotRun, StoppedBy},
    person::unexpected,
};

/// The audience of API-1.
pub(super) const API1: &str = "https://api-1";

/// How a call of an API's `/whoami` ended for the attacker, who wanted to be taken for `sub`.
pub(super) fn end_at_api(
    answer: &Response,
    sub: &str,
    (service, check): (&'static str, &'static str),
    rule: &'static str,
) -> Result<End, NotRun> {
    let said = answer.json().unwrap_or_default();
    match answer.status {
        200 if said["sub"] == sub => Ok(End::Succeeded),
        401 => Ok(End::Stopped(StoppedBy {
            service,
            check,
            rule,
            said: words(&said).to_owned(),
        })),
        _ => Err(unexpected(answer)),
    }
}

/// The user whom `token` names. The attacker only reads it.
pub(super) fn sub_of(token: &str) -> Result<String, NotRun> {
    let claims = token.split('.').nth(1);
    let claims = claims.and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|part| serde_json::from_slice(&part).ok());
    let sub = claims.and_then(|claims| claims["sub"].as_str().map(str::to_owned));
    sub.ok_or_else(|| NotRun::new("The token of the single-page app is no JWT here."))
}

/// The sentence of a problem document (RFC 9457) or of an OAuth error.
pub(super) fn words(said: &Value) -> &str {
    let of = |name: &str| said[name].as_str().filter(|text| !text.is_empty());
    let said = of("detail").or_else(|| of("error_description"));
    said.or_else(|| of("error"))
        .or_else(|| of("title"))
        .unwrap_or_default()
}
