//! The health of each service.

use kit::config::Site;

use super::{
    APIS, APPS,
    args::Plan,
    browser::Browser,
    outcome::{Step, done},
    ready,
    run::Run,
};

pub(super) async fn check(run: &mut Run, plan: &Plan) {
    for site in [&[Site::Idp][..], &APPS, &APIS].concat() {
        let name = ready(site);
        if plan.without.contains(&site) {
            run.skip(&name, "excluded (--without)");
        } else {
            run.step(&name, &[], answers(plan, site)).await;
        }
    }
}

async fn answers(plan: &Plan, site: Site) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let url = plan.url(site);
    for path in ["/healthz", "/readyz"] {
        let answer = browser.get(&format!("{url}{path}")).await?;
        let answer = answer.expect(200)?;
        if answer.trace_id().is_none() {
            return Err(answer.failure("has no Trace-Id").into());
        }
    }
    Ok(done())
}
