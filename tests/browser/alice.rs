//! Alice at an app's page, and what her browser holds of the app.

use serde_json::json;
use testkit::{Browser, BrowserCookie};
use tests::{ALICE, words::holds_a_jwt};

/// A cookie as it must be: its name and its path.
pub type Held = (&'static str, &'static str);

/// The session's id.
pub const SESSION: Held = ("__Host-session_id", "/");
const IDENTITY: Held = ("__Host-session", "/");
const RENEWAL: Held = ("__Host-refresh", "/");
const API1: Held = ("__Secure-access_api1", "/api1");
const API2: Held = ("__Secure-access_api2", "/api2");

/// What a browser holds in `mode` after a call to each API.
pub fn held_in(mode: &str) -> Vec<Held> {
    match mode {
        "hybrid" => vec![IDENTITY, SESSION, API1, API2],
        "stateless" => vec![RENEWAL, IDENTITY, SESSION, API1, API2],
        _ => vec![SESSION],
    }
}

/// Begins the login at the app's page.
pub async fn begin(browser: &Browser, app: &str) {
    browser.goto(app).await;
    browser.press("Sign in").await;
}

/// Fills the provider's form.
pub async fn sign_in(browser: &Browser, issuer: &str) {
    browser.until_at(issuer).await;
    browser.fill("username", ALICE.0).await;
    browser.fill("password", ALICE.1).await;
    browser.press("Sign in").await;
}

/// Is greeted by the app.
pub async fn is_home(browser: &Browser, app: &str) {
    browser.until_at(app).await;
    browser.until_text("h1", "Alice").await;
}

/// Presses the button of every call on the home page and waits for the answer
/// to be shown.
pub async fn presses_every_button(browser: &Browser) {
    let calls = browser
        .run("return document.querySelectorAll('.calls > .call').length")
        .await
        .as_u64();
    assert_eq!(
        calls,
        Some(7),
        "orders, report, stock, placing both, and what each API knows"
    );
    for number in 1..=7 {
        let call = format!(".calls > .call:nth-of-type({number})");
        presses(browser, &call).await;
        let answer = browser.text(&format!("{call} pre")).await;
        assert!(answer.starts_with(['{', '[']), "call {number}: {answer}");
    }
}

/// Presses the button of the call that `css` selects; returns its cost, as the page shows it.
pub async fn presses(browser: &Browser, css: &str) -> String {
    let form = browser.has(&format!("{css} form")).await;
    let button = if form { "form button" } else { "a[data-call]" };
    // So that the answer is this one's, and not a former one's.
    let forget = format!("document.querySelector('{css} [data-answer]').replaceChildren()");
    browser.run(&forget).await;
    browser.click(&format!("{css} {button}")).await;
    let status = browser
        .until_text(&format!("{css} .answer-status"), "20")
        .await;
    let fine = status.starts_with("200") || status.starts_with("201");
    assert!(fine, "{css}: {status}");
    browser.text(&format!("{css} .cost")).await
}

/// `cookies` are those of a host: exactly `expected`, and no script can read
/// one and no other site can send one.
pub fn are_guarded(cookies: &[BrowserCookie], expected: &[Held]) {
    let mut found: Vec<_> = cookies
        .iter()
        .map(|cookie| (cookie.name.as_str(), cookie.path.as_str()))
        .collect();
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for cookie in cookies {
        let guarded = cookie.http_only && cookie.secure && cookie.same_site == "Lax";
        assert!(guarded, "{} of {}", cookie.name, cookie.domain);
    }
}

/// Nothing that scripts of the shown page can reach holds one of `secrets`.
pub async fn scripts_find_none_of(browser: &Browser, secrets: &[String]) {
    let mut seen = format!(
        "{:?}\n{}",
        browser.kept_for_scripts().await,
        browser.source().await
    );
    for path in [
        "/",
        "/session",
        "/sessions",
        "/api1/data",
        "/api1/report",
        "/api2/data",
        "/docs",
        "/openapi.json",
    ] {
        let (status, headers, body) = browser.fetch(path, json!({})).await;
        assert_eq!(status, 200, "{path}: {body}");
        seen.extend(["\n", &headers, "\n", &body]);
    }
    assert!(!holds_a_jwt(&seen), "something like a token: {seen}");
    for secret in secrets {
        assert!(!seen.contains(secret), "a secret of the session");
    }
}

/// The values of all cookies that `browser` has.
pub async fn cookie_values(browser: &Browser) -> Vec<String> {
    let cookies = browser.cookies().await.into_iter();
    cookies.map(|cookie| cookie.value).collect()
}
