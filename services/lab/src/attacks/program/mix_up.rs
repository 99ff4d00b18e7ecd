//! Mix-up (RFC 9700 §4.4.1): app1 is a client of two providers, one of which is the attacker's.
//! Alice begins a login with the attacker's; that sends her browser on to the honest provider.
//! If app1 does not check who answers, it sends the code to the attacker's token endpoint. The
//! code belongs to a request of the attacker's own, so PKCE and nonce of his login fit it.

use kit::{config::Site, telemetry::names::span};

use super::{
    code::{parameter, redeem_at_app1, request_of},
    outcome::{End, NotRun, StoppedBy, Who},
    person::unexpected,
    stage::Stage,
};

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    let own = request_of(stage, Who::Attacker).await?;
    if parameter(&own, "request_uri").is_some() {
        return Err(NotRun::new(
            "app1 pushes its authorization request here (RFC 9126), so the attacker cannot send it on to another browser.",
        ));
    }
    let own_state = parameter(&own, "state").unwrap_or_default();
    stage.note(
        Who::Attacker,
        "begins a login of his own at app1 and keeps its authorization request: code_challenge, nonce and state.",
        "His authorization server, which app1 knows as a second provider, will send alice's browser on with it.",
    );
    let trap = stage.lab.traps.set(stage.journey(), own);
    let login = stage.url(Site::App1, "/login?provider=attacker");
    let callback = stage.url(Site::App1, "/callback");
    let redirect = stage.victim.until(&login, &callback).await?;
    stage.note(
        Who::Victim,
        "begins a login at app1 with the attacker's provider, which sends her browser on to the honest one. She signs in there.",
        "The honest provider sends her back to app1 with a code, and with its own name in iss.",
    );
    let page = stage.victim.open(redirect.as_str()).await?;
    let (status, last) = (page.status(), page.last().clone());
    let Some(code) = trap.code() else {
        stage.note(
            Who::Victim,
            "brings the answer to app1.",
            format!("app1 answers {status}: the answer is not from the provider of this login. The code stays with app1."),
        );
        return if status == 400 {
            Ok(End::Stopped(by_issuer()))
        } else {
            Err(unexpected(&last))
        };
    };
    stage.note(
        Who::Victim,
        "brings the answer to app1.",
        "app1 takes it for the answer of the attacker's provider and sends the code to his token endpoint.",
    );
    let what = "opens app1's callback with this code and with the state of his own login.";
    redeem_at_app1(stage, &code, &own_state, what).await
}

fn by_issuer() -> StoppedBy {
    StoppedBy {
        service: "app1-bff",
        check: span::CALLBACK_CHECK,
        rule: "RFC 9207 §2.4: the app compares iss of the answer with the provider that the login began with",
        said: "Response from the wrong issuer".to_owned(),
    }
}
