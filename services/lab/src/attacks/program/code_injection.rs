//! Code injection (RFC 9700 §4.5): the attacker has a code of alice's, from a redirect that
//! leaked before app1 redeemed it, and puts it into a login of their own.

use kit::config::Site;

use super::{
    code::{inject, parameter},
    outcome::{End, NotRun, Who},
    stage::Stage,
};

pub(super) async fn run(stage: &mut Stage<'_>) -> Result<End, NotRun> {
    let login = stage.url(Site::App1, "/login");
    let callback = stage.url(Site::App1, "/callback");
    let redirect = stage.victim.until(&login, &callback).await?;
    let code = parameter(&redirect, "code");
    let code = code.ok_or_else(|| NotRun::new("The provider gave alice no code."))?;
    stage.note(
        Who::Victim,
        "signs in at the provider, for app1.",
        "The redirect with her code leaks before app1 has redeemed it, as from a log or from an app that listens at the same address.",
    );
    inject(stage, &code).await
}
