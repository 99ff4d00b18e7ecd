//! PKCE downgrade (RFC 9700 §4.8.2): the attacker removes the `code_challenge` from alice's
//! authorization request, so that her code is bound to no `code_verifier`, and injects it.

use kit::{config::Site, telemetry::names::span};
use url::Url;

use super::{
    code::{inject, parameter, request_of},
    outcome::{End, NotRun, StoppedBy, Who},
    stage::Stage,
};

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    let request = request_of(stage, Who::Victim).await?;
    if parameter(&request, "request_uri").is_some() {
        return Err(NotRun::new(
            "app1 pushes its authorization request here (RFC 9126), so nobody at the browser can change it.",
        ));
    }
    let changed = without_challenge(&request);
    stage.note(
        Who::Attacker,
        "removes code_challenge and code_challenge_method from the authorization request of alice's login at app1, as a manipulated browser can.",
        "state and nonce stay as they are.",
    );
    let callback = stage.url(Site::App1, "/callback");
    let redirect = stage.victim.until(changed.as_str(), &callback).await?;
    if let Some(error) = parameter(&redirect, "error") {
        let said = parameter(&redirect, "error_description").unwrap_or_default();
        stage.note(
            Who::Victim,
            "opens the provider with the changed request.",
            format!("The provider answers {error} and issues no code."),
        );
        return Ok(End::Stopped(StoppedBy {
            service: "idp",
            check: span::AUTHORIZE_CHECK,
            rule: "RFC 9700 §2.1.1: the provider requires a code_challenge, and refuses a code_verifier for a code without one",
            said,
        }));
    }
    let code = parameter(&redirect, "code");
    let code = code.ok_or_else(|| NotRun::new("The provider gave alice no code."))?;
    stage.note(
        Who::Victim,
        "signs in at the provider with the changed request.",
        "Her code has no code_challenge. The redirect with it leaks before app1 has redeemed it.",
    );
    inject(stage, &code).await
}

/// `request` without its challenge.
fn without_challenge(request: &Url) -> Url {
    let pairs = request.query_pairs().into_owned();
    let kept = pairs.filter(|(name, _)| !name.starts_with("code_challenge"));
    let kept: Vec<_> = kept.collect();
    let mut changed = request.clone();
    changed.query_pairs_mut().clear().extend_pairs(kept);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_gone_and_nothing_else_is() {
        let request = "https://idp.example/authorize?client_id=app1&code_challenge=x&code_challenge_method=S256&state=s%20t";
        let changed = without_challenge(&Url::parse(request).unwrap());
        let expected = "https://idp.example/authorize?client_id=app1&state=s+t";
        assert_eq!(changed.as_str(), expected);
    }
}
