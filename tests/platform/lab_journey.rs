//! The lab's live diagram: each browser sees its own journey, step by step, and nothing
//! secret.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use serde_json::Value;
use testkit::{Child, HeadlessBrowser, binary, free_offset};
use tests::{ALICE, BOB, Person, sign_in, sign_in_to};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The services of one process.
struct Lab {
    _process: Child,
    addresses: kit::config::Addresses,
}

impl Lab {
    async fn start(folder: &std::path::Path, flags: &[&str]) -> Self {
        let offset = free_offset(1);
        let port = offset.to_string();
        let flags = [&["--port-offset", &*port], flags].concat();
        let environment = [("REDIS_URL".to_owned(), String::new())];
        let log = folder.join("log");
        let mut process = Child::spawn(&binary("sso-lab"), &flags, &environment, log);
        process.until_output("wonderland", PATIENCE).await;
        Self {
            _process: process,
            addresses: kit::config::Addresses::new("http", "localhost", offset),
        }
    }

    fn url(&self, site: Site) -> String {
        self.addresses.url(site)
    }
}

/// Presses the button that begins a journey.
async fn begin(cli: &mut HeadlessBrowser, lab: &str) {
    cli.goto(&format!("{lab}/journey")).await;
    cli.submit_first_form(&[]).await;
    let page = cli.page();
    assert_eq!(page.status(), 200, "{page}");
    assert_eq!(page.url().path(), "/journey", "{page}");
    for host in ["lab", "app1", "app2", "idp", "spa"] {
        let host = format!("{host}.localhost");
        let jar = cli.jar();
        assert!(jar.get(&host, "__Host-lab_journey").is_some(), "{host}");
        assert!(jar.get(&host, "__Host-lab_join").is_none(), "{host}");
    }
}

async fn recording(cli: &mut HeadlessBrowser, lab: &str) -> Value {
    let url = format!("{lab}/journey/recording");
    let answer = cli.raw(Method::GET, &url, &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().unwrap()
}

/// The steps of the browser's journey, once there is one named `last` of `service`.
async fn steps_until(
    cli: &mut HeadlessBrowser,
    lab: &str,
    (service, last): (&str, &str),
) -> Vec<Value> {
    let mut steps = Vec::new();
    let looking = async {
        loop {
            let found = recording(cli, lab).await;
            steps = found["steps"].as_array().unwrap().clone();
            let is_last = |step: &Value| step["service"] == service && step["name"] == last;
            if steps.iter().any(is_last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, looking).await;
    assert!(in_time.is_ok(), "no {last} of {service} in {steps:#?}");
    steps
}

/// `from to name`, by the time at which each step began.
fn told(steps: &[Value]) -> Vec<String> {
    let mut steps: Vec<_> = steps.iter().collect();
    steps.sort_by_key(|step| step["start"].as_u64());
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let line = |step: &&Value| {
        let operation = step["attributes"]["db.operation.name"].as_str();
        let name = operation.map_or_else(|| text(step, "name"), ToOwned::to_owned);
        format!("{} {} {name}", text(step, "from"), text(step, "to"))
    };
    steps.iter().map(line).collect()
}

/// Checks that `told` has each of `expected`, in this order.
fn has_in_order(told: &[String], expected: &[&str]) {
    let mut rest = told.iter();
    for step in expected {
        let found = rest.any(|one| one == step);
        assert!(found, "{step} is not in its place in {told:#?}");
    }
}

/// The login of the seed, as the diagram shows it.
fn login_at<'a>(app: &'a [String; 2]) -> Vec<&'a str> {
    app.iter().map(String::as_str).collect()
}

async fn alice_or_bob(cli: &mut HeadlessBrowser, app: &str, person: Person) {
    sign_in_to(cli, app, person).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_at_once_see_their_own_logins_step_by_step() {
    let _ = login_at;
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::start(folder.path(), &[]).await;
    let (start, app1, app2) = (lab.url(Site::Lab), lab.url(Site::App1), lab.url(Site::App2));
    let (mut one, mut other) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    begin(&mut one, &start).await;
    begin(&mut other, &start).await;
    tokio::join!(
        alice_or_bob(&mut one, &app1, ALICE),
        alice_or_bob(&mut other, &app2, BOB)
    );
    let first = steps_until(&mut one, &start, ("app1-bff", "GET /callback")).await;
    let second = steps_until(&mut other, &start, ("app2-bff", "GET /callback")).await;
    has_in_order(
        &told(&first),
        &[
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
        ],
    );
    has_in_order(
        &told(&second),
        &[
            "browser app2-bff GET /login",
            "app2-bff app2-bff login.pre_session",
            "app2-bff idp login.par_push",
            "app2-bff idp POST /par",
            "browser idp GET /authorize",
            "browser idp POST /sign-in",
            "browser app2-bff GET /callback",
            "app2-bff idp POST /token",
            "app2-bff app2-bff callback.session_save",
        ],
    );
    for (steps, others) in [(&first, "app2"), (&second, "app1")] {
        let text = serde_json::to_string(steps).unwrap();
        assert!(!text.contains(others), "{others} in {text}");
    }
}
