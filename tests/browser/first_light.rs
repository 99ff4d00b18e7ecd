//! Alice signs in to both apps, presses every button, and the browser is asked
//! what it holds.

use kit::config::Site;
use testkit::{Browser, Platform};
use tests::words::holds_a_jwt;

use crate::alice::{
    Held, are_guarded, cookie_values, held_in, presses_every_button, scripts_find_none_of, sign_in,
};

/// At the provider.
const PROVIDERS: Held = ("__Host-idp_session", "/");

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
    sign_in(&browser, &platform.issuer()).await;
    browser.until_at(&app1).await;
    browser.until_text("h1", "Alice").await;
    presses_every_button(&browser).await;

    browser.goto(&app2).await;
    browser.press("Sign in").await;
    browser.until_at(&app2).await;
    browser.until_text("h1", "Alice").await;
    presses_every_button(&browser).await;

    are_guarded(
        &browser.cookies_of("app1.localhost").await,
        &held_in("stateful"),
    );
    are_guarded(
        &browser.cookies_of("app2.localhost").await,
        &held_in("hybrid"),
    );
    let provider = browser.cookies_of("idp.localhost").await;
    let session: Vec<_> = provider
        .into_iter()
        .filter(|cookie| cookie.name == PROVIDERS.0)
        .collect();
    are_guarded(&session, &[PROVIDERS]);
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    let idp = platform.tap(Site::Idp);
    let mut secrets = cookie_values(&browser).await;
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
    assert!(!holds_a_jwt(&answers));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_show_the_session_as_authorized_and_call_through_the_app() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    browser.goto(&format!("{app1}/docs")).await;
    browser.find(".authorize.unlocked").await;
    browser.click(".authorize").await;
    sign_in(&browser, &platform.issuer()).await;
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
async fn the_pages_of_all_services_load_without_console_errors_light_and_dark() {
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
async fn the_back_button_after_the_login_shows_a_page_that_helps() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    browser.goto(&app1).await;
    browser.press("Sign in").await;
    sign_in(&browser, &platform.issuer()).await;
    browser.until_text("h1", "Alice").await;
    browser.driver().back().await.unwrap();
    let text = browser.text("body").await;
    assert!(!text.trim().is_empty() && !text.contains("500"), "{text}");
    browser.goto(&app1).await;
    browser.until_text("h1", "Alice").await;
}
