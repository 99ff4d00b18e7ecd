//! The single-page app in a journey of the lab, in a real browser: its own requests and what
//! it does between them are arrows and notes of the diagram.

use std::time::Duration;

use kit::config::Site;
use testkit::Browser;
use tests::{all_in_one, wait::comes_true};

use crate::{
    alice::sign_in,
    scenarios::stage::{arrows, missing},
};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The diagram of the seed for a public client: from whom to whom, and how the label begins.
const LOGIN: &[(&str, &str)] = &[
    ("Browser → SPA", "GET /"),
    ("Browser", "The page makes state, nonce and code_verifier"),
    (
        "Browser → IdP",
        "GET /authorize?client_id=my_spa&response_type=code",
    ),
    ("Browser → IdP", "POST /sign-in"),
    ("IdP → Browser", "303 /callback?code="),
    ("Browser → SPA", "GET /callback?code="),
    ("Browser", "The page checks the authorization response"),
    ("Browser", "The page makes the key of its proofs"),
    ("Browser → IdP", "POST /token grant_type=authorization_code"),
    ("IdP → Browser", "id_token"),
    ("Browser", "The page verifies the ID token"),
    ("Browser", "The page keeps its tokens in memory"),
    ("Browser → IdP", "GET /userinfo"),
    ("Browser → API-1", "GET /resource"),
    ("Browser → IdP", "POST /token grant_type=refresh_token"),
    ("Browser → IdP", "POST /revoke"),
    ("Browser → IdP", "GET /logout"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_requests_and_its_own_steps_are_in_the_diagram() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &[]).await;
    let (lab, spa) = (addresses.url(Site::Lab), addresses.url(Site::Spa));
    let browser = Browser::start().await;
    browser.goto(&format!("{lab}/journey")).await;
    browser.press("Start a journey").await;
    browser.find("#terminal").await;
    browser.goto(&spa).await;
    browser.press("Sign in").await;
    sign_in(&browser, &addresses.url(Site::Idp)).await;
    browser.until_at(&spa).await;
    browser
        .until_text("[data-signed-in=true] h1", "Alice")
        .await;
    for (label, step) in [
        ("GET /userinfo", "userinfo.call"),
        ("GET /resource", "api.call"),
        ("Refresh", "tokens.refresh"),
    ] {
        browser.press(label).await;
        browser.find(&format!("[data-step='{step}']")).await;
    }
    browser.press("Sign out").await;
    // The page is loaded anew after the provider's sign-out.
    browser.find("#no-story:not([hidden])").await;
    browser.goto(&format!("{lab}/journey")).await;
    let is_complete = async || missing(&arrows(&browser).await, LOGIN).is_none();
    if !comes_true(PATIENCE, is_complete).await {
        let told = arrows(&browser).await;
        panic!(
            "{:?} is not in its place in {told:#?}",
            missing(&told, LOGIN)
        );
    }
    let all = arrows(&browser).await;
    // Its time is the page's own, so it may stand before or after the revocation.
    let is_end = |(_, label): &&(String, String)| label.contains("The page deletes its tokens");
    assert!(all.iter().any(|arrow| is_end(&arrow)), "{all:#?}");
    let hidden = all.iter().find(|(_, label)| label.contains("/lab/"));
    assert_eq!(hidden, None);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    // The commands have their value.
    browser.click("#terminal summary").await;
    browser
        .until_text("#terminal code", "export LAB_JOURNEY=")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_of_a_failure_that_the_lab_has_switched_on() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &[]).await;
    let (lab, spa) = (addresses.url(Site::Lab), addresses.url(Site::Spa));
    let browser = Browser::start().await;
    browser.goto(&spa).await;
    browser.press("Sign in").await;
    sign_in(&browser, &addresses.url(Site::Idp)).await;
    browser
        .until_text("[data-signed-in=true] h1", "Alice")
        .await;
    let page = browser.driver().window().await.unwrap();
    let beside = browser.driver().new_tab().await.unwrap();
    browser.driver().switch_to_window(beside).await.unwrap();
    browser.goto(&format!("{lab}/failures")).await;
    let switch = "return fetch('/failures', { method: 'POST', body: new URLSearchParams({ \
        service: 'idp', fault: 'store-away', seconds: 300 }) }).then((answer) => answer.ok)";
    assert_eq!(browser.run(switch).await, true);
    browser.driver().close_window().await.unwrap();
    browser.driver().switch_to_window(page).await.unwrap();
    browser.press("Refresh").await;
    let error = browser
        .until_text("#error", "temporarily unavailable (503)")
        .await;
    assert!(error.contains("It says: "), "{error}");
    browser.until_text("#failures", "idp: ").await;
    // None of the login's one-time values is in the page as a whole.
    let longest = "return Math.max(...[...document.querySelectorAll('#story dt')] \
        .filter((name) => /^(code|state|nonce|code_verifier)( |$)/.test(name.textContent)) \
        .map((name) => name.nextElementSibling.textContent.length))";
    assert!(browser.run(longest).await.as_f64().unwrap() < 40.0);
}
