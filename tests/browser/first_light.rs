//! Alice signs in to both apps, presses every button, and the browser is asked
//! what it holds.

use kit::config::Site;
use serde_json::json;
use testkit::{Browser, BrowserCookie, Platform};
use tests::ALICE;

const SESSION: &str = "__Host-session_id";

/// Fills the provider's form.
async fn sign_in(browser: &Browser, platform: &Platform) {
    browser.until_at(&platform.issuer()).await;
    browser.fill("username", ALICE.0).await;
    browser.fill("password", ALICE.1).await;
    browser.press("Sign in").await;
}

/// Presses the button of every call on the home page and waits for the answer
/// to be shown.
async fn press_every_button(browser: &Browser) {
    let calls = browser
        .run("return document.querySelectorAll('.calls > .call').length")
        .await
        .as_u64()
        .unwrap();
    assert_eq!(calls, 5, "orders, report, stock, and placing both");
    for number in 1..=calls {
        let call = format!(".calls > .call:nth-of-type({number})");
        let button = if browser.has(&format!("{call} form")).await {
            "form button"
        } else {
            "a[data-call]"
        };
        browser.click(&format!("{call} {button}")).await;
        let status = browser
            .until_text(&format!("{call} .answer-status"), "20")
            .await;
        assert!(
            status.starts_with("200") || status.starts_with("201"),
            "call {number}: {status}"
        );
        let answer = browser.text(&format!("{call} pre")).await;
        assert!(answer.starts_with(['{', '[']), "call {number}: {answer}");
    }
}

/// The one cookie of a host, which no script can read and no other site can send.
fn is_guarded(cookies: &[BrowserCookie], name: &str) {
    let [cookie] = cookies else {
        panic!("one cookie, {name}: {cookies:#?}")
    };
    assert_eq!(cookie.name, name);
    assert!(
        cookie.http_only && cookie.secure && cookie.same_site == "Lax" && cookie.path == "/",
        "{cookie:?}"
    );
}

/// Nothing that scripts of the shown page can reach holds one of `secrets`.
async fn scripts_find_none_of(browser: &Browser, secrets: &[String]) {
    let mut seen = format!(
        "{:?}\n{}",
        browser.kept_for_scripts().await,
        browser.source().await
    );
    for path in [
        "/",
        "/session",
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
    assert!(!seen.contains("eyJ"), "something like a token: {seen}");
    for secret in secrets {
        assert!(!seen.contains(secret), "a secret of the session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_signs_in_once_uses_both_apps_and_the_browser_holds_no_token() {
    let platform = Platform::start().await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let browser = Browser::start().await;

    browser.goto(&app1).await;
    assert!(
        browser.cookies().await.is_empty(),
        "nothing before the login"
    );
    browser.press("Sign in").await;
    sign_in(&browser, &platform).await;
    browser.until_at(&app1).await;
    browser.until_text("h1", "Alice").await;
    press_every_button(&browser).await;

    browser.goto(&app2).await;
    browser.press("Sign in").await;
    browser.until_at(&app2).await;
    browser.until_text("h1", "Alice").await;
    press_every_button(&browser).await;

    is_guarded(&browser.cookies_of("app1.localhost").await, SESSION);
    is_guarded(&browser.cookies_of("app2.localhost").await, SESSION);
    let provider = browser.cookies_of("idp.localhost").await;
    let session: Vec<_> = provider
        .into_iter()
        .filter(|cookie| cookie.name == "__Host-idp_session")
        .collect();
    is_guarded(&session, "__Host-idp_session");
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    let idp = platform.tap(Site::Idp);
    let mut secrets: Vec<String> = browser
        .cookies()
        .await
        .into_iter()
        .map(|cookie| cookie.value)
        .collect();
    let mut tokens = Vec::new();
    for name in ["access_token", "refresh_token", "id_token"] {
        tokens.extend(idp.answered_values(name));
    }
    assert!(tokens.len() >= 6, "the tap heard the token endpoint");
    secrets.extend(tokens.iter().cloned());
    for app in [&app2, &app1] {
        browser.goto(app).await;
        scripts_find_none_of(&browser, &secrets).await;
    }
    let answers = platform.tap(Site::App1).answers();
    assert!(
        tokens.iter().all(|token| !answers.contains(token)),
        "a token went to the browser"
    );
    assert!(!answers.contains("eyJ"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_show_the_closed_lock_of_the_session_and_call_through_the_app() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    browser.goto(&format!("{app1}/docs")).await;
    browser.find(".authorize.unlocked").await;
    browser.click(".authorize").await;
    sign_in(&browser, &platform).await;
    browser.until_at(&format!("{app1}/docs")).await;
    browser.find(".authorize.locked").await;

    browser.click(".opblock-get .opblock-summary-control").await;
    browser.click(".try-out__btn").await;
    browser.click(".execute").await;
    let status = browser
        .until_text(".live-responses-table tbody .response-col_status", "200")
        .await;
    assert!(status.contains("200"), "{status}");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_all_services_load_without_a_complaint_light_and_dark() {
    let platform = Platform::start().await;
    let browser = Browser::start().await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        for site in [Site::Lab, Site::Idp, Site::App1, Site::App2] {
            browser.goto(&platform.url(site)).await;
            assert!(!browser.text("h1").await.is_empty(), "{site:?}");
            // Nothing hangs over the edge of a narrow projector.
            let too_wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
            assert_eq!(browser.run(too_wide).await, false, "{site:?}");
        }
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_button_after_the_login_leads_to_no_dead_end() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    browser.goto(&app1).await;
    browser.press("Sign in").await;
    sign_in(&browser, &platform).await;
    browser.until_text("h1", "Alice").await;
    browser.driver().back().await.unwrap();
    let text = browser.text("body").await;
    assert!(!text.trim().is_empty() && !text.contains("500"), "{text}");
    browser.goto(&app1).await;
    browser.until_text("h1", "Alice").await;
}
