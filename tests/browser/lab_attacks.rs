//! The attacks of the lab by their buttons, in a real browser: each succeeds with the defence
//! off, for this journey alone, and is stopped with it on.

use std::{path::Path, time::Duration};

use kit::{
    config::{Addresses, Site},
    telemetry::names::{span, span_of},
};
use serde_json::{Value, json};
use testkit::{Browser, Child, binary, free_offset};

use crate::alice::sign_in;

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Somebody who learns from the lab: all services in one process, and a browser.
struct Learner {
    browser: Browser,
    addresses: Addresses,
    /// The window of the lab's page.
    page: String,
    _all: Child,
}

impl Learner {
    async fn start(folder: &Path) -> Self {
        let offset = free_offset(1);
        let port = offset.to_string();
        let environment = [("REDIS_URL".to_owned(), String::new())];
        let flags = ["--port-offset", &*port];
        let mut all = Child::spawn(&binary("sso-lab"), &flags, &environment, folder.join("log"));
        all.until_output("wonderland", PATIENCE).await;
        let browser = Browser::start().await;
        Self {
            page: browser.driver().window().await.unwrap().to_string(),
            addresses: Addresses::new("http", "localhost", offset),
            browser,
            _all: all,
        }
    }

    fn url(&self, site: Site, path: &str) -> String {
        format!("{}{path}", self.addresses.url(site))
    }

    async fn opens(&self, attack: &str) {
        let page = self.url(Site::Lab, &format!("/attacks/{attack}"));
        self.browser.goto(&page).await;
    }

    /// Presses a button of the page, and goes to the window that it opens.
    async fn presses(&self, button: &str) {
        self.browser.press(button).await;
        let beside = async {
            loop {
                let all = self.browser.driver().windows().await.unwrap();
                if let Some(other) = all.into_iter().find(|one| one.to_string() != self.page) {
                    return other;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let beside = tokio::time::timeout(PATIENCE, beside).await.unwrap();
        self.browser
            .driver()
            .switch_to_window(beside)
            .await
            .unwrap();
    }

    /// Signs in, in the window beside.
    async fn signs_in(&self) {
        sign_in(&self.browser, &self.url(Site::Idp, "")).await;
    }

    /// Closes the window beside, and goes back to the lab's page.
    async fn comes_back(&self) {
        self.browser.driver().close_window().await.unwrap();
        let page = self.page.clone().into();
        self.browser.driver().switch_to_window(page).await.unwrap();
    }

    /// Back at the lab's page, the run `which` has this verdict, and still has it when the
    /// page is loaded again.
    async fn sees_the_end(&self, which: &str, word: &str) {
        self.comes_back().await;
        self.has_verdict(which, word).await;
        self.browser.driver().refresh().await.unwrap();
        self.has_verdict(which, word).await;
    }

    /// Waits until the page says how the run `which` ended: by `word`.
    async fn has_verdict(&self, which: &str, word: &str) {
        let line = format!("[data-outcome='{which}'] .verdict");
        let end = format!("{line} b");
        let ended = async {
            while !self.browser.has(&end).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, ended).await;
        let steps = self.arrows().await;
        assert!(in_time.is_ok(), "no verdict after {steps:#?}");
        let verdict = self.browser.text(&line).await;
        assert!(verdict.starts_with(word), "{which}: {verdict}");
    }

    /// Each line of the diagram, in words.
    async fn arrows(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('#twin .line .line-text')].map((line) => line.textContent)";
        serde_json::from_value(self.browser.run(script).await).unwrap()
    }

    /// Waits until the diagram has a line with each of `words`.
    async fn sees(&self, words: &[&str]) {
        let is_there = async {
            loop {
                let arrows = self.arrows().await;
                let has = |word: &&str| arrows.iter().any(|line| line.contains(*word));
                if words.iter().all(has) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, is_there).await;
        let arrows = self.arrows().await;
        assert!(in_time.is_ok(), "not all of {words:?} in {arrows:#?}");
    }

    /// Waits until the attacker's script has looked everywhere.
    async fn until_loot_is_complete(&self) {
        let done = async {
            while self.browser.run("return window.loot?.done").await != true {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, done).await;
        assert!(in_time.is_ok(), "the script did not run to its end");
    }

    /// What app1 says at `path`, in the window that is shown.
    async fn asks_app1(&self, path: &str) -> Value {
        self.browser.goto(&self.url(Site::App1, "")).await;
        let (status, _, body) = self.browser.fetch(path, json!({})).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn orders(&self) -> usize {
        let orders = self.asks_app1("/api1/data").await;
        orders["orders"].as_array().map_or(0, Vec::len)
    }

    /// The lab's pages have no error and no violation of their policy.
    async fn has_no_complaint(&self) {
        let lab = self.url(Site::Lab, "");
        let complaints = self.browser.complaints().await;
        let of_lab: Vec<_> = complaints
            .iter()
            .filter(|line| line.contains(&lab))
            .collect();
        assert!(of_lab.is_empty(), "{of_lab:?}");
    }
}

/// What the diagram calls the check `name`.
fn step(name: &str) -> &'static str {
    span_of(name).unwrap().step
}

/// The word with which a verdict begins.
const SUCCEEDED: &str = "Succeeded.";
const STOPPED: &str = "Stopped.";

/// Plays an attack that places an order: with the defence off, with the cookie alone
/// weakened, and with the defence on.
async fn plays_an_order(attack: &str, request: &str) {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens(attack).await;
    let outcome = "[data-outcome='over']:not([hidden])";
    for (button, which, word, orders) in [
        ("Run with the defence off", "on", SUCCEEDED, 1),
        ("Run with the cookie alone weakened", "partly", STOPPED, 1),
        ("Run with the defence on", "off", STOPPED, 1),
    ] {
        learner.presses(button).await;
        if which == "on" {
            learner.signs_in().await;
        }
        learner.browser.find(outcome).await;
        let banner = learner.browser.has("aside.weakened").await;
        assert_eq!(banner, which != "off", "{which}");
        assert_eq!(learner.orders().await, orders, "{which}");
        let banner = learner.browser.has("aside.weakened").await;
        assert_eq!(banner, which != "off", "{which}");
        learner.sees_the_end(which, word).await;
    }
    learner
        .sees(&[step(span::FORGERY_CHECK), "403 Forbidden", request])
        .await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_places_an_order_with_the_defence_off_and_none_with_it_on() {
    plays_an_order("csrf-image", "GET /api1/order").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_places_an_order_with_the_defence_off_and_none_with_it_on() {
    plays_an_order("csrf-form", "POST /api1/data").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_runs_in_the_page_of_app1_with_the_defence_off_alone() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("xss-app1").await;
    learner.presses("Run with the defence off").await;
    learner.signs_in().await;
    let note = learner
        .browser
        .until_text(".note.bad", "Tokens found")
        .await;
    assert!(note.contains("Tokens found: 0."), "{note}");
    learner.until_loot_is_complete().await;
    learner.sees_the_end("on", SUCCEEDED).await;

    learner.presses("Run with the defence on").await;
    learner
        .browser
        .until_at(&learner.url(Site::App1, "/?note="))
        .await;
    learner.browser.find("main").await;
    let loot = learner.browser.run("return typeof window.loot").await;
    assert_eq!(loot, "undefined");
    learner.sees_the_end("off", STOPPED).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_script_takes_the_token_of_the_single_page_app() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("xss-spa").await;
    let link = learner.browser.text(".paste code").await;
    learner.presses("Run with the defence off").await;
    learner.browser.press("Sign in").await;
    learner.signs_in().await;
    learner.browser.until_text("main", "Alice").await;
    // Only what follows the # changes: the page stays, and its tokens with it.
    learner.browser.goto(&link).await;
    learner.until_loot_is_complete().await;
    learner.browser.click("[data-action='list']").await;
    // The access token, and the proofs that go with it.
    let counts =
        "return /Tokens found: [1-9]/.test(document.querySelector('.note.bad')?.innerText)";
    let finds = async {
        while learner.browser.run(counts).await != true {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, finds).await;
    assert!(in_time.is_ok(), "the script found no token");
    learner.sees_the_end("on", SUCCEEDED).await;

    learner.presses("Run with the defence on").await;
    learner.browser.press("Sign in").await;
    learner.browser.until_text("main", "Alice").await;
    learner.browser.goto(&link).await;
    let loot = learner.browser.run("return typeof window.loot").await;
    assert_eq!(loot, "undefined");
    learner.comes_back().await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_on_the_attackers_site_with_the_defence_off_alone() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("open-redirect").await;
    learner.presses("Run with the defence off").await;
    learner.signs_in().await;
    learner
        .browser
        .until_at(&learner.url(Site::Evil, "/landed"))
        .await;
    learner.sees_the_end("on", SUCCEEDED).await;

    learner.presses("Run with the defence on").await;
    learner
        .browser
        .until_text("main", "return_to has to be a path")
        .await;
    learner.sees_the_end("off", STOPPED).await;
    learner.sees(&[step(span::LOGIN_CHECK)]).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attackers_callback_signs_alice_in_as_bob_with_the_defence_off_alone() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("login-csrf").await;
    // First with the defence on, because afterwards she would be bob.
    learner.presses("Run with the defence on").await;
    learner.signs_in().await;
    learner
        .browser
        .until_at(&learner.url(Site::App1, "/callback?"))
        .await;
    learner.browser.find("h1").await;
    let session = learner.asks_app1("/session").await;
    assert!(
        session["user"]["name"]
            .as_str()
            .unwrap()
            .starts_with("Alice"),
        "{session}"
    );
    learner.sees_the_end("off", STOPPED).await;

    learner.presses("Run with the defence off").await;
    learner.browser.until_text("h1", "Bob").await;
    let session = learner.asks_app1("/session").await;
    assert!(
        session["user"]["name"].as_str().unwrap().starts_with("Bob"),
        "{session}"
    );
    learner.sees_the_end("on", SUCCEEDED).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_attack_runs_by_its_button_and_the_diagram_shows_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("alg-none").await;
    // The first run begins the journey, and comes back to the page.
    learner.browser.press("Run with the defence off").await;
    learner.has_verdict("on", SUCCEEDED).await;
    // The second one does not leave the page.
    learner.browser.run("window.here = true").await;
    learner.browser.press("Run with the defence on").await;
    learner.has_verdict("off", "Stopped by api-1").await;
    assert_eq!(learner.browser.run("return window.here").await, true);
    learner
        .sees(&[step(span::TOKEN_CHECK), "401 Unauthorized"])
        .await;
    assert!(
        !learner.browser.has("aside.weakened").await,
        "her own requests are not weakened"
    );
    learner.has_no_complaint().await;
}
