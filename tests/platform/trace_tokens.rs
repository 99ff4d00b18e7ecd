//! What a trace says of a token: how its client has authenticated, and what it is bound to.

use kit::config::Site;
use reqwest::Method;
use testkit::{Answer, ClientAuth, Machine, Otlp, Plan, TestCertificate, lab_ca};
use tests::{new_key, trace::Trace};

use crate::trace_edges::traced;

/// The token that `machine` gets for itself, and its span: authenticated by `method`, and
/// bound as `binding` says.
async fn token_of(otlp: &Otlp, machine: &Machine, method: &str, binding: &str) -> String {
    let asked = [
        ("grant_type", "client_credentials"),
        ("resource", "https://api-1"),
    ];
    let answer = machine.token(&asked).await.granted();
    let token = ("idp", "POST /token");
    let edges = [
        (("idp", "token.client_auth"), token),
        (("idp", "token.sign"), ("idp", "token.grant")),
    ];
    let trace = Trace::with(otlp, answer.header("trace-id").unwrap(), &edges).await;
    let authenticated = [("sso.client_auth", method), ("sso.outcome", "ok")];
    trace.says("idp", "token.client_auth", &authenticated);
    trace.says("idp", "token.sign", &[("sso.binding", binding)]);
    answer.text("access_token")
}

/// API-1 has taken the token of the request that `answer` belongs to.
async fn was_bound(otlp: &Otlp, answer: &Answer, binding: &str) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let edges = [(("api-1", "api.token_check"), ("api-1", "GET /whoami"))];
    let trace = Trace::with(otlp, answer.header("trace-id").unwrap(), &edges).await;
    let checked = [("sso.binding", binding), ("sso.outcome", "ok")];
    trace.says("api-1", "api.token_check", &checked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_names_the_clients_authentication_and_the_binding_of_its_token() {
    let (otlp, platform) = traced(Plan::default()).await;
    let idp = platform.url(Site::Idp);
    let whoami = platform.url(Site::Api1) + "/whoami";
    let batch = Machine::new(&idp, ClientAuth::basic("batch", "batch-secret"));
    let token = token_of(&otlp, &batch, "client_secret_basic", "none").await;
    let answer = batch.call(Method::GET, &whoami, &token).await;
    was_bound(&otlp, &answer, "none").await;

    let holder = batch.with_key(&new_key());
    let token = token_of(&otlp, &holder, "client_secret_basic", "jkt").await;
    let answer = holder.call_bound(Method::GET, &whoami, &token).await;
    was_bound(&otlp, &answer, "jkt").await;

    let ca = lab_ca(&platform.state_dir());
    let own = TestCertificate::of_client(&ca, "batch-mtls");
    let at = |site| platform.addresses().mtls_url(site).unwrap();
    let owner = Machine::new(&idp, ClientAuth::public("batch-mtls"));
    let owner = owner.over_mtls(&at(Site::Idp), &ca.pem(), Some(&own));
    let token = token_of(&otlp, &owner, "tls_client_auth", "x5t#S256").await;
    let whoami = at(Site::Api1) + "/whoami";
    let answer = owner.call(Method::GET, &whoami, &token).await;
    was_bound(&otlp, &answer, "x5t#S256").await;

    let tv = Machine::new(&idp, ClientAuth::public("tv"));
    let answer = tv.authorize_device("openid").await.granted();
    let asked = ("idp", "POST /device_authorization");
    let edges = [(("idp", "token.client_auth"), asked)];
    let trace = Trace::with(&otlp, answer.header("trace-id").unwrap(), &edges).await;
    trace.says("idp", "token.client_auth", &[("sso.client_auth", "none")]);
}
