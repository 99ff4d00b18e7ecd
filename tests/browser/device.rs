//! The page on which a user connects a device (RFC 8628 §3.3), in a real browser.

use kit::config::Site;
use testkit::{Browser, ClientAuth, Platform};
use tests::Device;

use crate::alice::sign_in;

async fn device(platform: &Platform) -> Device {
    Device::start(&platform.machine(ClientAuth::public("tv"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8628_3_3_1_the_link_leads_by_the_login_page_to_the_question() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let browser = Browser::start().await;
    browser.goto(&device.link).await;
    sign_in(&browser, &platform.issuer()).await;
    browser.until_text("h1", "Connect a device").await;
    let field = browser.find("#user_code").await;
    let filled = field.prop("value").await.unwrap();
    assert_eq!(filled.as_deref(), Some(device.user_code.as_str()));
    browser.press("Continue").await;
    browser.until_text("h1", "Allow this device?").await;
    assert_eq!(browser.text(".user-code").await, device.user_code);
    assert!(browser.text(".lead").await.contains("TV"));
    browser.press("Allow").await;
    browser.until_text("h1", "Device connected").await;
    device.poll().await.granted();
    browser.press("Your account").await;
    browser.until_text("h1", "Where you are signed in").await;
    browser.press("End access").await;
    browser.until_text("h1", "Where you are signed in").await;
    assert!(!browser.source().await.contains("End access"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8628_3_3_a_code_is_typed_in_small_letters_and_access_denied() {
    let platform = Platform::start().await;
    let device = device(&platform).await;
    let browser = Browser::start().await;
    browser.goto(&platform.url(Site::Idp)).await;
    browser.goto(&device.page).await;
    sign_in(&browser, &platform.issuer()).await;
    browser.until_text("h1", "Connect a device").await;
    browser.fill("user_code", "bcdf-ghjk").await;
    browser.press("Continue").await;
    browser.until_text(".note.bad", "No device waits").await;
    browser.find("#user_code").await.clear().await.unwrap();
    let typed = device.user_code.to_lowercase().replace('-', "");
    browser.fill("user_code", &typed).await;
    browser.press("Continue").await;
    browser.until_text(".user-code", &device.user_code).await;
    browser.press("Deny").await;
    browser.until_text("h1", "Access denied").await;
    assert_eq!(device.poll().await.error(), "access_denied");
}
