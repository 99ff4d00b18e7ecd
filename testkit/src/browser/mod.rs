//! A real Chromium, one a test, with a profile of its own.

mod driver;

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{By, WebDriver, WebElement, prelude::ElementQueryable as _};
use url::Url;

use crate::Child;

/// How long an element or an address may take to appear.
const PATIENCE: Duration = Duration::from_secs(15);

/// The actor. Fields end in their order: the session, the driver, the profile.
pub struct Browser {
    session: WebDriver,
    _driver: Child,
    profile: TempDir,
    _log: TempDir,
}

/// A cookie as the browser keeps it, those that no script sees included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserCookie {
    /// The host that gets it.
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
    /// `SameSite`; empty when it was not written.
    pub same_site: String,
    /// Whether it ends with the browser.
    pub session: bool,
}

impl Browser {
    /// Starts it.
    pub async fn start() -> Self {
        let log = tempfile::tempdir().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let (driver, address) = driver::start(log.path()).await;
        let session = driver::open(&address, profile.path()).await;
        Self {
            session,
            _driver: driver,
            profile,
            _log: log,
        }
    }

    /// The WebDriver session, for what has no helper here.
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

    /// Where it is.
    pub async fn url(&self) -> Url {
        self.session.current_url().await.unwrap()
    }

    /// Waits until the address begins with `start`.
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

    /// The first element that `css` selects, once it is there.
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

    /// Whether `css` selects something now.
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

    /// Clicks the link or button that reads `label`.
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
            Err(e) => panic!("no {label:?} at {}: {e}", self.url().await),
        }
    }

    /// What the first element that `css` selects reads.
    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Waits until the element that `css` selects reads something with `words`.
    pub async fn until_text(&self, css: &str, words: &str) -> String {
        let there = async {
            loop {
                // A page that has just gone took its elements with it.
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

    /// Where it is and what that reads, to say what went wrong.
    async fn here(&self) -> String {
        format!("{}: {}", self.url().await, self.text("body").await)
    }

    /// The document as it is now.
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

    /// The cookies of a host.
    pub async fn cookies_of(&self, host: &str) -> Vec<BrowserCookie> {
        let mut cookies = self.cookies().await;
        cookies.retain(|cookie| cookie.domain == host);
        cookies
    }

    /// All that scripts of the shown page's origin find kept: both storages,
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

    /// What a script of the shown page sees of `fetch(path, options)`: status,
    /// the headers that it may read, and the body.
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

    /// Runs `script` and gives what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.session
            .execute(script, vec![])
            .await
            .unwrap()
            .json()
            .clone()
    }

    /// What the console has said since the last look at the level of warnings
    /// and errors: failed loads, exceptions, violations of the page's policy.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.session.browser_log().await.unwrap();
        let bad = entries
            .into_iter()
            .filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"));
        bad.map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect()
    }

    /// Lets the pages believe in a dark or a light screen.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.session
            .cdp()
            .send_raw("Emulation.setEmulatedMedia", features)
            .await
            .unwrap();
    }

    /// A picture of the window.
    pub async fn screenshot(&self, path: &Path) {
        self.session.screenshot(path).await.unwrap();
    }
}
