//! Somebody who learns from the lab's attacks.

use std::{path::Path, time::Duration};

use kit::config::{Addresses, Site};
use serde_json::{Value, json};
use testkit::{Browser, Child};
use tests::{
    all_in_one,
    wait::{comes_true, until_some},
};

use crate::{
    alice::sign_in,
    labels::{lines, without_a_line},
    script::until_loot_is_complete,
};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Somebody who learns from the lab: all services in one process, and a browser.
pub struct Learner {
    pub browser: Browser,
    addresses: Addresses,
    /// The window of the lab's page.
    page: String,
    _all: Child,
}

impl Learner {
    pub async fn start(folder: &Path) -> Self {
        Self::with(folder, Browser::start().await).await
    }

    /// The same with another browser.
    pub async fn with(folder: &Path, browser: Browser) -> Self {
        let (all, addresses) = all_in_one(folder, &[]).await;
        Self {
            page: browser.driver().window().await.unwrap().to_string(),
            addresses,
            browser,
            _all: all,
        }
    }

    pub fn url(&self, site: Site, path: &str) -> String {
        format!("{}{path}", self.addresses.url(site))
    }

    pub async fn opens(&self, attack: &str) {
        let page = self.url(Site::Lab, &format!("/attacks/{attack}"));
        self.browser.goto(&page).await;
    }

    /// Presses a button of the page, and goes to the window that it opens.
    pub async fn presses(&self, button: &str) {
        self.browser.press(button).await;
        let beside = async || {
            let all = self.browser.driver().windows().await.unwrap();
            all.into_iter().find(|one| one.to_string() != self.page)
        };
        let beside = until_some(PATIENCE, beside).await.unwrap();
        self.browser
            .driver()
            .switch_to_window(beside)
            .await
            .unwrap();
    }

    /// Signs in, in the window beside.
    pub async fn signs_in(&self) {
        sign_in(&self.browser, &self.url(Site::Idp, "")).await;
    }

    /// Closes the window beside, and goes back to the lab's page.
    pub async fn comes_back(&self) {
        self.browser.driver().close_window().await.unwrap();
        let page = self.page.clone().into();
        self.browser.driver().switch_to_window(page).await.unwrap();
    }

    /// Back at the lab's page, the run `which` has this verdict, and still has it when the
    /// page is loaded again.
    pub async fn sees_the_end(&self, which: &str, word: &str) {
        self.comes_back().await;
        self.has_verdict(which, word).await;
        self.browser.driver().refresh().await.unwrap();
        self.has_verdict(which, word).await;
    }

    /// Waits until the page says how the run `which` ended: by `word`.
    pub async fn has_verdict(&self, which: &str, word: &str) {
        let line = format!("[data-outcome='{which}'] .verdict");
        let end = format!("{line} b");
        let in_time = comes_true(PATIENCE, async || self.browser.has(&end).await).await;
        let steps = self.arrows().await;
        assert!(in_time, "no verdict after {steps:#?}");
        let verdict = self.browser.text(&line).await;
        assert!(verdict.starts_with(word), "{which}: {verdict}");
    }

    /// Each line of the diagram, in words.
    pub async fn arrows(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('#twin .line .line-text')].map((line) => line.textContent)";
        serde_json::from_value(self.browser.run(script).await).unwrap()
    }

    /// Waits until the diagram has a line with each of `words`.
    pub async fn sees(&self, words: &[&str]) {
        let is_there = async || {
            let arrows = self.arrows().await;
            let has = |word: &&str| arrows.iter().any(|line| line.contains(*word));
            words.iter().all(has)
        };
        let in_time = comes_true(PATIENCE, is_there).await;
        let arrows = self.arrows().await;
        assert!(in_time, "not all of {words:?} in {arrows:#?}");
    }

    /// Waits until the attacker's script has looked everywhere.
    pub async fn until_loot_is_complete(&self) {
        until_loot_is_complete(&self.browser).await;
    }

    /// What app1 says at `path`, in the window that is shown.
    pub async fn asks_app1(&self, path: &str) -> Value {
        self.browser.goto(&self.url(Site::App1, "")).await;
        let (status, _, body) = self.browser.fetch(path, json!({})).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub async fn orders(&self) -> usize {
        let orders = self.asks_app1("/api1/data").await;
        orders["orders"].as_array().map_or(0, Vec::len)
    }

    /// The lab's pages have no error and no violation of their policy.
    pub async fn has_no_complaint(&self) {
        let lab = self.url(Site::Lab, "");
        let complaints = self.browser.complaints().await;
        let of_lab: Vec<_> = complaints
            .iter()
            .filter(|line| line.contains(&lab))
            .collect();
        assert!(of_lab.is_empty(), "{of_lab:?}");
    }

    /// The number of lines in the diagram, for `sees_each_label`.
    pub async fn lines(&self) -> u64 {
        lines(&self.browser).await
    }

    /// Waits until each label of the page is that of a line after the first `skipped` ones.
    pub async fn sees_each_label(&self, attack: &str, skipped: u64) {
        let seen = async || without_a_line(&self.browser, skipped).await.is_empty();
        if !comes_true(PATIENCE, seen).await {
            let unseen = without_a_line(&self.browser, skipped).await;
            panic!("{attack}: {unseen:?} in {:#?}", self.arrows().await);
        }
    }
}
