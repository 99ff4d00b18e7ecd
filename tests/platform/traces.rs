//! Traces as a receiver gets them: who is whose parent, across processes and
//! through the browser.

use kit::config::Site;
use serde_json::json;
use testkit::{HeadlessBrowser, Otlp, Plan, Processes, SpanRecord};
use tests::{
    ALICE, all_in_one_with, sign_in,
    trace::{PATIENCE, Trace},
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

async fn traced() -> (Otlp, Processes) {
    let otlp = Otlp::start().await;
    let plan = Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        ..Plan::default()
    };
    let platform = Processes::start(&plan).await;
    (otlp, platform)
}

/// Who has a part in an order.
const ORDER: [&str; 4] = ["api-1", "api-2", "app1-bff", "idp"];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_one_trace_from_the_app_to_api_2_by_way_of_redis_and_the_provider() {
    let (otlp, platform) = traced().await;
    let mut cli = HeadlessBrowser::new();
    tests::sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = cli.fetch_post("/api1/data", &order).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let trace_id = answer.header("trace-id").expect("Trace-Id").to_owned();

    let spans = otlp
        .until(PATIENCE, |spans| {
            let trace = Trace::of(spans, &trace_id);
            trace.find("app1-bff", "POST").is_some() && trace.has_arrived(&ORDER)
        })
        .await;
    let trace = Trace::of(&spans, &trace_id);
    trace.must_be_whole();
    assert_eq!(trace.services(), ORDER);

    // The edges, each as the path that leads there.
    let reserve = trace.find("api-2", "Reserve").expect("API-2's call");
    let path = trace.path(reserve);
    let order_of = |start: &str| {
        path.iter()
            .position(|step| step.starts_with(start))
            .unwrap_or_else(|| panic!("{start}: {path:#?}"))
    };
    assert!(
        order_of("app1-bff POST") < order_of("api-1 POST"),
        "{path:#?}"
    );
    assert!(order_of("api-1 POST") < order_of("api-2"), "{path:#?}");
    let exchange = trace.find("idp", "Exchange").expect("the exchange by gRPC");
    assert!(
        trace
            .path(exchange)
            .iter()
            .any(|step| step.starts_with("api-1 POST")),
        "{:#?}",
        trace.path(exchange)
    );
    let of_redis = |span: &&SpanRecord| {
        span.attributes
            .get("db.system.name")
            .is_some_and(|system| system == "redis")
    };
    let load = trace
        .spans()
        .iter()
        .filter(|span| span.service == "app1-bff")
        .find(of_redis)
        .expect("the session's load");
    assert!(
        trace.path(load)[0].starts_with("app1-bff POST"),
        "{:#?}",
        trace.path(load)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_one_trace_through_the_browser_pushed_or_not() {
    let (otlp, platform) = traced().await;
    for (site, service) in [(Site::App1, "app1-bff"), (Site::App2, "app2-bff")] {
        let mut cli = HeadlessBrowser::new();
        let login = cli
            .goto(&format!("{}/login", platform.url(site)))
            .await
            .hops()[0]
            .clone();
        sign_in(&mut cli, ALICE).await;
        let trace_id = login.header("trace-id").expect("Trace-Id").to_owned();
        for hop in cli.page().hops().iter().filter(|hop| hop.url.path() != "/") {
            assert_eq!(
                hop.header("trace-id"),
                Some(&*trace_id),
                "{}",
                hop.url.path()
            );
        }
        let spans = otlp
            .until(PATIENCE, |spans| {
                let trace = Trace::of(spans, &trace_id);
                trace.find(service, "/callback").is_some()
                    && trace.find("idp", "POST /token").is_some()
                    && trace.has_arrived(&[service, "idp"])
            })
            .await;
        let trace = Trace::of(&spans, &trace_id);
        trace.must_be_whole();
        assert_eq!(trace.services(), [service, "idp"]);
        let token = trace.find("idp", "POST /token").expect("the redemption");
        let path = trace.path(token);
        assert!(
            path.iter().any(|step| step.contains("/callback")),
            "{path:#?}"
        );
        for leg in ["GET /authorize", "POST /"] {
            assert!(trace.find("idp", leg).is_some(), "{leg}");
        }
        if site == Site::App2 {
            assert!(trace.path(trace.find("idp", "/par").expect("the push"))[0].contains("/login"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_traceparent_is_not_taken_over() {
    let (_otlp, platform) = traced().await;
    let strangers = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{strangers}-00f067aa0ba902b7-01");
    let pages = [
        (Site::App1, "/"),
        (Site::App1, "/login"),
        (Site::App1, "/callback?state=S&code=C"),
        (Site::App2, "/"),
        (Site::App2, "/login"),
        (Site::Idp, "/"),
        (Site::Idp, "/authorize?client_id=app1&state=S"),
        (Site::Idp, "/account"),
        (Site::Idp, "/logout"),
        (Site::Lab, "/"),
    ];
    for (site, path) in pages {
        let url = format!("{}{path}", platform.url(site));
        let answer = HeadlessBrowser::new()
            .raw(
                reqwest::Method::GET,
                &url,
                &[("traceparent", &traceparent)],
                "",
            )
            .await;
        let own = answer.header("trace-id").expect("Trace-Id");
        assert_ne!(own, strangers, "{site:?} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process_each_services_spans_keep_their_own_service_name() {
    let otlp = Otlp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.endpoint())];
    let (_child, addresses) = all_in_one_with(folder.path(), &[], &endpoint).await;
    let mut cli = HeadlessBrowser::new();
    tests::sign_in_to(&mut cli, &addresses.url(Site::App1), ALICE).await;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = cli.fetch_post("/api1/data", &order).await;
    let trace_id = answer.header("trace-id").expect("Trace-Id").to_owned();
    let spans = otlp
        .until(PATIENCE, |spans| {
            let trace = Trace::of(spans, &trace_id);
            trace.find("app1-bff", "POST").is_some() && trace.has_arrived(&ORDER)
        })
        .await;
    let trace = Trace::of(&spans, &trace_id);
    trace.must_be_whole();
    assert_eq!(trace.services(), ORDER);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_sent_by_http_protobuf_too() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ];
    let (_child, addresses) = all_in_one_with(folder.path(), &[], &environment).await;
    let mut cli = HeadlessBrowser::new();
    cli.goto(&addresses.url(Site::App1)).await;
    let received = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut head = String::new();
        let mut reader = BufReader::new(stream);
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        head.to_lowercase()
    };
    let head = tokio::time::timeout(PATIENCE, received)
        .await
        .expect("spans");
    assert!(head.starts_with("post /v1/traces "), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
}
