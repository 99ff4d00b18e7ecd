//! A journey of the lab, as a test reads it.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::Value;
use testkit::{HeadlessBrowser, Response};

/// How long steps may take to arrive on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Presses the button of the lab at `lab` that begins a journey.
pub async fn begin(cli: &mut HeadlessBrowser, lab: &str) {
    cli.goto(&format!("{lab}/journey")).await;
    cli.submit_first_form(&[]).await;
    let page = cli.page();
    assert_eq!(page.status(), 200, "{page}");
    assert_eq!(page.url().path(), "/journey", "{page}");
    let jar = cli.jar();
    for site in ["lab", "app1", "app2", "idp", "spa", "evil"] {
        let host = format!("{site}.localhost");
        assert!(jar.get(&host, "__Host-lab_journey").is_some(), "{host}");
        assert!(jar.get(&host, "__Host-lab_join").is_none(), "{host}");
    }
}

/// A request with the browser's cookies.
pub async fn get(cli: &mut HeadlessBrowser, url: &str) -> Response {
    cli.raw(Method::GET, url, &[], "").await
}

/// The steps of the browser's journey, once it has each of `last` (service and name).
pub async fn steps_until(
    cli: &mut HeadlessBrowser,
    lab: &str,
    last: &[(&str, &str)],
) -> Vec<Value> {
    let mut steps = Vec::new();
    let looking = async {
        loop {
            let answer = get(cli, &format!("{lab}/journey/recording")).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let found = answer.json().unwrap();
            steps.clone_from(found["steps"].as_array().unwrap());
            let has = |(service, name): &(&str, &str)| named(&steps, service, name).is_some();
            if last.iter().all(has) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, looking).await;
    assert!(
        in_time.is_ok(),
        "not all of {last:?} in {:#?}",
        told(&steps)
    );
    steps
}

/// The first step `name` of `service`.
pub fn named<'s>(steps: &'s [Value], service: &str, name: &str) -> Option<&'s Value> {
    let mut steps = steps.iter();
    steps.find(|step| step["service"] == service && step["name"] == name)
}

/// `from to name` of each step, in the order in which they began.
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

/// Checks that the steps have each of `expected`, in this order.
pub fn have_in_order(steps: &[Value], expected: &[&str]) {
    let told = told(steps);
    let mut rest = told.iter();
    for step in expected {
        let found = rest.any(|one| one == step);
        assert!(found, "{step} is not in its place in {told:#?}");
    }
}

/// The item `name` of `list` (`request` or `response`).
pub fn item<'s>(step: &'s Value, list: &str, name: &str) -> &'s Value {
    let items = step[list].as_array().unwrap();
    let found = items.iter().find(|item| item["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in the {list} of {step:#}"))
}

/// Every secret that the browser had: cookies, and what redirects carried.
pub fn secrets_of(cli: &HeadlessBrowser) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for cookie in cli.jar().all() {
        secrets.insert(cookie.value.clone());
    }
    let urls = cli.page().hops().iter().filter_map(Response::redirect);
    for url in urls.chain([cli.page().url().clone()]) {
        let secret = [
            "state",
            "code",
            "nonce",
            "request_uri",
            "ticket",
            "code_challenge",
        ];
        let carried = url
            .query_pairs()
            .filter(|(name, _)| secret.contains(&&**name));
        secrets.extend(carried.map(|(_, value)| value.into_owned()));
    }
    secrets.retain(|secret| secret.len() > 4);
    secrets
}

/// Checks that none of `secrets` is in the steps, and no part of a token.
pub fn have_no_secret(steps: &[Value], secrets: &BTreeSet<String>) {
    let text = serde_json::to_string(steps).unwrap();
    for secret in secrets {
        assert!(
            !text.contains(secret.as_str()),
            "{secret} is in the recording"
        );
    }
    // A JWT's header in base64url begins so.
    for part in ["eyJ", "wonderland", "builder", "app1-secret"] {
        assert!(!text.contains(part), "{part} is in the recording");
    }
}
