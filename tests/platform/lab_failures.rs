//! The lab's failure switches: each failure has its effect for its time and ends by itself;
//! nobody without the key of the lab's secret switches one; without the secret there is none.

use std::time::{Duration, Instant};

use kit::{config::Site, journey::JourneyKeys};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{HeadlessBrowser, Response};
use tests::{
    ALICE,
    journey::{begin, get, named, steps_until},
    sign_in, sign_in_to,
};

use crate::lab_journey::OneProcess;

const SECRET: &str = "a secret of the lab, long enough for all";
/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A lab whose secret is known, and a trainer who has its key.
struct Lab {
    all: OneProcess,
    key: String,
    trainer: HeadlessBrowser,
    _folder: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = [("LAB_SECRET", SECRET)];
        let all = OneProcess::start(folder.path(), &["--lab"], &environment).await;
        let keys = JourneyKeys::new(&SECRET.to_owned().into(), "");
        Self {
            all,
            key: keys.control_key().to_owned(),
            trainer: HeadlessBrowser::new(),
            _folder: folder,
        }
    }

    fn url(&self, site: Site) -> String {
        self.all.url(site)
    }

    async fn control(&mut self, site: Site, method: Method, query: &str, body: &Value) -> Response {
        let url = format!("{}/lab/control{query}", self.url(site));
        let authorization = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", &*authorization),
            ("content-type", "application/json"),
        ];
        let body = body.to_string();
        self.trainer.raw(method, &url, &headers, &body).await
    }

    async fn set(&mut self, site: Site, body: Value) -> Value {
        let answer = self.control(site, Method::POST, "", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json().unwrap()
    }

    async fn end(&mut self, site: Site) {
        let answer = self.control(site, Method::DELETE, "", &json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json().unwrap()["in_force"], json!([]));
    }

    async fn status(&mut self, site: Site, path: &str) -> u16 {
        let url = format!("{}{path}", self.url(site));
        get(&mut self.trainer, &url).await.status
    }

    async fn signing_kids(&mut self) -> Vec<String> {
        let url = format!("{}/jwks", self.url(Site::Idp));
        let jwks = get(&mut self.trainer, &url).await.json().unwrap();
        let keys = jwks["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_answers_503_and_comes_back_by_itself() {
    let mut lab = Lab::start().await;
    for site in [Site::Idp, Site::Api1, Site::Api2] {
        let state = lab
            .set(site, json!({ "fault": "down", "seconds": 5 }))
            .await;
        assert_eq!(state["in_force"][0]["fault"], "down");
        let since = Instant::now();
        let answer = get(&mut lab.trainer, &format!("{}/", lab.all.url(site))).await;
        assert_eq!(answer.status, 503, "{site:?}");
        assert!(answer.header("retry-after").is_some(), "{site:?}");
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(lab.status(site, path).await, 200, "{path}");
        }
        while lab.status(site, "/").await == 503 {
            assert!(since.elapsed() < PATIENCE, "{site:?} stays down");
        }
        assert!(since.elapsed() > Duration::from_secs(1), "{site:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_effect_until_they_are_switched_off() {
    let mut lab = Lab::start().await;
    let (idp, app1) = (lab.url(Site::Idp), lab.url(Site::App1));

    // The store of an app.
    let away = json!({ "fault": "store-away", "seconds": 300 });
    lab.set(Site::App1, away).await;
    assert_eq!(lab.status(Site::App1, "/login").await, 503);
    lab.end(Site::App1).await;
    assert_eq!(lab.status(Site::App1, "/login").await, 302);

    // The token endpoint.
    let slow = json!({ "fault": "slow-token", "seconds": 300, "amount": 1 });
    lab.set(Site::Idp, slow).await;
    let since = Instant::now();
    let url = format!("{idp}/token");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    lab.trainer.raw(Method::POST, &url, &form, "a=b").await;
    assert!(since.elapsed() >= Duration::from_secs(1));
    lab.end(Site::Idp).await;

    // The provider's clock: its tokens come from the future.
    let skew = json!({ "fault": "clock-skew", "seconds": 300, "amount": 600 });
    lab.set(Site::Idp, skew).await;
    let mut cli = HeadlessBrowser::new();
    cli.goto(&format!("{app1}/login")).await;
    sign_in(&mut cli, ALICE).await;
    assert_ne!(cli.page().status(), 200, "{}", cli.page());
    lab.end(Site::Idp).await;
    sign_in_to(&mut HeadlessBrowser::new(), &app1, ALICE).await;

    // The signing keys.
    let before = lab.signing_kids().await;
    let rotated = lab.set(Site::Idp, json!({ "fault": "rotated-key" })).await;
    let after = lab.signing_kids().await;
    for kid in rotated["new_keys"].as_array().unwrap() {
        let kid = kid.as_str().unwrap().to_owned();
        assert!(after.contains(&kid) && !before.contains(&kid), "{after:?}");
    }
    assert!(!after.iter().any(|kid| before.contains(kid)), "{after:?}");
    sign_in_to(&mut HeadlessBrowser::new(), &app1, ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_signs_and_an_app_says_that_its_id_token_has_ended() {
    let mut lab = Lab::start().await;
    let (start, app1) = (lab.url(Site::Lab), lab.url(Site::App1));
    let slow = json!({ "fault": "clock-skew", "seconds": 300, "amount": -3600 });
    for is_rotated in [false, true] {
        if is_rotated {
            lab.set(Site::Idp, json!({ "fault": "rotated-key" })).await;
        }
        lab.set(Site::Idp, slow.clone()).await;
        let mut cli = HeadlessBrowser::new();
        begin(&mut cli, &start).await;
        cli.goto(&format!("{app1}/login")).await;
        sign_in(&mut cli, ALICE).await;
        let page = cli.page();
        assert_eq!(page.status(), 502, "{page}");
        assert!(
            page.title().starts_with("The ID token is not valid now"),
            "{page}"
        );
        let source = page.source();
        assert!(source.contains("exp is in the past"), "{page}");
        let why = "Switched by the lab at idp: The service&#39;s clock is 3600\u{a0}s slow.";
        assert!(source.contains(why), "{page}");
        let token = ("idp", "POST /token");
        let steps = steps_until(&mut cli, &start, &[token]).await;
        let token = named(&steps, token.0, token.1).unwrap();
        assert_eq!(token["status"], 200, "{is_rotated}: {token:#}");
        lab.end(Site::Idp).await;
    }
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    cli.goto(&app1).await;
    let page = cli.page();
    assert!(!page.source().contains("Switched by the lab"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_the_single_page_app_reads_why_a_service_is_down() {
    let mut lab = Lab::start().await;
    let (spa, evil) = (lab.url(Site::Spa), lab.url(Site::Evil));
    let shared = [
        (Site::Idp, Method::POST, "/token"),
        (Site::Idp, Method::GET, "/jwks"),
        (Site::Api1, Method::GET, "/resource"),
    ];
    for (site, method, path) in shared {
        let url = format!("{}{path}", lab.url(site));
        lab.set(site, json!({ "fault": "down", "seconds": 300 }))
            .await;
        let from = [("origin", &*spa)];
        let down = lab.trainer.raw(method.clone(), &url, &from, "").await;
        assert_eq!(down.status, 503, "{path}");
        let allowed = "access-control-allow-origin";
        assert_eq!(down.header(allowed), Some(&*spa), "{path}");
        let said = down.json().unwrap();
        assert_eq!(said["title"], "Switched off by the lab", "{path}");
        let told = down.header("lab-failures").unwrap();
        assert!(told.starts_with("down;0;"), "{told}");
        let exposed = down.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("lab-failures"), "{exposed}");
        let asked = [from[0], ("access-control-request-method", method.as_str())];
        let preflight = lab.trainer.raw(Method::OPTIONS, &url, &asked, "").await;
        assert_eq!(preflight.status, 200, "{path}");
        let from = [("origin", &*evil)];
        let foreign = lab.trainer.raw(method, &url, &from, "").await;
        assert_eq!((foreign.status, foreign.header(allowed)), (503, None));
        lab.end(site).await;
        let from = [("origin", &*spa)];
        let up = lab.trainer.raw(Method::GET, &url, &from, "").await;
        assert_eq!(up.header("lab-failures"), None, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_an_app_tell_of_the_failures_of_the_apis_that_it_has_called() {
    let mut lab = Lab::start().await;
    let (app1, app2) = (lab.url(Site::App1), lab.url(Site::App2));
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let away = json!({ "fault": "store-away", "seconds": 300 });
    let down = json!({ "fault": "down", "seconds": 300 });
    for (api, failure, call, said) in [
        (
            Site::Api1,
            away,
            "/api1/data",
            "at api-1: The service cannot reach its store.",
        ),
        (
            Site::Api2,
            down,
            "/api2/data",
            "at api-2: The service answers every request with 503.",
        ),
    ] {
        lab.set(api, failure).await;
        cli.goto(&app1).await;
        assert!(!cli.page().source().contains(said), "it has called nothing");
        let answer = cli.fetch_get(call).await;
        assert!(answer.status >= 500, "{call}: {}", answer.status);
        cli.goto(&app1).await;
        assert!(cli.page().source().contains(said), "{}", cli.page());
        let other = get(&mut cli, &app2).await;
        assert!(!other.body.contains(said), "app2 has called nothing");
        lab.end(api).await;
        let answer = cli.fetch_get(call).await;
        assert_eq!(answer.status, 200, "{call}: {}", answer.body);
        cli.goto(&app1).await;
        assert!(!cli.page().source().contains(said), "{}", cli.page());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_diagram_says_which_failure_a_request_met() {
    let mut lab = Lab::start().await;
    let (start, app1) = (lab.url(Site::Lab), lab.url(Site::App1));
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &start).await;
    let away = json!({ "fault": "store-away", "seconds": 300 });
    lab.set(Site::App1, away).await;
    cli.goto(&format!("{app1}/login")).await;
    assert_eq!(cli.page().status(), 503, "{}", cli.page());
    assert!(cli.page().source().contains("Switched by the lab"));
    let steps = steps_until(&mut cli, &start, &[("app1-bff", "GET /login")]).await;
    let met = |step: &&Value| step["attributes"]["sso.fault"] == "store-away";
    assert!(steps.iter().any(|step| met(&step)), "{steps:#?}");
    lab.end(Site::App1).await;

    let slow = json!({ "fault": "slow-token", "seconds": 300, "amount": 1 });
    lab.set(Site::Idp, slow).await;
    sign_in_to(&mut cli, &app1, ALICE).await;
    let steps = steps_until(&mut cli, &start, &[("idp", "fault.delay")]).await;
    let delay = named(&steps, "idp", "fault.delay").unwrap();
    assert_eq!(delay["attributes"]["sso.fault"], "slow-token");
    lab.end(Site::Idp).await;

    // API-2 over gRPC: API-1 says that it is away.
    lab.set(Site::Api2, json!({ "fault": "down", "seconds": 300 }))
        .await;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = cli.fetch_post("/api1/data", &order).await;
    assert!((500..=504).contains(&answer.status), "{}", answer.status);
    let reserve = ("api-2", "sso.inventory.v1.Inventory/Reserve");
    let steps = steps_until(&mut cli, &start, &[reserve]).await;
    let reserve = named(&steps, reserve.0, reserve.1).unwrap();
    assert_eq!(reserve["attributes"]["sso.fault"], "down");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labs_page_switches_and_every_page_it_concerns_says_so() {
    let mut lab = Lab::start().await;
    let (start, app2) = (lab.url(Site::Lab), lab.url(Site::App2));
    let page = format!("{start}/failures");
    let mut cli = HeadlessBrowser::new();
    cli.goto(&page).await;
    assert!(cli.page().source().contains("No failure is switched on"));
    let form = "service=app2-bff&fault=store-away&seconds=300";
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for origin in ["http://evil.localhost:8087", "null"] {
        let foreign = [kind, ("origin", origin)];
        let answer = cli.raw(Method::POST, &page, &foreign, form).await;
        assert_eq!(answer.status, 403, "{origin}");
    }
    let own = [kind, ("origin", &*start), ("sec-fetch-site", "same-origin")];
    let answer = cli.raw(Method::POST, &page, &own, form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    for url in [&page, &start] {
        cli.goto(url).await;
        let source = cli.page().source().to_owned();
        assert!(
            source.contains("app2: The service cannot reach"),
            "{source}"
        );
    }
    cli.goto(&app2).await;
    assert!(cli.page().source().contains("Switched by the lab"));
    cli.goto(&lab.url(Site::App1)).await;
    assert!(!cli.page().source().contains("Switched by the lab"));
    let off = "service=app2-bff&fault=store-away&off=1";
    let answer = cli.raw(Method::POST, &page, &own, off).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    cli.goto(&page).await;
    assert!(cli.page().source().contains("No failure is switched on"));
    let wrong = "service=app2-bff&fault=down&seconds=300";
    let answer = cli.raw(Method::POST, &page, &own, wrong).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(lab.status(Site::App2, "/").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_key_of_the_labs_secret_controls_a_service() {
    let mut lab = Lab::start().await;
    let export = JourneyKeys::new(&SECRET.to_owned().into(), "");
    lab.key = export.export_key().to_owned();
    for site in [Site::Idp, Site::App1, Site::App2, Site::Api1, Site::Api2] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let body = json!({ "fault": "store-away" });
            let answer = lab.control(site, method.clone(), "", &body).await;
            assert_eq!(answer.status, 401, "{site:?} {method}");
        }
        assert_eq!(lab.status(site, "/lab/inspect?journey=x").await, 401);
    }
    for site in [Site::Lab, Site::Spa, Site::Evil] {
        assert_eq!(lab.status(site, "/lab/control").await, 404, "{site:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lab_no_service_can_be_controlled() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &["--no-lab"], &[]).await;
    let mut cli = HeadlessBrowser::new();
    for site in [Site::Idp, Site::App1, Site::App2, Site::Api1, Site::Api2] {
        for path in ["/lab/control", "/lab/inspect", "/lab/nothing"] {
            let answer = get(&mut cli, &format!("{}{path}", all.url(site))).await;
            assert_eq!(answer.status, 404, "{site:?} {path}");
        }
    }
    let answer = get(&mut cli, &format!("{}/failures", all.url(Site::Lab))).await;
    assert_eq!(answer.status, 404);
    let start = cli.goto(&all.url(Site::Lab)).await;
    assert!(!start.source().contains("/failures"), "{start}");
}
