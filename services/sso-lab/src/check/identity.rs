//! An identity header, and a cookie of the same content, from a peer without the right: at
//! both of API-1's ports they count for nothing.

use headless_browser::Transport;
use kit::config::Site;
use reqwest::Method;
use serde_json::Value;

use super::{
    args::Plan,
    browser::Browser,
    outcome::{Step, done},
    ready,
    run::Run,
};

/// Who nobody says they are: a forged statement.
const FORGED: [(&str, &str); 2] = [
    ("x-identity", "sub=somebody"),
    ("cookie", "identity=sub=somebody"),
];

pub(super) async fn check(run: &mut Run, plan: &Plan, metadata: &Value) {
    let api = ready(Site::Api1);
    let anonymous = "api1: an identity header counts for nothing without a certificate";
    let unnamed = "api1: an identity header counts for nothing from a peer without the right";
    if plan.without.contains(&Site::Api1) {
        for name in [anonymous, unnamed] {
            run.skip(name, "not reached from here (--without)");
        }
        return;
    }
    let refused = is_refused(Browser::new(&plan.transport), plan.url(Site::Api1));
    run.step(anonymous, &[&api], refused).await;
    // The provider and API-1 have mTLS ports together (MTLS).
    if metadata["mtls_endpoint_aliases"].is_null() {
        run.skip(unnamed, "there is no mTLS port (mtls_endpoint_aliases)");
        return;
    }
    let Some(client) = &plan.mtls_client else {
        run.skip(
            unnamed,
            "no client's certificate given (--client-certificate-file, --state-dir)",
        );
        return;
    };
    let identified = Transport {
        http: client.trust(&plan.trust).browsers_http_client(),
        ..plan.transport.clone()
    };
    let refused = is_refused(Browser::new(&identified), client.api1.clone());
    run.step(unnamed, &[&api], refused).await;
}

/// 401, as without any credential.
async fn is_refused(mut browser: Browser, api1: String) -> Step {
    let url = format!("{api1}/whoami");
    for sent in [&FORGED[..1], &FORGED[1..], &FORGED[..]] {
        browser
            .call(Method::GET, &url, sent, "")
            .await?
            .expect(401)?;
    }
    Ok(done())
}
