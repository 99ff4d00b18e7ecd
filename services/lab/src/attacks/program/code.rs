//! Codes of app1's login, as they pass through the browser.

use kit::{config::Site, telemetry::names::span};
use url::Url;

use super::{
    outcome::{End, NotRun, StoppedBy, Who},
    person::unexpected,
    stage::Stage,
};

/// A parameter of `url`.
pub(super) fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

/// Where app1 sends the browser of `who` to sign in: the authorization request.
pub(super) async fn request_of(stage: &mut Stage<'_>, who: Who) -> Result<Url, NotRun> {
    let (login, issuer) = (stage.url(Site::App1, "/login"), stage.lab.issuer.clone());
    let person = match who {
        Who::Victim => &mut stage.victim,
        Who::Attacker => &mut stage.attacker,
    };
    person.until(&login, &issuer).await
}

/// Puts `code` into a login that the attacker has begun at app1.
pub(super) async fn inject(stage: &mut Stage<'_>, code: &str) -> Result<End, NotRun> {
    let own = request_of(stage, Who::Attacker).await?;
    let own_state = parameter(&own, "state").unwrap_or_default();
    stage.note(
        Who::Attacker,
        "begins a login at app1 and keeps its state.",
        "app1 binds the state, a nonce and a code_verifier to bob's browser.",
    );
    let what = "opens app1's callback with the state of this login and with alice's code.";
    redeem_at_app1(stage, code, &own_state, what).await
}

/// The attacker opens app1's callback with `code` and with the `state` of a login of his own.
pub(super) async fn redeem_at_app1(
    stage: &mut Stage<'_>,
    code: &str,
    own_state: &str,
    what: &str,
) -> Result<End, NotRun> {
    let issuer = stage.lab.issuer.clone();
    let answer = [("code", code), ("state", own_state), ("iss", &issuer)];
    let callback = Url::parse_with_params(&stage.url(Site::App1, "/callback"), answer);
    let callback = callback.map_err(|error| NotRun::new(error.to_string()))?;
    let page = stage.attacker.open(callback.as_str()).await?;
    let status = page.status();
    // Behind the first dot are the names of the app and of the project.
    let title = page.title();
    let title = title.split(" · ").next().unwrap_or_default().to_owned();
    let last = page.last().clone();
    let app = stage.url(Site::App1, "");
    let session = stage.attacker.session(&app).await?;
    if session["authenticated"] == true {
        let name = session["user"]["name"].as_str().unwrap_or_default();
        let result = format!("app1 signs bob's browser in as {name}.");
        stage.note(Who::Attacker, what, result);
        return Ok(End::Succeeded);
    }
    stage.note(
        Who::Attacker,
        what,
        format!("app1 answers {status}: {title}."),
    );
    match status {
        400 => Ok(End::Stopped(by_verifier())),
        502 => Ok(End::Stopped(by_nonce())),
        _ => Err(unexpected(&last)),
    }
}

fn by_verifier() -> StoppedBy {
    StoppedBy {
        service: "idp",
        check: span::GRANT,
        rule: "RFC 7636 §4.6: the provider compares the code_verifier with the code_challenge of the code",
        said: "invalid_grant: the code_verifier does not match the code_challenge.".to_owned(),
    }
}

fn by_nonce() -> StoppedBy {
    StoppedBy {
        service: "app1-bff",
        check: span::ID_TOKEN_CHECK,
        rule: "OIDC Core §3.1.3.7: the app compares the nonce of the ID token with that of its login",
        said: "The nonce is not that of this login.".to_owned(),
    }
}
