//! A real Chromium, one for each test, with a profile of its own.

mod axe;
mod driver;
mod nss;

use std::{collections::BTreeMap, path::Path, time::Duration};

use kit::tls::Authority;
use serde_json::{Value, json};
use tempfile::TempDir;
pub use thirtyfour::WindowHandle;
use thirtyfour::{By, WebDriver, WebElement, prelude::ElementQueryable as _};
use url::Url;

use crate::Child;

/// Timeout for an element or an address to appear.
const PATIENCE: Duration = Duration::from_secs(15);

/// The actor. Fields are dropped in order: the session, the driver, the profile.
pub struct Browser {
    session: WebDriver,
    _driver: Child,
    profile: TempDir,
    _log: TempDir,
}

/// A cookie in the browser's cookie store, `HttpOnly` or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserCookie {
    /// Its host.
    pub domain: String,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its path.
    pub path: String,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `Secure`.
    pub secure: bool,
    /// `SameSite`; empty if the attribute is absent.
    pub same_site: String,
    /// Whether it is a session cookie.
    pub session: bool,
}

impl Browser {
    /// Starts it.
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[], false).await
    }

    /// Starts it as Debian's Chromium is: it sends no third-party cookie.
    pub async fn start_blocking_third_party_cookies() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[], true).await
    }

    /// Starts it with `ca` among its certificate authorities, as a user adds one. It checks
    /// names and dates as always.
    pub async fn start_trusting(ca: &Authority) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let environment = nss::home_trusting(profile.path(), ca);
        Self::start_in(profile, &environment, false).await
    }

    async fn start_in(
        profile: TempDir,
        environment: &[(String, String)],
        blocks_cookies: bool,
    ) -> Self {
        let log = tempfile::tempdir().unwrap();
        let (driver, address) = driver::start(log.path(), environment).await;
        let session = driver::open(&address, profile.path(), blocks_cookies).await;
        Self {
            session,
            _driver: driver,
            profile,
            _log: log,
        }
    }

    /// The WebDriver session, for actions without a helper.
    pub fn driver(&self) -> &WebDriver {
        &self.session
    }

    /// The folder of its profile.
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Loads `url`.
    pub async fn goto(&self, url: &str) {
        self.session.goto(url).await.unwrap();
    }

    /// The present address.
    pub async fn url(&self) -> Url {
        self.session.current_url().await.unwrap()
    }

    /// Waits until the address starts with `start`.
    pub async fn until_at(&self, start: &str) {
        let there = async {
            while !self.url().await.as_str().starts_with(start) {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await.is_ok();
        let now = if in_time {
            String::new()
        } else {
            self.here().await
        };
        assert!(in_time, "not at {start} but at {now}");
    }

    /// Waits for the first element that `css` selects.
    pub async fn find(&self, css: &str) -> WebElement {
        let query = self
            .session
            .query(By::Css(css))
            .wait(PATIENCE, Duration::from_millis(30));
        match query.first().await {
            Ok(element) => element,
            Err(e) => panic!("no {css} at {}: {e}", self.url().await),
        }
    }

    /// Whether `css` selects an element at present.
    pub async fn has(&self, css: &str) -> bool {
        !self
            .session
            .find_all(By::Css(css))
            .await
            .unwrap()
            .is_empty()
    }

    /// Types `value` into the field `name`.
    pub async fn fill(&self, name: &str, value: &str) {
        self.find(&format!("[name='{name}']"))
            .await
            .send_keys(value)
            .await
            .unwrap();
    }

    /// Clicks the first element that `css` selects.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Clicks the link or button with the text `label`.
    pub async fn press(&self, label: &str) {
        let path = format!(
            "//a[contains(normalize-space(.), '{label}')] | //button[contains(normalize-space(.), '{label}')]"
        );
        let query = self
            .session
            .query(By::XPath(path))
            .wait(PATIENCE, Duration::from_millis(30));
        match query.first().await {
            Ok(element) => element.click().await.unwrap(),
            Err(e) => panic!(
                "no {label:?} at {} ({e}): {}",
                self.url().await,
                self.text("body").await
            ),
        }
    }

    /// The text of the first element that `css` selects.
    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Waits until the text of the element that `css` selects contains `words`.
    pub async fn until_text(&self, css: &str, words: &str) -> String {
        let there = async {
            loop {
                // The page may have been replaced, and its elements with it.
                let text = self.find(css).await.text().await;
                if let Ok(text) = text
                    && text.contains(words)
                {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        if let Ok(text) = tokio::time::timeout(PATIENCE, there).await {
            return text;
        }
        panic!("{css} never read {words:?} at {}", self.here().await)
    }

    /// The present address and text, for failure messages.
    async fn here(&self) -> String {
        format!("{}: {}", self.url().await, self.text("body").await)
    }

    /// The present document.
    pub async fn source(&self) -> String {
        self.session.source().await.unwrap()
    }

    /// All cookies of all hosts.
    pub async fn cookies(&self) -> Vec<BrowserCookie> {
        let answer = self
            .session
            .cdp()
            .send_raw("Network.getAllCookies", json!({}))
            .await
            .unwrap();
        let all = answer["cookies"].as_array().expect("a list of cookies");
        let text =
            |cookie: &Value, name: &str| cookie[name].as_str().unwrap_or_default().to_owned();
        all.iter()
            .map(|cookie| BrowserCookie {
                domain: text(cookie, "domain"),
                name: text(cookie, "name"),
                value: text(cookie, "value"),
                path: text(cookie, "path"),
                http_only: cookie["httpOnly"] == true,
                secure: cookie["secure"] == true,
                same_site: text(cookie, "sameSite"),
                session: cookie["session"] == true,
            })
            .collect()
    }

    /// Deletes all cookies of all hosts.
    pub async fn forget_cookies(&self) {
        self.session
            .cdp()
            .send_raw("Network.clearBrowserCookies", json!({}))
            .await
            .unwrap();
    }

    /// The cookies of a host.
    pub async fn cookies_of(&self, host: &str) -> Vec<BrowserCookie> {
        let mut cookies = self.cookies().await;
        cookies.retain(|cookie| cookie.domain == host);
        cookies
    }

    /// All data that scripts of the page's origin can read: both storages,
    /// the cookies without `HttpOnly`, caches and databases by name, `window.name`.
    pub async fn kept_for_scripts(&self) -> BTreeMap<String, String> {
        let script = "const done = arguments[arguments.length - 1];
            (async () => done({
                local: JSON.stringify(localStorage), session: JSON.stringify(sessionStorage),
                cookies: document.cookie, name: window.name, history: JSON.stringify(history.state),
                caches: JSON.stringify(await caches.keys()),
                databases: JSON.stringify((await indexedDB.databases()).map(one => one.name)) }))()
            .catch(error => done({ error: String(error) }));";
        let kept = self.session.execute_async(script, vec![]).await.unwrap();
        let kept: BTreeMap<String, Value> = kept.convert().unwrap();
        kept.into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    /// The result of `fetch(path, options)` in a script of the page: status,
    /// readable headers and body.
    pub async fn fetch(&self, path: &str, options: Value) -> (u64, String, String) {
        let script = "const done = arguments[arguments.length - 1];
            fetch(arguments[0], arguments[1])
                .then(async answer => done([answer.status,
                    [...answer.headers].map(pair => pair.join(': ')).join('\\n'), await answer.text()]))
                .catch(error => done([0, '', String(error)]));";
        let answer = self
            .session
            .execute_async(script, vec![json!(path), options])
            .await
            .unwrap();
        answer.convert().unwrap()
    }

    /// Runs `script` and returns its result.
    pub async fn run(&self, script: &str) -> Value {
        self.session
            .execute(script, vec![])
            .await
            .unwrap()
            .json()
            .clone()
    }

    /// The console's warnings and errors since the last call: failed loads,
    /// exceptions, violations of the page's policy.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.session.browser_log().await.unwrap();
        let bad = entries
            .into_iter()
            .filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"));
        bad.map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect()
    }

    /// What axe-core finds in the page: for each finding the rule, the element, and how to
    /// mend it.
    pub async fn accessibility_findings(&self) -> Vec<String> {
        axe::findings(&self.session).await
    }

    /// Sets the size of the window, in CSS pixels.
    pub async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.session
            .cdp()
            .send_raw("Emulation.setDeviceMetricsOverride", size)
            .await
            .unwrap();
    }

    /// Sets the preferred colour scheme, dark or light.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.session
            .cdp()
            .send_raw("Emulation.setEmulatedMedia", features)
            .await
            .unwrap();
    }

    /// A screenshot of the window.
    pub async fn screenshot(&self, path: &Path) {
        self.session.screenshot(path).await.unwrap();
    }
}
