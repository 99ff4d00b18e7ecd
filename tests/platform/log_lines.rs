//! Log lines of the real processes: each line of a request says its trace and
//! its service, whether or not anything is traced.

use kit::config::Site;
use serde_json::{Value, json};
use testkit::{HeadlessBrowser, Otlp, Plan, Processes};
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

async fn each_log_line_of_a_request_has_its_trace_id(plan: Plan) {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut plan = plan;
    plan.environment.push(own("LOG_FORMAT", "json"));
    let is_traced = plan.otlp_endpoint.is_some();
    let mut platform = Processes::start(&plan).await;
    let mut cli = HeadlessBrowser::new();
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

/// Each failed call to the provider is told at both of its ends: what was said
/// (RFC 6749 §5.2), which client, in which trace.
#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_5_2_a_wrong_client_secret_is_logged_with_client_and_error_at_both_ends() {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let plan = Plan {
        environment: vec![
            own("LOG_FORMAT", "json"),
            own("APP1_CLIENT_SECRET", "not-the-one-it-has"),
            own("API1_CLIENT_SECRET", "not-the-one-it-has"),
        ],
        ..Plan::default()
    };
    let platform = Processes::start(&plan).await;
    let mut cli = HeadlessBrowser::new();
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    cli.goto(&format!("{app1}/login")).await;
    sign_in(&mut cli, ALICE).await;
    let page = cli.page();
    assert_eq!(page.status(), 502, "{page}");
    let callback = page.hops().last().unwrap();
    let at_app = line(&platform, "app1-bff", "the identity provider");
    assert_eq!(at_app["trace_id"], callback.header("trace-id").unwrap());
    let fields = &at_app["fields"];
    assert_eq!(fields["error"], "invalid_client", "{at_app}");
    assert_eq!(fields["client"], "app1", "{at_app}");
    assert_eq!(fields["call"], "authorization_code", "{at_app}");
    let at_idp = line(&platform, "idp", "client authentication failed");
    assert_eq!(at_idp["fields"]["client"], "app1", "{at_idp}");
    assert_eq!(at_idp["fields"]["code"], "invalid_client", "{at_idp}");

    // API-1 exchanges with its own.
    cli.goto(&format!("{app2}/login")).await;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    for answer in [
        cli.fetch_post("/api1/data", &order).await,
        cli.fetch_get("/api1/report").await,
    ] {
        assert!(answer.status >= 500, "{}", answer.body);
        let api_line = line(&platform, "api-1", "the identity provider refused");
        let fields = &api_line["fields"];
        assert_eq!(fields["error"], "invalid_client", "{api_line}");
        assert_eq!(fields["client"], "api-1", "{api_line}");
    }
    let at_idp = line(&platform, "idp", "client authentication failed");
    assert_eq!(at_idp["fields"]["client"], "api-1", "{at_idp}");
    for (name, output) in platform.output() {
        assert!(!output.contains("not-the-one-it-has"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_clients_name_is_truncated_and_cannot_break_its_log_line() {
    let own = ("LOG_FORMAT".to_owned(), "text".to_owned());
    let plan = Plan {
        environment: vec![own],
        ..Plan::default()
    };
    let platform = Processes::start(&plan).await;
    let mut cli = HeadlessBrowser::new();
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair(
            "client_id",
            &format!("x\nforged: line\u{1b}[31m{}", "y".repeat(5000)),
        )
        .append_pair("client_secret", "s")
        .finish();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}/token", platform.url(Site::Idp));
    let answer = cli.raw(reqwest::Method::POST, &url, &form, &body).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let output = &platform.output()["idp"];
    let told: Vec<_> = output
        .lines()
        .filter(|line| line.contains("forged: line"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("client authentication failed") && told[0].contains("x'forged: line'")
    );
    assert!(!told[0].contains(&"y".repeat(100)), "{told:?}");
}

/// An app's certificate that the provider does not trust is called so.
#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_certificate_is_named_as_the_cause() {
    let stranger = testkit::KubeApi::start(&[]);
    let error = kit::net::http_client().get(stranger.url()).send().await;
    let why = kit::net::why(&error.unwrap_err());
    assert!(why.starts_with("its certificate is not trusted: "), "{why}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/?secret", nobody.local_addr().unwrap());
    drop(nobody);
    let error = kit::net::http_client().get(url).send().await;
    let why = kit::net::why(&error.unwrap_err());
    assert!(why.contains("refused") && !why.contains("secret"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_traced() {
    each_log_line_of_a_request_has_its_trace_id(Plan::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_sampled() {
    let otlp = Otlp::start().await;
    let never = ("OTEL_TRACES_SAMPLER".to_owned(), "always_off".to_owned());
    each_log_line_of_a_request_has_its_trace_id(Plan {
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
    each_log_line_of_a_request_has_its_trace_id(Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        ..Plan::default()
    })
    .await;
}
