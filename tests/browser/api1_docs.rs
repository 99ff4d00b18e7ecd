//! API-1's own documentation in a real Chromium: page and resource server are
//! one, and the page is a public client.

use std::time::Duration;

use kit::config::Site;
use testkit::{Browser, Platform};
use tests::{ALICE, wait::comes_true};

/// Waits until the browser has `count` windows.
async fn until_windows(browser: &Browser, count: usize) {
    let has_so_many = async || browser.driver().windows().await.unwrap().len() == count;
    let in_time = comes_true(Duration::from_secs(15), has_so_many).await;
    assert!(in_time, "never {count} windows");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_signs_in_by_itself_and_calls_the_api_with_the_token() {
    let platform = Platform::start().await;
    let api1 = platform.url(Site::Api1);
    let browser = Browser::start().await;
    browser.goto(&format!("{api1}/docs")).await;
    browser.find(".auth-wrapper .authorize.unlocked").await;
    browser.click(".auth-wrapper .authorize").await;
    // Of three kinds of credentials, the one that signs in.
    let sign_in = ".modal-ux .authorize[aria-label='Apply given OAuth2 credentials']";
    browser.click(sign_in).await;

    until_windows(&browser, 2).await;
    let both = browser.driver().windows().await.unwrap();
    browser
        .driver()
        .switch_to_window(both[1].clone())
        .await
        .unwrap();
    browser.until_at(&platform.issuer()).await;
    browser.fill("username", ALICE.0).await;
    browser.fill("password", ALICE.1).await;
    browser.press("Sign in").await;
    until_windows(&browser, 1).await;
    browser
        .driver()
        .switch_to_window(both[0].clone())
        .await
        .unwrap();

    browser.find(".auth-wrapper .authorize.locked").await;
    browser.click(".modal-ux .btn-done").await;
    browser.click(".opblock-get .opblock-summary-control").await;
    browser.click(".try-out__btn").await;
    browser.click(".execute").await;
    let status = ".live-responses-table tbody .response-col_status";
    browser.until_text(status, "200").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    let tokens = platform.tap(Site::Idp).answered_values("access_token");
    assert!(!tokens.is_empty());
    let kept = format!("{:?}", browser.kept_for_scripts().await);
    assert!(tokens.iter().all(|token| !kept.contains(token)), "{kept}");
    assert_eq!(browser.cookies_of("api1.localhost").await, []);
    browser.goto(&format!("{api1}/docs")).await;
    browser.find(".auth-wrapper .authorize.unlocked").await;
}
