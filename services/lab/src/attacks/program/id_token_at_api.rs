//! An ID token in place of an access token: it says to an app who signed in, and gives access
//! to nothing (RFC 9068 §5, RFC 8725 §3.11).

use kit::{config::Site, telemetry::names::span};

use super::{
    api::{end_at_api, sub_of},
    outcome::{End, NotRun, Who},
    spa,
    stage::Stage,
};

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    let tokens = spa::sign_in(stage).await?;
    let sub = sub_of(&tokens.id)?;
    stage.note(
        Who::Attacker,
        "copies the ID token, from a log of the app.",
        "It names alice, and the provider has signed it.",
    );
    let url = stage.url(Site::Api1, "/whoami");
    let answer = stage.call_api(&url, &tokens.id).await?;
    stage.note(
        Who::Attacker,
        "calls API-1 with the ID token in place of an access token.",
        format!("API-1 answers {}.", answer.status),
    );
    let rule = "RFC 9068 §4: an API accepts only tokens of the type at+jwt";
    end_at_api(&answer, &sub, ("api-1", span::TOKEN_CHECK), rule)
}
