//! Refusals of the APIs.

use kit::config::Site;
use reqwest::Method;

use super::{
    APIS,
    args::Plan,
    browser::Browser,
    outcome::{Step, done, ensure},
    ready,
    run::Run,
};

/// A token with an invalid signature.
const FORGED: &str = "Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.bm9ib2R5";

pub(super) async fn check(run: &mut Run, plan: &Plan) {
    for api in APIS {
        let name = format!("{}: refuses calls without a valid token", api.label());
        if plan.without.contains(&api) {
            run.skip(&name, "excluded (--without)");
        } else {
            run.step(&name, &[&ready(api)], refuses(plan, api)).await;
        }
    }
}

/// RFC 6750 §3: 401 with a challenge, which names an error only for a bad token.
async fn refuses(plan: &Plan, api: Site) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let url = plan.url(api);
    let calls = [
        (Method::GET, "/resource", None),
        (Method::POST, "/resource", None),
        (Method::GET, "/whoami", None),
        (Method::GET, "/resource", Some(FORGED)),
        (Method::POST, "/resource", Some(FORGED)),
    ];
    for (method, path, token) in calls {
        let headers: Vec<_> = token
            .map(|token| ("authorization", token))
            .into_iter()
            .collect();
        let answer = browser
            .call(method, &format!("{url}{path}"), &headers, "")
            .await?
            .expect(401)?;
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        ensure(challenge.starts_with("Bearer"), || {
            answer.failure("has no WWW-Authenticate: Bearer (RFC 6750)")
        })?;
        let says_invalid = challenge.contains("error=\"invalid_token\"");
        ensure(says_invalid == token.is_some(), || {
            answer.failure("should name invalid_token for a bad token, and only then")
        })?;
    }
    Ok(done())
}
