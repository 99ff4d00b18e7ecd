//! The lab's live diagram: each browser sees its own journey, step by step, and nothing
//! secret. The services run in one process, except where a test says otherwise.

use std::{path::Path, time::Duration};

use kit::config::{Addresses, Site};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Child, HeadlessBrowser, Otlp, Plan, Processes};
use tests::{
    ALICE, BOB, all_in_one_with,
    journey::{begin, get, have_in_order, have_no_secret, item, named, secrets_of, steps_until},
    offset_of, sign_in_to,
};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const COOKIE: &str = "__Host-lab_journey";

/// The steps of app1's login, in the order in which they begin: the sequence of the seed.
const LOGIN: &[&str] = &[
    "browser app1-bff GET /login",
    "app1-bff app1-bff login.pre_session",
    "app1-bff app1-store put",
    "browser idp GET /authorize",
    "idp idp authorize.check",
    "browser idp POST /sign-in",
    "idp idp login.password",
    "idp idp authorize.code_issue",
    "browser app1-bff GET /callback",
    "app1-bff app1-bff callback.check",
    "app1-bff app1-store take",
    "app1-bff idp callback.code_exchange",
    "app1-bff idp POST /token",
    "idp idp token.client_auth",
    "idp idp token.grant",
    "app1-bff app1-bff callback.id_token_check",
    "app1-bff app1-bff callback.session_save",
    "app1-bff app1-store put",
];

/// The same at app2, which pushes its request.
const PUSHED_LOGIN: &[&str] = &[
    "browser app2-bff GET /login",
    "app2-bff app2-bff login.pre_session",
    "app2-bff idp login.par_push",
    "app2-bff idp POST /par",
    "browser idp GET /authorize",
    "browser idp POST /sign-in",
    "browser app2-bff GET /callback",
    "app2-bff idp callback.code_exchange",
    "app2-bff idp POST /token",
    "app2-bff app2-bff callback.session_save",
];

/// An order at API-1, which exchanges the token and reserves at API-2.
const ORDER: &[&str] = &[
    "browser app1-bff POST /api1/data",
    "app1-bff api-1 proxy.upstream",
    "app1-bff api-1 POST /resource",
    "api-1 api-1 api.token_check",
    "api-1 idp api.token_exchange",
    "api-1 idp sso.idp.v1.TokenExchange/Exchange",
    "api-1 api-2 api.inventory_call",
    "api-1 api-2 sso.inventory.v1.Inventory/Reserve",
];

/// All services in one process.
pub(crate) struct OneProcess {
    child: Child,
    addresses: Addresses,
}

impl OneProcess {
    pub(crate) async fn start(folder: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let (child, addresses) = all_in_one_with(folder, flags, environment).await;
        Self { child, addresses }
    }

    /// By how much its ports are moved.
    pub(crate) fn offset(&self) -> u16 {
        offset_of(&self.addresses)
    }

    pub(crate) fn url(&self, site: Site) -> String {
        self.addresses.url(site)
    }
}

pub(crate) fn cookie_at(cli: &HeadlessBrowser, host: &str, name: &str) -> Option<String> {
    let jar = cli.jar();
    jar.get(host, name).map(|cookie| cookie.value.clone())
}

fn step<'s>(steps: &'s [Value], service: &str, name: &str) -> &'s Value {
    named(steps, service, name).unwrap_or_else(|| panic!("{service} {name}"))
}

/// The requests of the login at `app` are one trace, also in a lab.
fn is_one_trace(steps: &[Value], app: &str) {
    let requests = [
        (app, "GET /login"),
        ("idp", "GET /authorize"),
        ("idp", "POST /sign-in"),
        (app, "GET /callback"),
    ];
    let traces = requests.map(|(service, name)| step(steps, service, name)["trace"].as_str());
    assert!(traces[0].is_some());
    assert_eq!(traces, [traces[0]; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_at_once_see_their_own_logins_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let (lab, app1, app2) = (all.url(Site::Lab), all.url(Site::App1), all.url(Site::App2));
    let (mut one, mut other) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    begin(&mut one, &lab).await;
    begin(&mut other, &lab).await;
    tokio::join!(
        sign_in_to(&mut one, &app1, ALICE),
        sign_in_to(&mut other, &app2, BOB)
    );
    let first = steps_until(&mut one, &lab, &[("app1-bff", "GET /callback")]).await;
    let second = steps_until(&mut other, &lab, &[("app2-bff", "GET /callback")]).await;
    have_in_order(&first, LOGIN);
    have_in_order(&second, PUSHED_LOGIN);
    is_one_trace(&first, "app1-bff");
    is_one_trace(&second, "app2-bff");
    for (steps, cli, others) in [(&first, &one, "app2"), (&second, &other, "app1")] {
        let foreign = steps.iter().find(|step| step.to_string().contains(others));
        assert_eq!(foreign, None);
        have_no_secret(steps, &secrets_of(cli));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_tell_what_is_sent_and_which_values_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let (lab, app1) = (all.url(Site::Lab), all.url(Site::App1));
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    sign_in_to(&mut cli, &app1, ALICE).await;
    let mut secrets = secrets_of(&cli);
    let order = json!({ "item": "chess-set", "quantity": 1 });
    assert_eq!(cli.fetch_post("/api1/data", &order).await.status, 201);
    secrets.extend(secrets_of(&cli));
    let last = [
        ("app1-bff", "GET /callback"),
        ("app1-bff", "POST /api1/data"),
    ];
    let steps = steps_until(&mut cli, &lab, &last).await;
    have_in_order(&steps, ORDER);
    have_no_secret(&steps, &secrets);
    a_login_tells_its_values(&steps);
    an_exchange_tells_both_tokens(&steps);
}

/// Values that come back are equal by their fingerprints, and no secret has a value.
fn a_login_tells_its_values(steps: &[Value]) {
    let login = step(steps, "app1-bff", "GET /login");
    let callback = step(steps, "app1-bff", "GET /callback");
    let token = step(steps, "idp", "POST /token");
    assert_eq!(login["status"], 302);
    assert_eq!(item(login, "response", "client_id")["value"], "app1");
    let left = item(login, "response", "state");
    let came_back = item(callback, "request", "state");
    assert_eq!(left["fingerprint"], came_back["fingerprint"]);
    assert!(left.get("value").is_none(), "{left}");
    let code = item(callback, "request", "code");
    let redeemed = item(token, "request", "code");
    assert_eq!(code["fingerprint"], redeemed["fingerprint"]);
    let grant = item(token, "request", "grant_type");
    assert_eq!(grant["value"], "authorization_code");
    let exchange = step(steps, "app1-bff", "callback.code_exchange");
    let id_token = item(exchange, "response", "id_token");
    assert_eq!(id_token["place"], "token");
    let nonce = item(login, "response", "nonce");
    let came_back = &id_token["claims"]["nonce"];
    assert_eq!(came_back["fingerprint"], nonce["fingerprint"]);
    let sign_in = step(steps, "idp", "POST /sign-in");
    let password = item(sign_in, "request", "password");
    assert_eq!(password, &json!({ "place": "form", "name": "password" }));
    let mut session = callback["response"].as_array().unwrap().iter();
    let is_set = |item: &Value| {
        let said = item["attributes"].as_str();
        said.is_some_and(|said| said.contains("HttpOnly"))
    };
    assert!(session.any(is_set), "{callback:#}");
}

fn an_exchange_tells_both_tokens(steps: &[Value]) {
    let exchanged = step(steps, "api-1", "api.token_exchange");
    let before = item(exchanged, "request", "subject_token");
    let after = item(exchanged, "response", "access_token");
    assert_eq!(before["claims"]["aud"], "https://api-1");
    assert_eq!(after["claims"]["aud"], "https://api-2");
    assert!(after["claims"]["act"].is_object(), "{after:#}");
    assert_eq!(before["claims"]["sub"], after["claims"]["sub"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_journeys_end_no_service_has_a_cookie_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let lab = all.url(Site::Lab);
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    let own = [("origin", &*lab), ("sec-fetch-site", "same-origin")];
    let url = format!("{lab}/journey/end");
    let answer = cli.raw(Method::POST, &url, &own, "").await;
    let first = answer.redirect().unwrap();
    let page = cli.goto(first.as_str()).await;
    assert_eq!(
        (page.status(), page.url().path()),
        (200, "/journey"),
        "{page}"
    );
    for site in ["lab", "app1", "app2", "idp", "spa"] {
        let held = cookie_at(&cli, &format!("{site}.localhost"), COOKIE);
        assert_eq!(held, None, "{site}");
    }
    assert_eq!(cookie_at(&cli, "lab.localhost", "__Host-lab_leaving"), None);
    // A new one begins as ever.
    begin(&mut cli, &lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_or_reads_another_browsers_journey() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let (lab, app1) = (all.url(Site::Lab), all.url(Site::App1));
    let (mut attacker, mut victim) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    begin(&mut attacker, &lab).await;
    // The attacker stops with a ticket in hand, and sends the victim there.
    let asked = attacker.step(&format!("{app1}/lab/join")).await.location();
    let ticket = attacker.step(asked.unwrap().as_str()).await.location();
    let ticket = ticket.unwrap().to_string();
    assert!(
        ticket.starts_with(&format!("{app1}/lab/join?ticket=")),
        "{ticket}"
    );
    let page = victim.goto(&ticket).await;
    assert_eq!(page.status(), 400, "{page}");
    assert_eq!(cookie_at(&victim, "app1.localhost", COOKIE), None);
    // Its own browser uses it, once.
    let mut own = attacker.second_tab();
    assert_eq!(own.step(&ticket).await.status(), 303);
    assert_eq!(own.step(&ticket).await.status(), 400);
    // A browser without a journey gets no ticket, and no other service's name leads away.
    let page = victim.goto(&format!("{app1}/lab/join")).await;
    assert_eq!(page.status(), 400, "{page}");
    for service in ["lab", "api-3", "http://evil.localhost"] {
        let challenge = "c".repeat(43);
        let url = format!("{lab}/journey/ticket?service={service}&challenge={challenge}");
        assert_eq!(get(&mut attacker, &url).await.status, 400, "{service}");
    }
    for path in ["/journey/recording", "/journey/events"] {
        assert_eq!(get(&mut victim, &format!("{lab}{path}")).await.status, 404);
    }
    let evil = [
        ("origin", "http://evil.localhost:8087"),
        ("sec-fetch-site", "cross-site"),
    ];
    for path in ["/journey", "/journey/end"] {
        let url = format!("{lab}{path}");
        assert_eq!(victim.raw(Method::POST, &url, &evil, "").await.status, 403);
    }
    let url = format!("{lab}/v1/traces");
    for headers in [&[][..], &[("authorization", "Bearer guess")]] {
        assert_eq!(
            victim.raw(Method::POST, &url, headers, "").await.status,
            401
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lab_there_is_no_diagram_and_nothing_to_join() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &["--no-lab"], &[]).await;
    let mut cli = HeadlessBrowser::new();
    for (site, path) in [
        (Site::App1, "/lab/join"),
        (Site::App2, "/lab/join"),
        (Site::Idp, "/lab/join"),
        (Site::Spa, "/lab/join"),
        (Site::Lab, "/journey"),
        (Site::Lab, "/journey/events"),
    ] {
        let answer = get(&mut cli, &format!("{}{path}", all.url(site))).await;
        assert_eq!(answer.status, 404, "{site:?} {path}");
    }
    let start = cli.goto(&all.url(Site::Lab)).await;
    assert!(!start.source().contains("/journey"), "{start}");
}

/// The sampler records nothing, so the collector gets the spans of journeys alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_journey_is_always_sampled_and_a_forged_one_never() {
    let otlp = Otlp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.endpoint()),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let mut all = OneProcess::start(folder.path(), &[], &environment).await;
    let (lab, app1, idp) = (all.url(Site::Lab), all.url(Site::App1), all.url(Site::Idp));
    let (mut forger, mut cli) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    begin(&mut cli, &lab).await;
    let others = cookie_at(&cli, "idp.localhost", COOKIE).unwrap();
    for value in ["forged", &*others] {
        let cookie = format!("{COOKIE}={value}");
        let (url, headers) = (format!("{app1}/login"), [("cookie", &*cookie)]);
        let answer = forger.raw(Method::GET, &url, &headers, "").await;
        assert_eq!(answer.status, 302, "{}", answer.body);
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-00");
    for state in ["sso-lab=forged".to_owned(), format!("sso-lab={others}")] {
        let headers = [("traceparent", &*traceparent), ("tracestate", &*state)];
        forger
            .raw(Method::POST, &format!("{idp}/token"), &headers, "")
            .await;
    }
    cli.goto(&app1).await;
    steps_until(&mut cli, &lab, &[("app1-bff", "GET /")]).await;
    all.child.terminate();
    assert!(all.child.wait(PATIENCE).is_some());
    let spans = otlp.spans();
    assert!(
        spans
            .iter()
            .any(|span| span.service == "app1-bff" && span.name == "GET /")
    );
    for span in &spans {
        assert!(span.attribute("sso.journey").is_some(), "{span:?}");
        assert_ne!(span.name, "GET /login", "{span:?}");
        assert_ne!(span.trace_id, trace, "{span:?}");
    }
}

/// Each service is a process of its own and delivers its spans by OTLP, on Redis, two
/// replicas each.
#[tokio::test(flavor = "multi_thread")]
async fn in_processes_of_their_own_the_services_deliver_to_the_lab() {
    let plan = Plan {
        lab: true,
        replicas: 2,
        ..Plan::default()
    };
    let all = Processes::start(&plan).await;
    let (lab, app1) = (all.url(Site::Lab), all.url(Site::App1));
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    sign_in_to(&mut cli, &app1, ALICE).await;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    assert_eq!(cli.fetch_post("/api1/data", &order).await.status, 201);
    let last = [
        ("app1-bff", "GET /callback"),
        ("app1-bff", "POST /api1/data"),
        ("api-1", "POST /resource"),
        ("api-2", "sso.inventory.v1.Inventory/Reserve"),
        ("idp", "POST /token"),
        ("idp", "GET /authorize"),
        ("idp", "POST /sign-in"),
        ("idp", "sso.idp.v1.TokenExchange/Exchange"),
    ];
    let steps = steps_until(&mut cli, &lab, &last).await;
    have_in_order(&steps, LOGIN);
    have_in_order(&steps, ORDER);
    have_no_secret(&steps, &secrets_of(&cli));
}
