//! A real Jaeger, asked as `docs/jaeger.md` says. `scripts/interop jaeger` starts it.

use std::{collections::BTreeMap, time::Duration};

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{ClientAuth, HeadlessBrowser, Machine, Plan, Processes};
use tests::{ALICE, sign_in, trace::PATIENCE};

/// Jaeger's query API.
struct Jaeger {
    http: reqwest::Client,
    url: String,
}

/// A trace, as Jaeger gives it.
struct Found(Value);

impl Jaeger {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Vec<Found> {
        let url = format!("{}{path}", self.url);
        let answer = self.http.get(&url).query(query).send().await.unwrap();
        if answer.status() == 404 {
            // One that has not arrived.
            return Vec::new();
        }
        let text = answer.text().await.unwrap();
        let said: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let traces = said["data"].as_array().unwrap_or_else(|| panic!("{said}"));
        traces.iter().cloned().map(Found).collect()
    }

    /// Asks until the answer fulfils `enough`.
    async fn until(
        &self,
        path: &str,
        query: &[(&str, &str)],
        enough: impl Fn(&Found) -> bool,
    ) -> Found {
        let asked = async {
            loop {
                let found = self.get(path, query).await;
                if let Some(found) = found.into_iter().find(&enough) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let found = tokio::time::timeout(2 * PATIENCE, asked).await;
        found.unwrap_or_else(|_| panic!("not found: {path} {query:?}"))
    }
}

impl Found {
    fn trace_id(&self) -> &str {
        self.0["traceID"].as_str().unwrap()
    }

    fn spans(&self) -> &[Value] {
        self.0["spans"].as_array().unwrap()
    }

    fn service(&self, span: &Value) -> &str {
        let process = span["processID"].as_str().unwrap();
        self.0["processes"][process]["serviceName"]
            .as_str()
            .unwrap()
    }

    fn tag<'s>(span: &'s Value, key: &str) -> Option<&'s Value> {
        let mut tags = span["tags"].as_array()?.iter();
        Some(&tags.find(|tag| tag["key"] == key)?["value"])
    }

    /// `service name` of a span, by its id.
    fn names(&self) -> BTreeMap<&str, String> {
        let spans = self.spans().iter();
        spans
            .map(|span| {
                let name = span["operationName"].as_str().unwrap();
                let named = format!("{} {name}", self.service(span));
                (span["spanID"].as_str().unwrap(), named)
            })
            .collect()
    }

    /// Each span's name after its parent's.
    fn edges(&self) -> Vec<(String, String)> {
        let names = self.names();
        let edge = |span: &Value| {
            let references = span["references"].as_array()?;
            let parent = references.iter().find(|r| r["refType"] == "CHILD_OF")?;
            let parent = names.get(parent["spanID"].as_str()?)?;
            let own = names.get(span["spanID"].as_str()?)?;
            Some((parent.clone(), own.clone()))
        };
        self.spans().iter().filter_map(edge).collect()
    }

    fn has_all(&self, edges: &[(&str, &str)]) -> bool {
        let there = self.edges();
        let is_there =
            |(parent, child): &(&str, &str)| there.iter().any(|(p, c)| p == parent && c == child);
        edges.iter().all(is_there)
    }

    fn named(&self, service: &str, name: &str) -> &Value {
        let mut spans = self.spans().iter();
        spans
            .find(|span| span["operationName"] == name && self.service(span) == service)
            .unwrap_or_else(|| panic!("no {service} {name}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/interop jaeger starts the Jaeger that it asks"]
async fn a_login_a_slow_token_call_and_a_denied_request_are_found_in_jaeger() {
    let environment = |name| std::env::var(name).unwrap();
    let jaeger = Jaeger {
        http: kit::net::http_client(),
        url: environment("JAEGER_QUERY"),
    };
    let platform = Processes::start(&Plan {
        otlp_endpoint: Some(environment("JAEGER_OTLP")),
        proxied_idp: true,
        ..Plan::default()
    })
    .await;
    let mut cli = HeadlessBrowser::new();
    the_traces_of_a_login_and_an_order_are_complete(&jaeger, &platform, &mut cli).await;
    a_slow_token_call_can_be_found_in_traces(&jaeger, &platform, &mut cli).await;
    denied_requests_can_be_found_in_traces(&jaeger, &platform).await;
}

async fn the_traces_of_a_login_and_an_order_are_complete(
    jaeger: &Jaeger,
    platform: &Processes,
    cli: &mut HeadlessBrowser,
) {
    let page = cli
        .goto(&format!("{}/login", platform.url(Site::App2)))
        .await;
    let login = page.hops()[0].header("trace-id").unwrap().to_owned();
    sign_in(cli, ALICE).await;
    let whole = [
        ("app2-bff GET /login", "app2-bff login.par_push"),
        ("app2-bff login.par_push", "idp POST /par"),
        ("app2-bff GET /login", "idp GET /authorize"),
        ("app2-bff GET /login", "idp POST /sign-in"),
        ("idp POST /sign-in", "idp login.password"),
        ("app2-bff GET /login", "app2-bff GET /callback"),
        ("app2-bff GET /callback", "app2-bff callback.code_exchange"),
        ("app2-bff callback.code_exchange", "idp POST /token"),
        ("idp POST /token", "idp token.grant"),
        ("app2-bff callback.session_save", "app2-bff store"),
    ];
    let path = format!("/api/traces/{login}");
    jaeger
        .until(&path, &[], |found| found.has_all(&whole))
        .await;

    // An order, to API-2's gRPC by way of the exchange.
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = cli.fetch_post("/api1/data", &order).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let whole = [
        ("app2-bff POST /api1/data", "app2-bff proxy.upstream"),
        ("app2-bff proxy.upstream", "api-1 POST /resource"),
        ("api-1 POST /resource", "api-1 api.token_exchange"),
        (
            "api-1 api.token_exchange",
            "idp sso.idp.v1.TokenExchange/Exchange",
        ),
        (
            "api-1 api.inventory_call",
            "api-2 sso.inventory.v1.Inventory/Reserve",
        ),
    ];
    let path = format!("/api/traces/{}", answer.header("trace-id").unwrap());
    jaeger
        .until(&path, &[], |found| found.has_all(&whole))
        .await;
}

/// By its name and how long it took.
async fn a_slow_token_call_can_be_found_in_traces(
    jaeger: &Jaeger,
    platform: &Processes,
    cli: &mut HeadlessBrowser,
) {
    platform
        .fault_proxy()
        .slow_down("/token", Duration::from_millis(1500));
    let answer = cli.fetch_get("/api2/data").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let slow = answer.header("trace-id").unwrap();
    let query = [
        ("service", "app2-bff"),
        ("operation", "tokens.refresh"),
        ("minDuration", "1s"),
        ("lookback", "1h"),
    ];
    let is_it = |found: &Found| {
        found.trace_id() == slow && found.has_all(&[("app2-bff tokens.refresh", "idp POST /token")])
    };
    let found = jaeger.until("/api/traces", &query, is_it).await;
    let took = |span: &Value| span["duration"].as_u64().unwrap();
    let call = found.named("app2-bff", "tokens.refresh");
    assert_eq!(Found::tag(call, "sso.grant"), Some(&json!("refresh_token")));
    assert!(took(call) >= 1_500_000, "{call}");
    // The provider itself was quick: the way there is what was slow.
    assert!(took(found.named("idp", "POST /token")) < 1_000_000);
}

/// By their error codes.
async fn denied_requests_can_be_found_in_traces(jaeger: &Jaeger, platform: &Processes) {
    let batch = ClientAuth::basic("batch", "batch-secret");
    let batch = Machine::new(&platform.url(Site::Idp), batch);
    let asked = [
        ("grant_type", "client_credentials"),
        ("resource", "https://api-1"),
        ("scope", "https://api-1/read"),
    ];
    let token = batch.token(&asked).await.granted().text("access_token");
    let url = format!("{}/resource", platform.url(Site::Api1));
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = batch.call_json(Method::POST, &url, &token, &order).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    let denied = answer.header("trace-id").unwrap();
    let query = [
        ("service", "api-1"),
        ("tags", r#"{"sso.outcome":"insufficient_scope"}"#),
        ("lookback", "1h"),
    ];
    let is_it = |found: &Found| found.trace_id() == denied;
    let found = jaeger.until("/api/traces", &query, is_it).await;
    let request = found.named("api-1", "POST /resource");
    let status = Found::tag(request, "http.response.status_code");
    assert_eq!(status, Some(&json!(403)));
    let check = found.named("api-1", "api.token_check");
    assert_eq!(Found::tag(check, "sso.client_id"), Some(&json!("batch")));

    // And one that the provider denied: its step is an error.
    let elsewhere = [asked[0], ("resource", "https://elsewhere")];
    let answer = batch.token(&elsewhere).await;
    let denied = answer.header("trace-id").unwrap();
    let query = [
        ("service", "idp"),
        ("operation", "token.grant"),
        ("tags", r#"{"sso.outcome":"invalid_target"}"#),
        ("lookback", "1h"),
    ];
    let is_it = |found: &Found| found.trace_id() == denied;
    let found = jaeger.until("/api/traces", &query, is_it).await;
    let grant = found.named("idp", "token.grant");
    assert_eq!(Found::tag(grant, "error"), Some(&json!(true)));
}
