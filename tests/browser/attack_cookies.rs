//! A sibling below the same domain plants cookies that look like those which
//! only their own host can set.

use kit::config::Site;
use testkit::{Browser, Platform};

use crate::alice::{begin, is_home, sign_in};

/// Below it each service is a sibling of the others.
const DOMAIN: &str = "team.localhost";

#[tokio::test(flavor = "multi_thread")]
async fn rfc6265_5_2_a_cookie_name_with_unicode_white_space_ends_no_session() {
    let platform = Platform::start_at(DOMAIN).await;
    let browser = Browser::start().await;
    browser.goto(&platform.url(Site::Evil)).await;
    for name in [
        "__Host-idp_session",
        "__Host-idp_browser",
        "__Host-session_id",
    ] {
        let plant = format!("document.cookie = '\\u2000{name}=planted; Domain={DOMAIN}; Path=/'");
        browser.run(&plant).await;
    }
    let planted = browser.cookies_of(&format!(".{DOMAIN}")).await;
    assert_eq!(planted.len(), 3, "Chromium takes them: {planted:?}");

    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    begin(&browser, &app1).await;
    sign_in(&browser, &platform.issuer()).await;
    is_home(&browser, &app1).await;
    // The provider knows the browser, so no form is shown.
    begin(&browser, &app2).await;
    is_home(&browser, &app2).await;
    let sent = platform.tap(Site::Idp).requests();
    assert!(sent.contains("=planted"), "they were sent along");
}
