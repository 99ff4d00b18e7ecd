//! Log lines of the real processes: each line of a request says its trace and
//! its service, whether or not anything is traced.

use kit::config::Site;
use serde_json::{Value, json};
use testkit::{Cli, Otlp, Plan, Processes};
use tests::{ALICE, sign_in};

/// The lines of the process `name` that are JSON.
fn lines(platform: &Processes, name: &str) -> Vec<Value> {
    let output = &platform.output()[name];
    let lines = output.lines();
    lines
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// The line of `name` whose message begins with `message`.
fn line(platform: &Processes, name: &str, message: &str) -> Value {
    let all = lines(platform, name);
    let said = |line: &&Value| {
        let said = line["fields"]["message"].as_str();
        said.is_some_and(|said| said.starts_with(message))
    };
    let found = all.iter().rev().find(said);
    found
        .unwrap_or_else(|| panic!("{name} never said {message:?}: {all:#?}"))
        .clone()
}

async fn each_line_of_a_request_says_its_trace(plan: Plan) {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut plan = plan;
    plan.environment.push(own("LOG_FORMAT", "json"));
    let is_traced = plan.otlp_endpoint.is_some();
    let mut platform = Processes::start(&plan).await;
    let mut cli = Cli::new();
    let page = cli
        .goto(&format!("{}/login", platform.url(Site::App1)))
        .await;
    let login = page.hops()[0].header("trace-id").unwrap().to_owned();
    sign_in(&mut cli, ("alice", "not-it")).await;
    sign_in(&mut cli, ALICE).await;
    assert_eq!(cli.page().status(), 200, "{}", cli.page());
    for said in [
        "password refused",
        "password accepted",
        "signed in to a client",
    ] {
        let line = line(&platform, "idp", said);
        assert_eq!(line["trace_id"], login, "{line}");
        assert_eq!(line["service"], "idp", "{line}");
    }
    // The code's redemption is a call between services: without spans there is
    // nothing to hand over, so it has an id of its own.
    let granted = line(&platform, "idp", "tokens issued");
    let trace_id = granted["trace_id"].as_str().unwrap();
    assert_eq!(trace_id == login, is_traced, "{granted}");

    // An order that cannot be had: the app's and API-1's lines.
    platform.kill("api-2");
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = cli.fetch_post("/api1/data", &order).await;
    assert!(answer.status >= 500, "{}", answer.body);
    let call = answer.header("trace-id").unwrap();
    let at_app = line(&platform, "app1-bff", "answered with an error");
    assert_eq!(at_app["trace_id"], call, "{at_app}");
    assert_eq!(at_app["service"], "app1-bff", "{at_app}");
    assert_eq!(at_app["fields"]["status"], answer.status, "{at_app}");
    let behind = line(&platform, "api-1", "the inventory");
    assert_eq!(behind["service"], "api-1", "{behind}");
    assert_eq!(behind["trace_id"] == call, is_traced, "{behind}");
    assert_eq!(
        behind["trace_id"].as_str().map(str::len),
        Some(32),
        "{behind}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_traced() {
    each_line_of_a_request_says_its_trace(Plan::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_sampled() {
    let otlp = Otlp::start().await;
    let never = ("OTEL_TRACES_SAMPLER".to_owned(), "always_off".to_owned());
    each_line_of_a_request_says_its_trace(Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        environment: vec![never],
        ..Plan::default()
    })
    .await;
    assert!(otlp.spans().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_traced() {
    let otlp = Otlp::start().await;
    each_line_of_a_request_says_its_trace(Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        ..Plan::default()
    })
    .await;
}
