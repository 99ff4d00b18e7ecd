//! The lab's inspector: what services and browser keep for one journey, for its browser
//! alone, and nothing secret.

use kit::{
    clock::{Clock as _, SystemClock},
    config::Site,
    journey::JourneyKeys,
};
use reqwest::Method;
use serde_json::Value;
use testkit::HeadlessBrowser;
use tests::{
    ALICE, BOB,
    journey::{begin, get, item, named, secrets_of, steps_until},
    sign_in_to,
};

use crate::lab_journey::OneProcess;

const SECRET: &str = "a secret of the lab, long enough for all";

async fn start(folder: &std::path::Path) -> OneProcess {
    let environment = [("LAB_SECRET", SECRET), ("BFF_SESSION_MODE_CHOICE", "on")];
    OneProcess::start(folder, &["--lab"], &environment).await
}

/// The page of the inspector, which holds none of the browser's secrets.
async fn inspected(cli: &mut HeadlessBrowser, lab: &str) -> String {
    let secrets = secrets_of(cli);
    assert!(!secrets.is_empty());
    let answer = get(cli, &format!("{lab}/journey/inspector")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for secret in secrets {
        assert!(!answer.body.contains(&secret), "{secret} is on the page");
    }
    // The start of every JWT.
    assert!(!answer.body.contains("eyJ"), "{}", answer.body);
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_shows_what_is_kept_for_this_journey_alone_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let all = start(folder.path()).await;
    let (lab, app1, app2) = (all.url(Site::Lab), all.url(Site::App1), all.url(Site::App2));
    let (mut one, mut other) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    let answer = get(&mut one, &format!("{lab}/journey/inspector")).await;
    assert_eq!(answer.status, 404, "in no journey");
    begin(&mut one, &lab).await;
    begin(&mut other, &lab).await;
    sign_in_to(&mut one, &app1, ALICE).await;
    sign_in_to(&mut other, &app2, BOB).await;
    one.goto(&app1).await;
    other.goto(&app2).await;

    let page = inspected(&mut one, &lab).await;
    for shown in [
        "app1: the session",
        "stateful",
        "sealed, ",
        "Access token for https://api-1",
        "Grant to app1",
        "idp: the signing keys",
        "ES256",
        "__Host-",
        "HttpOnly",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    assert!(!page.contains("Grant to app2"), "another journey's");
    assert_eq!(
        page.matches("No request of this journey").count(),
        1,
        "app2"
    );
    let others = inspected(&mut other, &lab).await;
    assert!(others.contains("Grant to app2") && others.contains("hybrid"));
    assert!(!others.contains("Grant to app1"));

    // The fingerprints are those of the diagram.
    let steps = steps_until(&mut one, &lab, &[("app1-bff", "GET /callback")]).await;
    let exchange = named(&steps, "app1-bff", "callback.code_exchange").unwrap();
    let token = item(exchange, "response", "refresh_token");
    let print = token["fingerprint"].as_str().unwrap();
    assert!(page.contains(print), "{print} is not in {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_tells_who_has_the_key_about_one_journey_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let all = start(folder.path()).await;
    let (lab, app1) = (all.url(Site::Lab), all.url(Site::App1));
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    cli.goto(&format!("{app1}/login?mode=stateless")).await;
    tests::sign_in(&mut cli, ALICE).await;
    cli.goto(&app1).await;
    let keys = JourneyKeys::new(&SECRET.to_owned().into(), "");
    let jar = cli.jar();
    let cookie = jar.get("app1.localhost", kit::journey::COOKIE).unwrap();
    let journey = keys.of_cookie(&cookie.value, "app1-bff", SystemClock.now());
    let tag = journey.unwrap().tag().to_string();
    let page = inspected(&mut cli, &lab).await;
    assert!(page.contains("The store holds nothing of it"), "{page}");
    let ask = async |tag: &str| {
        let url = format!("{app1}/lab/inspect?journey={tag}");
        let key = format!("Bearer {}", keys.control_key());
        let headers = [("authorization", &*key)];
        let answer = HeadlessBrowser::new()
            .raw(Method::GET, &url, &headers, "")
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    };
    let answer = ask(&tag).await;
    assert_eq!(answer.json().unwrap()["session"]["mode"], "stateless");
    for secret in secrets_of(&cli) {
        assert!(!answer.body.contains(&secret), "{secret}");
    }
    let unknown = ask(&"0".repeat(32)).await;
    assert_eq!(unknown.json().unwrap()["session"], Value::Null);
}
