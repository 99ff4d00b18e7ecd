//! The lab's scenarios in a real browser: a button begins the journey and opens the app in a
//! window of its own, and the diagram below fills in.

use std::{path::Path, time::Duration};

use kit::config::{Addresses, Site};
use testkit::{Browser, Child, binary, free_offset};

use crate::alice::{is_home, sign_in};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The arrows of app1's login, in the order of the seed: from whom to whom, and how the
/// label begins. What else the diagram has stands between them.
const LOGIN: &[(&str, &str)] = &[
    ("User → Browser", "Click “Sign in”"),
    ("Browser → app1", "GET /login"),
    ("app1 → app1 store", "Save pre_session"),
    (
        "app1 → Browser",
        "302 /authorize?response_type=code&client_id=app1",
    ),
    (
        "Browser → IdP",
        "GET /authorize?response_type=code&client_id=app1",
    ),
    ("IdP → IdP store", "Save authorization_session"),
    ("User → Browser", "Name and password"),
    ("Browser → IdP", "POST /sign-in"),
    ("IdP → Browser", "303 /callback?code="),
    ("Browser → app1", "GET /callback?code="),
    ("app1 → app1 store", "Load pre_session once"),
    ("app1 → IdP", "POST /token grant_type=authorization_code"),
    ("IdP → app1", "id_token"),
    ("app1 → app1 store", "Save session"),
    ("app1 → Browser", "303 /"),
    ("Browser → app1", "GET /"),
    ("app1 → app1 store", "Load session"),
];

/// All services in one process, as the newcomer starts them.
async fn start(folder: &Path) -> (Child, Addresses) {
    let offset = free_offset(1);
    let port = offset.to_string();
    let environment = [("REDIS_URL".to_owned(), String::new())];
    let log = folder.join("log");
    let flags = ["--port-offset", &*port];
    let mut child = Child::spawn(&binary("sso-lab"), &flags, &environment, log);
    child.until_output("wonderland", PATIENCE).await;
    (child, Addresses::new("http", "localhost", offset))
}

/// The arrows in words: who, and each line of the label.
async fn arrows(browser: &Browser) -> Vec<(String, String)> {
    let script = "return [...document.querySelectorAll('#twin .line .line-text')].map((line) => \
                  [line.querySelector('.way').textContent, line.textContent.slice(line.querySelector('.way').textContent.length)])";
    let found = browser.run(script).await;
    serde_json::from_value(found).unwrap()
}

/// The first of `expected` that is not in its place among `told`.
fn missing<'e>(
    told: &[(String, String)],
    expected: &'e [(&str, &str)],
) -> Option<&'e (&'e str, &'e str)> {
    let mut rest = told.iter();
    expected.iter().find(|(way, label)| {
        !rest.any(|(told_way, told)| told_way.starts_with(way) && told.contains(label))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_of_a_login_begins_the_journey_and_draws_the_arrows_of_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = start(folder.path()).await;
    let lab = addresses.url(Site::Lab);
    let browser = Browser::start().await;
    browser.goto(&format!("{lab}/scenarios")).await;
    browser.click("li a[href='/scenarios/bff-login']").await;
    browser
        .until_at(&format!("{lab}/scenarios/bff-login"))
        .await;
    let page = browser.driver().window().await.unwrap();
    browser.press("Sign in to app1").await;
    let beside = async {
        loop {
            let all = browser.driver().windows().await.unwrap();
            if let Some(other) = all.into_iter().find(|one| *one != page) {
                return other;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let beside = tokio::time::timeout(PATIENCE, beside).await.unwrap();
    browser.driver().switch_to_window(beside).await.unwrap();
    sign_in(&browser, &addresses.url(Site::Idp)).await;
    is_home(&browser, &addresses.url(Site::App1)).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.driver().switch_to_window(page).await.unwrap();
    let complete = async {
        while missing(&arrows(&browser).await, LOGIN).is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, complete).await.is_err() {
        let told = arrows(&browser).await;
        panic!(
            "{:?} is not in its place in {told:#?}",
            missing(&told, LOGIN)
        );
    }
    // The plain arrow keys belong to the diagram now; with Shift they lead to the next page.
    let press = |shift: bool| {
        format!(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {{ bubbles: true, key: 'ArrowRight', shiftKey: {shift}, cancelable: true }}))"
        )
    };
    browser.run(&press(false)).await;
    browser.find("#detail:not([hidden]) h2").await;
    browser.run(&press(true)).await;
    browser
        .until_at(&format!("{lab}/scenarios/single-sign-on"))
        .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
