//! Programs and pages in a journey of the lab: terminal clients by the value of the lab's
//! page, the single-page app by a pass of its own server.

use std::{path::Path, time::Duration};

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Child, HeadlessBrowser, Response, binary};
use tests::{
    ALICE,
    journey::{begin, get, have_in_order, named, steps_until},
    sign_in_to,
};

use crate::lab_journey::OneProcess;

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// A trace that a page names.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What the lab's page has for a terminal.
async fn given(cli: &mut HeadlessBrowser, all: &OneProcess) -> Value {
    let answer = get(cli, &format!("{}/journey/terminal", all.url(Site::Lab))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().unwrap()
}

/// Runs `sso-lab` with these flags in the journey of `cli`.
async fn run(all: &OneProcess, cli: &mut HeadlessBrowser, flags: &[&str], log: &Path) -> Child {
    let given = given(cli, all).await;
    let journey = given["flag"].as_str().unwrap().split(' ');
    let offset = all.offset().to_string();
    let mut flags = flags.to_vec();
    flags.extend(["--port-offset", &*offset]);
    flags.extend(journey);
    Child::spawn(&binary("sso-lab"), &flags, &[], log.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_and_a_device_are_in_the_journey_that_the_page_names() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let lab = all.url(Site::Lab);
    let (mut cli, mut other) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    begin(&mut cli, &lab).await;
    begin(&mut other, &lab).await;
    let orders = folder.path().join("orders");
    let lines = "{\"item\":\"tea-pot\",\"quantity\":1}\n{\"api\":\"api-2\",\"item\":\"tea-pot\",\"quantity\":1}\n";
    std::fs::write(&orders, lines).unwrap();
    let flags = ["batch", orders.to_str().unwrap()];
    let mut batch = run(&all, &mut cli, &flags, &folder.path().join("batch")).await;
    assert!(
        batch.wait(PATIENCE).is_some_and(|status| status.success()),
        "{}",
        batch.output()
    );
    let flags = ["device", "login"];
    let mut device = run(&all, &mut cli, &flags, &folder.path().join("device")).await;
    device
        .until_output("Waiting for your confirmation", PATIENCE)
        .await;
    let last = [
        ("api-1", "POST /resource"),
        ("api-2", "sso.inventory.v1.Inventory/Reserve"),
        ("idp", "POST /device_authorization"),
    ];
    let steps = steps_until(&mut cli, &lab, &last).await;
    have_in_order(
        &steps,
        &[
            "terminal idp POST /token",
            "idp idp token.client_auth",
            "terminal api-1 POST /resource",
            "api-1 api-1 api.token_check",
            "terminal idp POST /device_authorization",
        ],
    );
    have_in_order(
        &steps,
        &["terminal api-2 sso.inventory.v1.Inventory/Reserve"],
    );
    // The stock of API-2 is one record, without a kind.
    let kinds = steps.iter().filter(|step| step["kind"] == "store");
    let mut kinds = kinds.map(|step| &step["attributes"]["db.collection.name"]);
    assert!(kinds.any(|kind| *kind != ""), "{steps:#?}");
    let foreign = get(&mut other, &format!("{lab}/journey/recording")).await;
    assert!(!foreign.body.contains("terminal"), "{}", foreign.body);
    let stranger = get(
        &mut HeadlessBrowser::new(),
        &format!("{lab}/journey/terminal"),
    )
    .await;
    assert_eq!(stranger.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_in_the_journey_by_two_headers_and_a_changed_value_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let (lab, idp) = (all.url(Site::Lab), all.url(Site::Idp));
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    let given = given(&mut cli, &all).await;
    let headers: Vec<_> = given["curl"].as_str().unwrap().split('\'').collect();
    let value = |name: &str| {
        let line = headers.iter().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{given}")).to_owned()
    };
    let (parent, state) = (value("traceparent: "), value("tracestate: "));
    let others = format!("00-{TRACE}-00f067aa0ba902b7-00");
    let mut forger = HeadlessBrowser::new();
    for (parent, state) in [(&others, &state), (&parent, &"sso-lab=forged".to_owned())] {
        let sent = [("traceparent", &**parent), ("tracestate", &**state)];
        let answer = forger
            .raw(Method::POST, &format!("{idp}/revoke"), &sent, "")
            .await;
        assert!(answer.status >= 400, "{}", answer.status);
    }
    let sent = [("traceparent", &*parent), ("tracestate", &*state)];
    forger
        .raw(Method::POST, &format!("{idp}/token"), &sent, "")
        .await;
    let steps = steps_until(&mut cli, &lab, &[("idp", "POST /token")]).await;
    have_in_order(&steps, &["terminal idp POST /token"]);
    assert_eq!(named(&steps, "idp", "POST /revoke"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_step_of_a_call_without_a_token_says_what_it_brought_instead() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-1-keys.json");
    let key = crate::api_keys::add(&file, "app", &["--scope", "https://api-1/read"]);
    let flags = [
        "--api1-keys-file",
        file.to_str().unwrap(),
        "--bff-api1-credential",
        "api_key",
        "--bff-api1-key",
        &key,
    ];
    let all = OneProcess::start(folder.path(), &flags, &[]).await;
    let (lab, app1) = (all.url(Site::Lab), all.url(Site::App1));
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    sign_in_to(&mut cli, &app1, ALICE).await;
    assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
    let last = [("app1-bff", "proxy.upstream"), ("api-1", "GET /resource")];
    let steps = steps_until(&mut cli, &lab, &last).await;
    let said = [
        "The app calls an API with its API key",
        "A call with an API key",
    ];
    for ((service, name), said) in last.into_iter().zip(said) {
        let step = named(&steps, service, name).unwrap();
        assert_eq!(step["step"], said, "{step:#}");
        assert_eq!(step["attributes"]["sso.credential"], "api_key");
    }
    let sent = named(&steps, "api-1", "GET /resource").unwrap()["request"].as_array();
    let sent = sent
        .unwrap()
        .iter()
        .find(|item| item["name"] == "x-api-key");
    let sent = sent.unwrap();
    assert_eq!(sent["size"], key.len(), "{sent}");
    assert_eq!(sent["value"], Value::Null, "{sent}");
    assert!(!serde_json::to_string(&steps).unwrap().contains(&key));
}

/// A request of the page at the SPA's server.
async fn post(
    cli: &mut HeadlessBrowser,
    url: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Response {
    let all = [&[("content-type", "application/json")], headers].concat();
    cli.raw(Method::POST, url, &all, &body.to_string()).await
}

/// The pass that the page gets from its own server, in a journey alone.
async fn pass_of(cli: &mut HeadlessBrowser, all: &OneProcess) -> Value {
    let spa = all.url(Site::Spa);
    let url = format!("{spa}/lab/pass?trace={TRACE}");
    let page = cli.goto(&spa).await;
    assert!(page.source().contains("data-in-journey=\"false\""));
    assert_eq!(get(cli, &url).await.status, 404);
    begin(cli, &all.url(Site::Lab)).await;
    let page = cli.goto(&spa).await;
    assert!(page.source().contains("data-in-journey=\"true\""));
    let pass = get(cli, &url).await;
    assert_eq!(pass.status, 200, "{}", pass.body);
    pass.json().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_single_page_app_sends_its_pass_and_reports_known_steps_alone() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let (lab, spa, idp) = (all.url(Site::Lab), all.url(Site::Spa), all.url(Site::Idp));
    let mut cli = HeadlessBrowser::new();
    let pass = pass_of(&mut cli, &all).await;
    let state = pass["state"].as_str().unwrap();
    let now = pass["now"].as_u64().unwrap();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-00");
    let own = [("traceparent", &*parent), ("tracestate", state)];
    let forged = [own[0], ("tracestate", "sso-lab=forged")];

    let url = format!("{spa}/lab/steps");
    let told =
        |name: &str| json!([{ "name": name, "at": now, "took": 5, "ok": false, "why": "s3cret" }]);
    for (headers, body, status) in [
        (&own[..], told("page.answer_check"), 204),
        (&own, told("login.password"), 400),
        (&own[..1], told("page.key"), 403),
        (&forged, told("page.key"), 403),
    ] {
        let answer = post(&mut cli, &url, headers, &body).await;
        assert_eq!(answer.status, status, "{body} {}", answer.body);
    }
    cli.raw(Method::POST, &format!("{idp}/token"), &own, "")
        .await;
    let last = [("idp", "POST /token"), ("spa", "page.answer_check")];
    let steps = steps_until(&mut cli, &lab, &last).await;
    let token = named(&steps, "idp", "POST /token").unwrap();
    assert_eq!(token["from"], "browser");
    assert_eq!(token["direct"], true);
    let check = named(&steps, "spa", "page.answer_check").unwrap();
    for (member, value) in [
        ("from", json!("browser")),
        ("to", json!("browser")),
        ("outcome", json!("refused")),
        ("trace", json!(TRACE)),
        ("start", json!(now)),
    ] {
        assert_eq!(check[member], value, "{member}");
    }
    assert_eq!(named(&steps, "spa", "page.key"), None);
    assert_eq!(named(&steps, "spa", "GET /lab/pass"), None);
    assert!(!format!("{steps:?}").contains("s3cret"));
}

/// A preflight of the single-page app: the headers that it may send.
async fn allowed(all: &OneProcess) -> String {
    let spa = all.url(Site::Spa);
    let asks = [
        ("origin", &*spa),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "dpop"),
    ];
    let url = format!("{}/token", all.url(Site::Idp));
    let answer = HeadlessBrowser::new()
        .raw(Method::OPTIONS, &url, &asks, "")
        .await;
    answer
        .header("access-control-allow-headers")
        .unwrap_or_default()
        .to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_in_a_lab_a_page_may_send_trace_headers_and_report() {
    let folder = tempfile::tempdir().unwrap();
    let lab = OneProcess::start(folder.path(), &[], &[]).await;
    assert!(allowed(&lab).await.contains("tracestate"));
    drop(lab);
    let plain = OneProcess::start(folder.path(), &["--no-lab"], &[]).await;
    let headers = allowed(&plain).await;
    assert!(
        headers.contains("dpop") && !headers.contains("trace"),
        "{headers}"
    );
    let spa = plain.url(Site::Spa);
    let mut cli = HeadlessBrowser::new();
    for url in [
        format!("{spa}/lab/pass?trace={TRACE}"),
        format!("{}/journey/terminal", plain.url(Site::Lab)),
    ] {
        assert_eq!(get(&mut cli, &url).await.status, 404, "{url}");
    }
    let report = post(&mut cli, &format!("{spa}/lab/steps"), &[], &json!([])).await;
    assert_eq!(report.status, 404);
}
