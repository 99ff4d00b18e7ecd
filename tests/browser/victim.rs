//! A person in a real Chromium who is signed in to app1, and meets an attacker.

use kit::config::{Site, Weakness};
use serde_json::{Value, json};
use testkit::{Browser, Platform};
use tests::ALICE;

use crate::script::until_true;

/// Alice and the platform that she uses.
pub struct Victim {
    pub platform: Platform,
    pub browser: Browser,
}

impl Victim {
    /// Alice, signed in to app1 of a platform without these defences.
    pub async fn without(weaknesses: &[Weakness]) -> Self {
        let platform = Platform::start_weakened(weaknesses).await;
        let browser = Browser::start().await;
        let victim = Self { platform, browser };
        victim.sign_in_at(Site::App1).await;
        victim
    }

    /// Signs in from the page of `site`.
    pub async fn sign_in_at(&self, site: Site) {
        let (browser, home) = (&self.browser, self.url(site));
        browser.goto(&home).await;
        browser.press("Sign in").await;
        browser.until_at(&self.platform.issuer()).await;
        browser.fill("username", ALICE.0).await;
        browser.fill("password", ALICE.1).await;
        browser.press("Sign in").await;
        browser.until_at(&home).await;
        browser.until_text("main", "Alice").await;
    }

    /// Signs in at `site` as well, where the provider knows her already.
    pub async fn is_known_at(&self, site: Site) {
        self.browser.goto(&self.url(site)).await;
        self.browser.press("Sign in").await;
        // Pages come and go until she is back, so no element is held.
        let greeted = "return [...document.querySelectorAll('h1')].some(h1 => h1.innerText.startsWith('Hello, Alice'))";
        let else_why = format!("{site:?} does not greet her");
        until_true(&self.browser, greeted, &else_why).await;
    }

    /// What browsers see of `site`.
    pub fn url(&self, site: Site) -> String {
        self.platform.url(site)
    }

    /// Opens the page of the attack, which fires at once.
    pub async fn is_attacked_by(&self, attack: &str) {
        let evil = self.url(Site::Evil);
        self.browser.goto(&format!("{evil}/{attack}")).await;
    }

    /// Waits until the attacker's page says that it is done, and with what.
    pub async fn until_outcome(&self, name: &str) {
        let shown = format!("[data-outcome='{name}']:not([hidden])");
        self.browser.find(&shown).await;
    }

    /// What app1 says at `path` to a script of its own page.
    pub async fn asks(&self, path: &str) -> Value {
        self.browser.goto(&self.url(Site::App1)).await;
        let (status, _, body) = self.browser.fetch(path, json!({})).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// How many orders she has.
    pub async fn orders(&self) -> usize {
        self.asks("/api1/data").await["orders"]
            .as_array()
            .map_or(0, Vec::len)
    }

    /// Places an order of her own.
    pub async fn orders_something(&self) {
        self.browser.goto(&self.url(Site::App1)).await;
        let order = json!({
            "method": "POST",
            "headers": { "content-type": "application/json", "x-csrf": "1" },
            "body": r#"{"item":"chess-set","quantity":3}"#,
        });
        let (status, _, body) = self.browser.fetch("/api1/data", order).await;
        assert_eq!(status, 201, "{body}");
    }
}
