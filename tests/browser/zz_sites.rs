use std::path::Path;
use kit::config::Site;
use serde_json::json;
use testkit::{Browser, Platform};
use tests::ALICE;

async fn shot(b: &Browser, name: &str) {
    for scheme in ["light", "dark"] {
        b.prefer(scheme).await;
        for width in [1440, 390] {
            b.driver().cdp().send_raw("Emulation.setDeviceMetricsOverride", json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false})).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            let h = b.run("return document.documentElement.scrollHeight").await.as_u64().unwrap().min(5200);
            let wide = b.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth").await;
            println!("{name} {scheme} {width} height {h} too wide {wide}");
            b.driver().cdp().send_raw("Emulation.setDeviceMetricsOverride", json!({"width": width, "height": h, "deviceScaleFactor": 1, "mobile": false})).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            b.screenshot(Path::new(&format!("/tmp/w/sites/shots/{name}-{scheme}-{width}.png"))).await;
        }
    }
    b.driver().cdp().send_raw("Emulation.clearDeviceMetricsOverride", json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shots() {
    std::fs::create_dir_all("/tmp/w/sites/shots").unwrap();
    let p = Platform::start().await;
    let b = Browser::start().await;
    b.goto(&p.url(Site::Lab)).await;
    shot(&b, "lab").await;
    b.goto(&p.url(Site::Spa)).await;
    shot(&b, "spa-out").await;
    b.press("Stop before").await;
    b.find("#onward:not([hidden])").await;
    shot(&b, "spa-before").await;
    b.press("Sign in").await;
    b.until_at(&p.issuer()).await;
    b.fill("username", ALICE.0).await;
    b.fill("password", ALICE.1).await;
    b.press("Sign in").await;
    b.until_text("[data-signed-in=true] h1", "Alice").await;
    b.press("/userinfo").await; tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    b.press("POST").await; tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    b.press("Refresh").await; tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    b.screenshot(Path::new("/tmp/w/sites/shots/spa-view.png")).await;
    b.run("document.querySelector('#tokens details').open = true").await;
    shot(&b, "spa-in").await;
    b.goto(&format!("{}/callback?code=1&state=2", p.url(Site::Spa))).await;
    b.find("#trouble:not([hidden])").await;
    shot(&b, "spa-trouble").await;
    b.goto(&format!("{}/docs", p.url(Site::Api1))).await;
    b.find(".auth-wrapper .authorize.unlocked").await;
    b.click(".opblock-get .opblock-summary-control").await;
    shot(&b, "docs").await;
    b.click(".auth-wrapper .authorize").await;
    shot(&b, "docs-dialog").await;
    b.goto(&format!("{}/docs/oauth2-redirect.html", p.url(Site::Api1))).await;
    shot(&b, "redirect").await;
}
