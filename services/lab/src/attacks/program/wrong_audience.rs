//! A token for one API at another (RFC 9700 §4.10.2): whoever has API-1's tokens, as its
//! operator or from its log, tries them elsewhere.

use kit::{config::Site, telemetry::names::span};

use super::{
    api::{end_at_api, sub_of},
    outcome::{End, NotRun, Who},
    spa,
    stage::Stage,
};

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    if stage.lab.offers.opaque_tokens {
        return Err(NotRun::new(
            "The tokens for API-2 are opaque here, so it asks the provider about each (RFC 7662) and sees no audience itself.",
        ));
    }
    let tokens = spa::sign_in(stage).await?;
    let sub = sub_of(&tokens.access)?;
    stage.note(
        Who::Attacker,
        "takes alice's access token for API-1 out of a log of API-1.",
        "Its aud is https://api-1.",
    );
    let url = stage.url(Site::Api2, "/whoami");
    let answer = stage.call_api(&url, &tokens.access).await?;
    stage.note(
        Who::Attacker,
        "calls API-2 with it.",
        format!("API-2 answers {}.", answer.status),
    );
    let rule = "RFC 9068 §4: an API accepts only tokens whose aud names it";
    end_at_api(&answer, &sub, ("api-2", span::TOKEN_CHECK), rule)
}
