//! All that a full run emits (logs at the level `debug`, spans with their
//! attributes and events, metrics) is searched for every secret that was used.

use std::{collections::BTreeSet, time::Duration};

use kit::config::Site;
use reqwest::Method;
use serde_json::json;
use testkit::{ClientAuth, HeadlessBrowser, Machine, Otlp, Plan, Processes};
use tests::{ALICE, BOB, Device, journey, sign_in, sign_in_to};

/// What must not be found anywhere, with what it is.
#[derive(Default)]
struct Secrets(BTreeSet<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, values: impl IntoIterator<Item = String>) {
        let long_enough = values.into_iter().filter(|value| value.len() >= 5);
        self.0.extend(long_enough.map(|value| (what, value)));
    }

    fn are_not_in(&self, place: &str, text: &str) {
        for (what, secret) in &self.0 {
            assert!(
                !text.contains(secret),
                "a {what} is in {place}: {}",
                line_with(text, secret)
            );
        }
    }
}

fn line_with(text: &str, secret: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.contains(secret))
        .unwrap_or_default();
    line.replace(secret, "[here]")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_a_span_or_a_metric_in_stateful_and_hybrid() {
    a_full_run_emits_no_secret("stateful", "hybrid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_a_span_or_a_metric_in_cached_and_stateless() {
    a_full_run_emits_no_secret("cached", "stateless").await;
}

async fn a_full_run_emits_no_secret(app1: &str, app2: &str) {
    let otlp = Otlp::start().await;
    let mut platform = start(&otlp, app1, app2).await;
    let (mut cli, secrets) = secrets_of_a_full_run(&platform).await;
    are_not_in_answers(&platform, &mut cli, &secrets).await;
    platform.stop();
    are_not_in_spans(&otlp, &secrets);
    for (name, output) in platform.output() {
        assert!(
            output.contains("DEBUG") || name == "lab",
            "{name}: {output}"
        );
        secrets.are_not_in(&format!("the log of {name}"), &output);
    }
}

/// A lab that logs all and delivers its spans, with these session modes of the apps.
async fn start(otlp: &Otlp, app1: &str, app2: &str) -> Processes {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let plan = Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        lab: true,
        environment: vec![
            own("RUST_LOG", "debug"),
            own("IDP_DEVICE_INTERVAL", "1s"),
            own("APP1_SESSION_MODE", app1),
            own("APP2_SESSION_MODE", app2),
        ],
        ..Plan::default()
    };
    Processes::start(&plan).await
}

/// What was used in a run, and its browser.
async fn secrets_of_a_full_run(platform: &Processes) -> (HeadlessBrowser, Secrets) {
    let mut secrets = Secrets::default();
    secrets.add(
        "password",
        [ALICE.1, BOB.1, "not-her-password"].map(str::to_owned),
    );
    secrets.add(
        "client secret",
        ["app1-secret", "api-1-secret", "api-2-secret"].map(str::to_owned),
    );

    let mut cli = use_everything(platform, &mut secrets).await;
    connect_devices(platform, &mut secrets).await;
    be_refused_and_log_out(platform, &mut cli, &mut secrets).await;
    introspect(platform, &mut secrets).await;
    let idp = platform.tap(Site::Idp);
    for name in ["access_token", "refresh_token", "id_token"] {
        let values = idp.answered_values(name);
        assert!(!values.is_empty(), "{name}");
        secrets.add("token", values);
    }
    assert!(secrets.0.iter().any(|(what, _)| *what == "code"));
    (cli, secrets)
}

/// Of the metrics, and of the journey's recording.
async fn are_not_in_answers(platform: &Processes, cli: &mut HeadlessBrowser, secrets: &Secrets) {
    for site in Site::ALL {
        let url = format!("{}/metrics", platform.url(site));
        let metrics = cli.raw(Method::GET, &url, &[], "").await;
        secrets.are_not_in("a metric", &metrics.body);
    }
    let url = format!("{}/journey/recording", platform.url(Site::Lab));
    let recording = cli.raw(Method::GET, &url, &[], "").await;
    assert_eq!(recording.status, 200, "{}", recording.body);
    secrets.are_not_in("the recording of the journey", &recording.body);
}

/// Of each service, some with what requests carried.
fn are_not_in_spans(otlp: &Otlp, secrets: &Secrets) {
    let spans = otlp.spans();
    for told in ["sso.request", "sso.response"] {
        let mut spans = spans.iter();
        assert!(spans.any(|span| span.attribute(told).is_some()), "{told}");
    }
    for service in ["app1-bff", "app2-bff", "idp", "api-1", "api-2"] {
        assert!(
            spans.iter().any(|span| span.service == service),
            "{service}"
        );
    }
    for span in &spans {
        secrets.are_not_in("a span", &format!("{span:?}"));
    }
}

/// In a journey, so that spans tell what requests carry: signs in to both apps as alice, not at the first try, and calls everything.
async fn use_everything(platform: &Processes, secrets: &mut Secrets) -> HeadlessBrowser {
    let mut cli = HeadlessBrowser::new();
    journey::begin(&mut cli, &platform.url(Site::Lab)).await;
    for site in [Site::App1, Site::App2] {
        let app = platform.url(site);
        cli.goto(&format!("{app}/login")).await;
        if site == Site::App1 {
            sign_in(&mut cli, (ALICE.0, "not-her-password")).await;
            sign_in(&mut cli, ALICE).await;
        }
        let codes = cli.page().hops().iter().filter_map(|hop| {
            hop.url
                .query_pairs()
                .find(|(name, _)| name == "code")
                .map(|(_, value)| value.into_owned())
        });
        secrets.add("code", codes.collect::<Vec<_>>());
        for path in ["/api1/data", "/api1/report", "/api2/data"] {
            assert_eq!(cli.fetch_get(path).await.status, 200);
        }
        let order = json!({ "item": "chess-set", "quantity": 1 });
        assert_eq!(cli.fetch_post("/api1/data", &order).await.status, 201);
    }
    cli
}

/// One device is allowed and one denied; a stranger guesses.
async fn connect_devices(platform: &Processes, secrets: &mut Secrets) {
    let issuer = platform.url(Site::Idp);
    let tv = Machine::new(&issuer, ClientAuth::public("tv"));
    let (one, other) = (Device::start(&tv).await, Device::start(&tv).await);
    for device in [&one, &other] {
        assert_eq!(device.poll().await.error(), "authorization_pending");
        secrets.add("device code", [device.device_code.clone()]);
        let letters = device.user_code.replace('-', "");
        let codes = [letters.to_lowercase(), letters, device.user_code.clone()];
        secrets.add("user code", codes);
    }
    let mut cli = HeadlessBrowser::new();
    // By the link, so that the code is in the address too.
    cli.goto(&one.link).await;
    sign_in(&mut cli, ALICE).await;
    cli.submit_first_form(&[]).await;
    cli.press("Allow").await;
    other.is_typed_by(&mut cli, ALICE).await;
    cli.press("Deny").await;
    assert_eq!(other.poll().await.error(), "access_denied");
    for guess in ["BCDF-GHJK", "0000-0000"] {
        cli.goto(&one.page).await;
        cli.submit_first_form(&[("user_code", guess)]).await;
        assert_eq!(cli.page().status(), 400, "{}", cli.page());
    }
    let redeemed = async {
        while one.poll().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), redeemed).await;
    assert!(in_time.is_ok(), "the device got no tokens");
    secrets.add(
        "cookie",
        cli.jar().all().iter().map(|cookie| cookie.value.clone()),
    );
}

/// Presents every access token as each resource server, also with a wrong secret.
async fn introspect(platform: &Processes, secrets: &mut Secrets) {
    secrets.add("client secret", ["not-the-secret-of-it".to_owned()]);
    let tokens = platform.tap(Site::Idp).answered_values("access_token");
    for (client, secret) in [
        ("api-1", "api-1-secret"),
        ("api-2", "api-2-secret"),
        ("api-2", "not-the-secret-of-it"),
    ] {
        let auth = ClientAuth::basic(client, secret);
        let machine = Machine::new(&platform.url(Site::Idp), auth);
        for token in &tokens {
            machine.introspect(token, "*/*").await;
        }
    }
}

/// Is refused where it can be, and logs out of both apps by one.
async fn be_refused_and_log_out(
    platform: &Processes,
    cli: &mut HeadlessBrowser,
    secrets: &mut Secrets,
) {
    // Refusals are logged most of all.
    sign_in_to(&mut HeadlessBrowser::new(), &platform.url(Site::App2), BOB).await;
    let forged = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJmb3JnZWQifQ.c2lnbmF0dXJl";
    secrets.add("forged token", [forged[7..].to_owned()]);
    for site in [Site::Api1, Site::Api2] {
        let url = format!("{}/resource", platform.url(site));
        assert_eq!(
            cli.raw(Method::GET, &url, &[("authorization", forged)], "")
                .await
                .status,
            401
        );
    }

    secrets.add(
        "cookie",
        cli.jar().all().iter().map(|cookie| cookie.value.clone()),
    );
    // Out of both apps: revoked at the provider, and the other app is told.
    cli.goto(&platform.url(Site::App1)).await;
    let out = cli.fetch_post("/logout", &json!({})).await;
    assert_eq!(out.status, 200, "{}", out.body);
    let way_on = out.json().unwrap()["redirect_to"]
        .as_str()
        .unwrap()
        .to_owned();
    cli.goto(&way_on).await;
    let told = platform.tap(Site::App2).requests();
    let logout_tokens = told.split("logout_token=").skip(1);
    let logout_tokens: Vec<_> = logout_tokens
        .map(|rest| {
            rest.split(['&', '\n'])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert!(!logout_tokens.is_empty(), "app2 was told");
    secrets.add("logout token", logout_tokens);
}
