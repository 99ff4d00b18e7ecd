//! The lab with two replicas of every service: a switch reaches both, from the page and by
//! REST, and the lab says when it does not.

use std::time::Duration;

use kit::{
    config::Site,
    journey::JourneyKeys,
    lab_control::{CONTROL, CONTROLLED},
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{HeadlessBrowser, LAB_SECRET, Plan, Processes, Response};
use tests::{
    ALICE,
    journey::{begin, get},
    sign_in_to,
    wait::comes_true,
};

const NUMBERS: [u16; 2] = [1, 2];
/// How long a replica may take to read a new key, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A trainer with the key of the lab's secret, and a lab with two replicas of each service.
struct Lab {
    all: Processes,
    key: String,
    trainer: HeadlessBrowser,
}

impl Lab {
    async fn start() -> Self {
        let plan = Plan {
            lab: true,
            replicas: 2,
            api_replicas: true,
            ..Plan::default()
        };
        let keys = JourneyKeys::new(&LAB_SECRET.to_owned().into(), "");
        Self {
            all: Processes::start(&plan).await,
            key: keys.control_key().to_owned(),
            trainer: HeadlessBrowser::new(),
        }
    }

    async fn ask(&mut self, method: Method, url: &str, body: &Value) -> Response {
        let authorization = format!("Bearer {}", self.key);
        let headers = [("authorization", &*authorization)];
        let body = body.to_string();
        self.trainer.raw(method, url, &headers, &body).await
    }

    /// Asks the lab for all replicas of a service.
    async fn all_of(&mut self, method: Method, service: &str, body: &Value) -> Response {
        let url = format!("{}{CONTROL}/{service}", self.all.url(Site::Lab));
        self.ask(method, &url, body).await
    }

    /// The failures that one replica has.
    async fn on(&mut self, site: Site, number: u16) -> Vec<String> {
        let url = format!("{}{CONTROL}", self.all.replica_url(site, number));
        let answer = self.ask(Method::GET, &url, &json!({})).await;
        let said = answer.json().unwrap();
        let on = said["in_force"].as_array().unwrap().iter();
        on.map(|on| on["fault"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Whether a replica of the provider publishes the key `kid`.
    async fn publishes(&mut self, number: u16, kid: &str) -> bool {
        let url = format!("{}/jwks", self.all.replica_url(Site::Idp, number));
        let answer = self.trainer.raw(Method::GET, &url, &[], "").await;
        let keys = answer.json().unwrap();
        let mut keys = keys["keys"].as_array().unwrap().iter();
        keys.any(|key| key["kid"] == kid)
    }

    async fn page(&mut self) -> String {
        let url = format!("{}/failures", self.all.url(Site::Lab));
        get(&mut self.trainer, &url).await.body
    }

    /// Presses a button of the page.
    async fn press(&mut self, form: &str) -> Response {
        let start = self.all.url(Site::Lab);
        let own = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &*start),
            ("sec-fetch-site", "same-origin"),
        ];
        let url = format!("{start}/failures");
        self.trainer.raw(Method::POST, &url, &own, form).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_rest_a_switch_reaches_every_replica_of_every_service() {
    let mut lab = Lab::start().await;
    let away = json!({ "fault": "store-away", "seconds": 300 });
    for (service, site) in CONTROLLED {
        let answer = lab.all_of(Method::POST, service, &away).await;
        assert_eq!(answer.status, 200, "{service}: {}", answer.body);
        let said = answer.json().unwrap();
        assert_eq!(said["service"], service);
        assert_eq!(said["replicas"].as_array().unwrap().len(), 2, "{said}");
        for number in NUMBERS {
            assert_eq!(lab.on(site, number).await, ["store-away"], "{service}");
        }
        let answer = lab.all_of(Method::DELETE, service, &json!({})).await;
        assert_eq!(answer.status, 200, "{service}: {}", answer.body);
        for number in NUMBERS {
            assert!(lab.on(site, number).await.is_empty(), "{service}");
        }
    }
    // The signing keys are in the store: they are rotated once.
    let rotated = json!({ "fault": "rotated-key" });
    let answer = lab.all_of(Method::POST, "idp", &rotated).await;
    let said = answer.json().unwrap();
    assert_eq!(said["replicas"].as_array().unwrap().len(), 1, "{said}");
    // The other replica reads the store once a second.
    let new = said["replicas"][0]["new_keys"][0].as_str().unwrap();
    for number in NUMBERS {
        let published = async || lab.publishes(number, new).await;
        assert!(comes_true(PATIENCE, published).await, "{number}: {said}");
    }
    let app1 = lab.all.url(Site::App1);
    sign_in_to(&mut HeadlessBrowser::new(), &app1, ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_rest_what_is_wrong_is_refused_and_a_replica_that_is_away_is_named() {
    let mut lab = Lab::start().await;
    let wrong = json!({ "fault": "down" });
    let answer = lab.all_of(Method::POST, "app1-bff", &wrong).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let unknown = lab.all_of(Method::GET, "evil", &json!({})).await;
    assert_eq!(unknown.status, 404, "{}", unknown.body);
    let url = format!("{}{CONTROL}/idp?fault=nothing", lab.all.url(Site::Lab));
    let answer = lab.ask(Method::DELETE, &url, &json!({})).await;
    assert_eq!(answer.status, 400, "{}", answer.body);

    lab.all.kill_replica(Site::App1, 2);
    let away = json!({ "fault": "store-away", "seconds": 300 });
    let answer = lab.all_of(Method::POST, "app1-bff", &away).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    let said = answer.json().unwrap();
    let detail = said["detail"].as_str().unwrap();
    assert!(detail.starts_with("1 of 2 replicas did so."), "{detail}");
    assert_eq!(lab.on(Site::App1, 1).await, ["store-away"]);
    let misspelt = "app1-bff?falt=store-away";
    let answer = lab.all_of(Method::DELETE, misspelt, &json!({})).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(lab.on(Site::App1, 1).await, ["store-away"]);
    let answer = lab
        .press("service=app1-bff&fault=store-away&seconds=300")
        .await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    let page = lab.page().await;
    assert!(page.contains("This holds for 1 of 2 replicas."), "{page}");
    assert!(page.contains("app1: 1 of 2 replicas answered."), "{page}");

    lab.key = "another key".to_owned();
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = lab.all_of(method, "idp", &json!({})).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    // The key comes before the query.
    let repeated = "idp?fault=a&fault=b";
    let answer = lab.all_of(Method::DELETE, repeated, &json!({})).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_page_a_switch_reaches_both_replicas_and_the_inspector_asks_both() {
    let mut lab = Lab::start().await;
    let (start, app1) = (lab.all.url(Site::Lab), lab.all.url(Site::App1));
    let answer = lab
        .press("service=app2-bff&fault=clock-skew&seconds=300&amount=60")
        .await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    for number in NUMBERS {
        assert_eq!(lab.on(Site::App2, number).await, ["clock-skew"]);
    }
    let answer = lab.press("service=app2-bff&fault=nothing&off=1").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    for number in NUMBERS {
        assert_eq!(lab.on(Site::App2, number).await, ["clock-skew"]);
    }
    let page = lab.page().await;
    assert!(page.contains("app2 has 2 replicas"), "{page}");
    assert!(!page.contains("This holds for"), "{page}");
    let one = lab.all.replica_url(Site::App2, 1);
    let answer = lab
        .ask(Method::DELETE, &format!("{one}{CONTROL}"), &json!({}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = lab
        .press("service=app2-bff&fault=store-away&seconds=300")
        .await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let page = lab.page().await;
    assert!(page.contains("This holds for 1 of 2 replicas."), "{page}");

    // One replica alone served the session's last request.
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &start).await;
    sign_in_to(&mut cli, &app1, ALICE).await;
    let page = get(&mut cli, &format!("{start}/journey/inspector")).await;
    assert!(page.body.contains("app1: the session"), "{}", page.body);
    assert!(page.body.contains("stateful"), "{}", page.body);
}
