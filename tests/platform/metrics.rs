//! What each service counts, as `/metrics` says it and as a receiver gets it.

use std::{collections::BTreeMap, time::Duration};

use kit::{
    config::Site,
    telemetry::names::{Kind, METRICS, Metric},
};
use serde_json::json;
use testkit::{ClientAuth, HeadlessBrowser, Machine, Otlp, Plan, Processes};
use tests::{ALICE, sign_in, sign_in_to, trace::PATIENCE};

use crate::exchanging::GRANT as EXCHANGE;

const SERVICES: [(&str, Site); 5] = [
    ("idp", Site::Idp),
    ("app1-bff", Site::App1),
    ("app2-bff", Site::App2),
    ("api-1", Site::Api1),
    ("api-2", Site::Api2),
];

/// What each service's `/metrics` say.
struct Scraped(BTreeMap<&'static str, String>);

impl Scraped {
    async fn of(platform: &Processes) -> Self {
        let mut said = BTreeMap::new();
        for (service, site) in SERVICES {
            let url = format!("{}/metrics", platform.url(site));
            let answer = HeadlessBrowser::new().try_get(&url).await.unwrap();
            said.insert(service, answer.body);
        }
        Self(said)
    }

    /// The value of the series of `service` that begins with `name` and has
    /// all of these labels.
    fn value(&self, service: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let mut lines = self.0[service].lines();
        let line = lines.find(|line| {
            line.starts_with(&format!("{name}{{")) && labels.iter().all(|l| line.contains(l))
        });
        line?.rsplit(' ').next()?.parse().ok()
    }

    fn has(&self, service: &str, metric: &Metric) -> bool {
        let suffix = match metric.kind {
            Kind::Histogram(_) => "_bucket",
            Kind::Counter | Kind::Gauge => "",
        };
        self.value(service, &format!("{}{suffix}", metric.prometheus()), &[])
            .is_some()
    }
}

async fn a_day_in_the_life(platform: &Processes) {
    let mut cli = HeadlessBrowser::new();
    cli.goto(&format!("{}/login", platform.url(Site::App1)))
        .await;
    sign_in(&mut cli, ("alice", "not-it")).await;
    sign_in(&mut cli, ALICE).await;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    assert_eq!(cli.fetch_post("/api1/data", &order).await.status, 201);
    for path in ["/api1/report", "/api2/data"] {
        assert_eq!(cli.fetch_get(path).await.status, 200, "{path}");
    }
    let denied = format!("{}/login?prompt=none", platform.url(Site::App2));
    HeadlessBrowser::new().goto(&denied).await;
    let url = format!("{}/resource", platform.url(Site::Api1));
    let nobody = ClientAuth::public("nobody");
    let nobody = Machine::new(&platform.url(Site::Idp), nobody);
    assert_eq!(
        nobody
            .call_unsigned(reqwest::Method::GET, &url)
            .await
            .status,
        401
    );
    assert_eq!(
        nobody.call(reqwest::Method::GET, &url, "x").await.status,
        401
    );
    let refused = nobody.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    let api2 = nobody.identified_by(ClientAuth::basic("api-2", "api-2-secret"));
    assert_eq!(api2.introspect("x", "*/*").await.status, 200);
    let mut other = HeadlessBrowser::new();
    sign_in_to(&mut other, &platform.url(Site::App2), ALICE).await;
    other.press("Sign out everywhere").await;
}

/// Service, series, its labels, its value.
type Series = (
    &'static str,
    &'static str,
    Vec<(&'static str, &'static str)>,
    f64,
);

fn outcome(outcome: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("sso_outcome", outcome)]
}

fn grant(grant: &'static str, outcome: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("sso_grant", grant), ("sso_outcome", outcome)]
}

/// What the provider must have counted of [`a_day_in_the_life`].
fn expected_of_the_provider() -> Vec<Series> {
    const REQUESTS: &str = "sso_token_requests_total";
    const CLIENTS: &str = "sso_client_authentications_total";
    const ENDED: &str = "sso_sessions_ended_total";
    let logout = vec![("sso_reason", "logout")];
    vec![
        ("idp", "sso_sign_ins_total", outcome("ok"), 2.0),
        ("idp", "sso_sign_ins_total", outcome("wrong"), 1.0),
        ("idp", REQUESTS, grant("authorization_code", "ok"), 2.0),
        ("idp", REQUESTS, grant("refresh_token", "ok"), 1.0),
        ("idp", REQUESTS, grant(EXCHANGE, "ok"), 2.0),
        ("idp", CLIENTS, outcome("invalid_client"), 1.0),
        ("idp", ENDED, logout, 1.0),
        ("idp", "sso_introspections_total", outcome("inactive"), 1.0),
        ("idp", "sso_logout_notices_total", outcome("ok"), 1.0),
    ]
}

/// What the apps and the APIs must have counted of it.
fn expected_of_the_others() -> Vec<Series> {
    const CALLS: &str = "sso_token_call_duration_seconds_count";
    const CHECKS: &str = "sso_token_checks_total";
    const WAITS: &str = "sso_refresh_wait_duration_seconds_count";
    vec![
        ("app1-bff", "sso_logins_total", outcome("ok"), 1.0),
        ("app2-bff", "sso_logins_total", outcome("ok"), 1.0),
        ("app2-bff", "sso_logins_total", outcome("denied"), 1.0),
        ("app1-bff", CALLS, grant("authorization_code", "ok"), 1.0),
        ("app1-bff", CALLS, grant("refresh_token", "ok"), 1.0),
        ("api-1", CALLS, grant(EXCHANGE, "ok"), 2.0),
        ("api-1", CHECKS, outcome("ok"), 2.0),
        ("api-1", CHECKS, outcome("no_token"), 1.0),
        ("api-1", CHECKS, outcome("invalid_token"), 1.0),
        ("api-2", CHECKS, outcome("ok"), 3.0),
        ("app2-bff", "sso_logout_tokens_total", outcome("ok"), 1.0),
        ("app1-bff", WAITS, Vec::new(), 0.0),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_registry_is_there_and_counts() {
    let platform = Processes::start(&Plan::default()).await;
    a_day_in_the_life(&platform).await;
    let scraped = Scraped::of(&platform).await;
    for metric in METRICS {
        for (service, _) in SERVICES {
            let owns = metric.services.is_empty() || metric.services.contains(&service);
            assert_eq!(
                scraped.has(service, metric),
                owns,
                "{} at {service}",
                metric.name
            );
        }
    }
    let expected = [expected_of_the_provider(), expected_of_the_others()];
    for (service, name, labels, value) in expected.into_iter().flatten() {
        assert_eq!(
            scraped.value(service, name, &labels),
            Some(value),
            "{name} {labels:?} at {service}:\n{}",
            scraped.0[service]
        );
    }
    for (service, operation) in [
        ("idp", "compare_and_swap"),
        ("app1-bff", "take"),
        ("api-2", "compare_and_swap"),
    ] {
        let labels = [("db_operation_name", operation), ("sso_outcome", "ok")];
        let name = "db_client_operation_duration_seconds_count";
        assert!(
            scraped.value(service, name, &labels) > Some(0.0),
            "{operation}"
        );
    }
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        let labels = [("sso_algorithm", algorithm)];
        let age = scraped.value("idp", "sso_signing_key_age_seconds", &labels);
        assert!(
            age.is_some_and(|age| (0.0..600.0).contains(&age)),
            "{age:?}"
        );
    }
    // Counted when the provider began, before anybody was here.
    assert_eq!(scraped.value("idp", "sso_logout_outbox", &[]), Some(0.0));
    assert_eq!(scraped.value("idp", "sso_sessions_active", &[]), Some(0.0));
    for (service, said) in &scraped.0 {
        for secret in ["alice", "wonderland", "not-it", "chess"] {
            assert!(
                !said.contains(secret),
                "{secret} in the metrics of {service}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_exported_where_configured_and_at_shutdown() {
    let otlp = Otlp::start().await;
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut platform = Processes::start(&Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        environment: vec![
            own("OTEL_METRICS_EXPORTER", "otlp"),
            // Longer than the test: what arrives was sent at the end.
            own("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
        ],
        ..Plan::default()
    })
    .await;
    assert!(otlp.metrics().is_empty());
    platform.stop();
    let sent = otlp.metrics();
    for metric in METRICS {
        for (service, _) in SERVICES {
            let closed = metric.labels.iter().all(|label| !label.values.is_empty());
            let owns = metric.services.is_empty() || metric.services.contains(&service);
            if closed && owns {
                let named = (service.to_owned(), metric.name.to_owned());
                assert!(sent.contains(&named), "{named:?} of {sent:#?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_not_exported_by_default() {
    let otlp = Otlp::start().await;
    let mut platform = Processes::start(&Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        ..Plan::default()
    })
    .await;
    let app = platform.url(Site::App1);
    HeadlessBrowser::new().goto(&format!("{app}/")).await;
    // What had to be sent has been sent then.
    platform.stop();
    let spans = otlp.until(PATIENCE, |spans| !spans.is_empty()).await;
    assert!(!spans.is_empty());
    assert!(otlp.metrics().is_empty(), "{:?}", otlp.metrics());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_counted_from_time_to_time() {
    let platform = Processes::start(&Plan::default()).await;
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    let counted = async {
        loop {
            let scraped = Scraped::of(&platform).await;
            if scraped.value("idp", "sso_sessions_active", &[]) == Some(1.0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let in_time = tokio::time::timeout(4 * PATIENCE, counted).await;
    assert!(in_time.is_ok(), "the session is never counted");
}
