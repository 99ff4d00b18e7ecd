//! Session fixation: the attacker chooses a session id, gives it to alice's browser, and waits
//! until she signs in with it.

use kit::{config::Site, telemetry::names::span};

use super::{
    outcome::{End, NotRun, StoppedBy, Who},
    stage::Stage,
};

/// The cookie of app1's sessions.
const SESSION: &str = "__Host-session_id";

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    let (app, host) = (
        stage.url(Site::App1, ""),
        stage.lab.addresses.host(Site::App1),
    );
    let id = stage.lab.random.token();
    for person in [&stage.victim, &stage.attacker] {
        person.plant(&host, SESSION, &id);
    }
    stage.note(
        Who::Attacker,
        "chooses a session id and sets it as app1's cookie in alice's browser, as somebody can who had the machine or a script in the page before.",
        "The same cookie is in bob's browser. No such session exists so far.",
    );
    // The attack is on a session in the store; a login may choose it where app1 allows that.
    let login = if stage.lab.offers.choice {
        "/login?mode=stateful"
    } else {
        "/login"
    };
    stage.victim.sign_in(&app, &format!("{app}{login}")).await?;
    stage.note(Who::Victim, "signs in at app1.", "app1 shows her its page.");
    let session = stage.attacker.session(&app).await?;
    let what = "opens app1 with the id that he chose.";
    if session["authenticated"] == true {
        let name = session["user"]["name"].as_str().unwrap_or_default();
        stage.note(Who::Attacker, what, format!("app1 takes him for {name}."));
        return Ok(End::Succeeded);
    }
    let said = "app1 knows no session of this id.";
    stage.note(Who::Attacker, what, said);
    Ok(End::Stopped(StoppedBy {
        service: "app1-bff",
        check: span::SESSION_SAVE,
        rule: "A sign-in begins a session under a new id, whatever cookie the browser brings (OWASP ASVS 7.2.4)",
        said: said.to_owned(),
    }))
}
