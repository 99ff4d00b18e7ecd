//! A forged token: it says that alice calls, and has no signature (RFC 8725 §2.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{config::Site, telemetry::names::span};
use serde_json::{Value, json};

use super::{
    api::{API1, end_at_api},
    outcome::{End, NotRun, Who},
    stage::Stage,
};

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    let sub = victims_sub(stage).await?;
    let token = forged(stage, &sub);
    stage.note(
        Who::Attacker,
        "writes an access token for API-1 that names alice as sub. Its header says alg: none, and its signature is empty.",
        "No key was needed for it.",
    );
    let answer = stage
        .call_api(&stage.url(Site::Api1, "/whoami"), &token)
        .await?;
    stage.note(
        Who::Attacker,
        "calls API-1 with the forged token.",
        format!("API-1 answers {}.", answer.status),
    );
    let rule = "RFC 8725 §3.1: an API accepts only the algorithms that it expects";
    end_at_api(&answer, &sub, ("api-1", span::TOKEN_CHECK), rule)
}

/// Alice's sub, which is no secret: apps and APIs show it.
async fn victims_sub(stage: &mut Stage<'_>) -> Result<String, NotRun> {
    let app = stage.url(Site::App1, "");
    stage.victim.sign_in(&app, &format!("{app}/login")).await?;
    let session = stage.victim.session(&app).await?;
    let sub = session["user"]["sub"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    stage.note(
        Who::Victim,
        "signs in at app1.",
        "Her sub, by which the services name her, is no secret.",
    );
    Ok(sub)
}

/// An access token in the form of RFC 9068, which nobody has signed.
fn forged(stage: &Stage<'_>, sub: &str) -> String {
    let lab = stage.lab;
    let now = lab.clock.now().secs();
    let header = json!({ "alg": "none", "typ": "at+jwt" });
    let claims = json!({
        "iss": lab.issuer,
        "sub": sub,
        "aud": API1,
        "client_id": "app1",
        "scope": "https://api-1/read https://api-1/write",
        "iat": now,
        "exp": now + 300,
        "jti": lab.random.id(),
    });
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", part(&header), part(&claims))
}
