//! Lost telemetry: an invalid setting is refused at the start, and the log and a metric
//! report a collector that does not answer.

use std::time::Duration;

use kit::config::Site;
use testkit::{Child, Otlp, Plan, Processes, binary};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const SOON: Duration = Duration::from_secs(60);

fn own(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_bad_otel_setting_is_a_line_with_its_key_and_exit_code_2_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [
        own("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
        own("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"),
        own("OTEL_EXPORTER_OTLP_HEADERS", "Bearer hunter2"),
        own("OTEL_TRACES_SAMPLER", "always_one"),
        own("OTEL_TRACES_SAMPLER_ARG", "10%"),
        own("RUST_LOG", "info,,=x="),
    ];
    for program in [
        "sso-lab", "idp", "app1-bff", "app2-bff", "api-1", "api-2", "lab",
    ] {
        let log = folder.path().join(program);
        let mut child = Child::spawn(&binary(program), &["--workers", "0"], &wrong, log);
        let status = child.wait(SOON).expect("it ends");
        assert_eq!(status.code(), Some(2), "{program}: {}", child.output());
        let said = child.output();
        for (key, _) in &wrong {
            let lines = said
                .lines()
                .filter(|line| line.contains(&format!("{key}: ")));
            assert_eq!(lines.count(), 1, "{program}, {key}: {said}");
        }
        assert!(
            said.contains("WORKERS: ") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

async fn get(url: &str) -> String {
    let answer = kit::net::http_client().get(url).send().await.unwrap();
    answer.text().await.unwrap()
}

/// The value of the counter's series with these labels, at `api`.
async fn exports(api: &str, outcome: &str) -> f64 {
    let text = get(&format!("{api}/metrics")).await;
    let series = text.lines().filter(|line| {
        line.starts_with("sso_telemetry_exports_total{")
            && line.contains("sso_signal=\"traces\"")
            && line.contains(&format!("sso_outcome=\"{outcome}\""))
    });
    let values: Vec<f64> = series
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    assert_eq!(values.len(), 1, "{text}");
    values[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_cannot_be_exported_are_logged_once_and_counted() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    for protocol in ["grpc", "http/protobuf"] {
        let platform = Processes::start(&Plan {
            otlp_endpoint: Some(format!("http://collector.localhost:{port}")),
            environment: vec![
                own("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                own("OTEL_EXPORTER_OTLP_TIMEOUT", "200"),
            ],
            ..Plan::default()
        })
        .await;
        let api = platform.url(Site::Api2);
        let counted = async {
            while exports(&api, "error").await < 2.0 {
                get(&format!("{api}/resource")).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(SOON, counted).await;
        let said = &platform.output()["api-2"];
        assert!(in_time.is_ok(), "{protocol}: {said}");
        assert!(exports(&api, "ok").await < 1.0, "{protocol}");
        let lines = said
            .lines()
            .filter(|line| line.contains("does not accept telemetry"));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 1, "{protocol}: {said}");
        assert!(lines[0].contains("http://collector.localhost"), "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6761_6_3_a_collector_at_a_localhost_name_is_loopback_for_both_protocols() {
    let otlp = Otlp::start().await;
    let port = otlp.endpoint().rsplit(':').next().unwrap().to_owned();
    let by_grpc = Processes::start(&Plan {
        otlp_endpoint: Some(format!("http://collector.localhost:{port}")),
        ..Plan::default()
    })
    .await;
    get(&by_grpc.url(Site::Api2)).await;
    let spans = otlp.until(SOON, |spans| !spans.is_empty()).await;
    assert!(!spans.is_empty(), "{:#?}", by_grpc.output());
    drop(by_grpc);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let by_http = Processes::start(&Plan {
        otlp_endpoint: Some(format!("http://collector.localhost:{port}")),
        environment: vec![
            own("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            own("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b"),
        ],
        ..Plan::default()
    })
    .await;
    let asking = tokio::spawn({
        let url = by_http.url(Site::Api2);
        async move { get(&url).await }
    });
    let (mut stream, _) = tokio::time::timeout(SOON, listener.accept())
        .await
        .unwrap()
        .unwrap();
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: collector.localhost:{port}")),
        "{head}"
    );
    assert!(head.contains("x-key: a b\r\n"), "{head}");
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    asking.await.unwrap();
}
