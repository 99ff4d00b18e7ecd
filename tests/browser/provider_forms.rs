//! The provider's forms in a real browser: a double click submits them twice, and
//! their answer leads to a native app on an IPv6 address.

use std::{
    io::Write as _,
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use kit::config::Site;
use serde_json::json;
use tempfile::NamedTempFile;
use testkit::{Browser, ClientAuth, Platform};
use tests::{ALICE, Party};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::alice::{is_home, sign_in};

const BUILT_IN: &str = include_str!("../../services/idp/src/settings/default.toml");
/// A native app (RFC 8252) with a consent page.
const NATIVE: &str = r#"
[[clients]]
client_id = "native"
name = "Native app"
auth = ["none"]
grants = ["authorization_code"]
redirect_uris = ["http://[::1]/callback"]
audiences = ["https://api-1"]
"#;

/// A quarter of the time between two clicks. Chromium cancels the first request sometimes
/// before and sometimes after it was sent.
const PACES: [Duration; 3] = [
    Duration::from_millis(2),
    Duration::from_millis(15),
    Duration::from_millis(35),
];

/// Clicks the button that `css` selects twice, over a network that is slow enough for
/// the second click to come before the first response.
async fn double_click(browser: &Browser, css: &str, pace: Duration) {
    let cdp = browser.driver().cdp();
    let slow = json!({ "offline": false, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1 });
    cdp.send_raw("Network.enable", json!({})).await.unwrap();
    let slowed = cdp.send_raw("Network.emulateNetworkConditions", slow);
    slowed.await.unwrap();
    let button = browser.find(css).await;
    let actions = browser.driver().action_chain_with_delay(Some(pace), None);
    let actions = actions.double_click_element(&button);
    actions.perform().await.unwrap();
}

/// How often the browser has posted a form to `path` of the provider.
fn posts(platform: &Platform, path: &str) -> usize {
    let requests = platform.tap(Site::Idp).requests();
    requests.matches(&format!("POST {path} ")).count()
}

async fn fill(browser: &Browser) {
    browser.fill("username", ALICE.0).await;
    browser.fill("password", ALICE.1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_on_sign_in_continues_to_the_app() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    for pace in PACES {
        let browser = Browser::start().await;
        browser.goto(&app1).await;
        browser.press("Sign in").await;
        browser.until_at(&platform.issuer()).await;
        fill(&browser).await;
        platform.tap(Site::Idp).forget();
        double_click(&browser, "form button", pace).await;
        is_home(&browser, &app1).await;
        let posts = posts(&platform, "/sign-in");
        assert!((1..=2).contains(&posts), "{pace:?}: {posts} posts");
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_on_allow_continues_to_the_app() {
    let (platform, _config) = platform_with_native_app().await;
    for pace in PACES {
        let app = NativeApp::start().await;
        let party = app.party(&platform);
        let browser = Browser::start().await;
        browser.goto(&party.authorize_url(&[])).await;
        sign_in(&browser, &platform.issuer()).await;
        platform.tap(Site::Idp).forget();
        double_click(&browser, "button[value='allow']", pace).await;
        let code = app.code(&browser).await;
        let posts = posts(&platform, "/consent");
        assert!((1..=2).contains(&posts), "{pace:?}: {posts} posts");
        let redeemed = party
            .machine
            .redeem(&code, &app.redirect_uri, &party.pkce.verifier);
        assert_eq!(redeemed.await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8252_7_3_the_forms_redirect_to_a_native_app_on_an_ipv6_address() {
    let (platform, _config) = platform_with_native_app().await;
    let app = NativeApp::start().await;
    let party = app.party(&platform);
    let browser = Browser::start().await;
    browser.goto(&party.authorize_url(&[])).await;
    sign_in(&browser, &platform.issuer()).await;
    browser.press("Allow").await;
    app.code(&browser).await;
    // And by its other button.
    browser.goto(&party.authorize_url(&[])).await;
    browser.press("Deny").await;
    browser.until_at(&app.redirect_uri).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// A platform whose provider knows the client `native`, and its configuration file.
async fn platform_with_native_app() -> (Platform, NamedTempFile) {
    let mut config = NamedTempFile::new().unwrap();
    let text = format!("{BUILT_IN}{NATIVE}");
    config.write_all(text.as_bytes()).unwrap();
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    (platform, config)
}

/// A native app that listens on a free port of `[::1]`.
struct NativeApp {
    redirect_uri: String,
}

impl NativeApp {
    async fn start() -> Self {
        let free = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(free).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 8192];
                    let _ = socket.read(&mut request).await;
                    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 19\r\nConnection: close\r\n\r\n<h1>Native app</h1>";
                    let _ = socket.write_all(page.as_bytes()).await;
                });
            }
        });
        Self {
            redirect_uri: format!("http://{address}/callback"),
        }
    }

    fn party<'p>(&self, platform: &'p Platform) -> Party<'p> {
        let auth = ClientAuth::public("native");
        let scope = "openid https://api-1/read";
        Party::new(platform, "native", self.redirect_uri.clone(), auth, scope)
    }

    /// The code with which the browser has come.
    async fn code(&self, browser: &Browser) -> String {
        browser.until_at(&self.redirect_uri).await;
        browser.until_text("h1", "Native app").await;
        let url = browser.url().await;
        let mut pairs = url.query_pairs();
        let code = pairs.find(|(name, _)| name == "code");
        code.unwrap_or_else(|| panic!("no code: {url}"))
            .1
            .into_owned()
    }
}
