//! The story over TLS in a browser that trusts the lab's CA, and checks certificates as
//! always.

use kit::config::Site;
use testkit::{Browser, Platform};

use crate::alice::{are_guarded, begin, held_in, is_home, presses_every_button, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn alice_uses_both_apps_over_tls_and_the_spa_calls_its_api() {
    let platform = Platform::start_over_tls(&[]).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let browser = Browser::start_trusting(&platform.lab_ca()).await;
    begin(&browser, &app1).await;
    sign_in(&browser, &platform.issuer()).await;
    is_home(&browser, &app1).await;
    presses_every_button(&browser).await;
    begin(&browser, &app2).await;
    is_home(&browser, &app2).await;
    presses_every_button(&browser).await;
    are_guarded(
        &browser.cookies_of("app1.localhost").await,
        &held_in("stateful"),
    );
    are_guarded(
        &browser.cookies_of("app2.localhost").await,
        &held_in("hybrid"),
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_does_not_know_the_ca_shows_no_page() {
    let platform = Platform::start_over_tls(&[]).await;
    let browser = Browser::start().await;
    // Some versions of chromedriver refuse to go there, the others stay at the browser's warning.
    let said = match browser.driver().goto(platform.url(Site::App1)).await {
        Ok(()) => browser.source().await,
        Err(refused) => refused.to_string(),
    };
    assert!(said.contains("ERR_CERT_AUTHORITY_INVALID"), "{said}");
    assert!(!browser.has("a[href='/login']").await);
}
