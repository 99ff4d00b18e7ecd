//! A stolen refresh token of a public client (RFC 9700 §4.14): the thief uses it after the
//! app has renewed it. Rotation detects that, and ends the grant for both.

use kit::{config::Site, telemetry::names::span};

use super::{
    api::words,
    outcome::{End, NotRun, StoppedBy, Who},
    person::{json, unexpected},
    spa::{self, tokens},
    stage::Stage,
};

/// How often the app has renewed its token since. The provider answers a repeated request for
/// some seconds as it did the first time, because its response may have been lost; it does so
/// for the last few tokens alone, so this one counts as used before at once.
const RENEWED: usize = 18;

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    let first = spa::sign_in(stage).await?;
    let token_endpoint = spa::token_endpoint(stage);
    stage.note(
        Who::Attacker,
        "copies the refresh token, by a script in the page or from a backup of the browser.",
        "The single-page app notices nothing.",
    );
    let mut current = first.refresh.clone();
    for _ in 1..RENEWED {
        let form = spa::refresh_form(&current);
        let answer = stage.post_unseen(&token_endpoint, &form).await?;
        current = tokens(&json(&answer)?).refresh;
    }
    let renewed = spa::refresh(stage, &current).await?;
    current = tokens(&json(&renewed)?).refresh;
    stage.note(
        Who::Victim,
        "goes on working: her app renews its tokens as usual.",
        format!("Each time it gets a new refresh token in place of the old one. The diagram shows the last of {RENEWED} times."),
    );
    let stolen = stage
        .post(&token_endpoint, &spa::refresh_form(&first.refresh))
        .await?;
    let said = stolen.json().unwrap_or_default();
    stage.note(
        Who::Attacker,
        "redeems the stolen refresh token.",
        format!("The provider answers {}.", stolen.status),
    );
    let after = spa::refresh(stage, &current).await?;
    let goes_on = if after.status == 200 {
        "goes on: nobody notices the theft."
    } else {
        "has ended too: alice has to sign in again, and the thief has nothing."
    };
    let result = format!("The provider answers {}. The grant {goes_on}", after.status);
    stage.note(Who::Victim, "works on; her app renews its tokens.", result);
    match stolen.status {
        200 => thief_calls(stage, &tokens(&said).access).await,
        400 => Ok(End::Stopped(StoppedBy {
            service: "idp",
            check: span::GRANT,
            rule: "RFC 9700 §4.14.2: a refresh token that was used before ends all tokens of its grant",
            said: words(&said).to_owned(),
        })),
        _ => Err(unexpected(&stolen)),
    }
}

/// The thief uses the access token.
async fn thief_calls(stage: &mut Stage<'_>, token: &str) -> Result<End, NotRun> {
    let url = stage.url(Site::Api1, "/resource");
    let answer = stage.call_api(&url, token).await?;
    stage.note(
        Who::Attacker,
        "calls API-1 with the new access token.",
        format!("API-1 answers {} with alice's orders.", answer.status),
    );
    json(&answer).map(|_| End::Succeeded)
}
