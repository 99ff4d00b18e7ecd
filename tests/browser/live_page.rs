//! The page of the live diagram, as a teacher shows it: the newest arrow is in the window, a
//! failure is told of while it lasts, and the recording opens when nothing runs any more.

use std::path::Path;

use kit::config::{Addresses, Site};
use testkit::{Browser, Child};
use tests::all_in_one;

use crate::{alice::sign_in, script::until_true};

/// Somebody in a journey: all services in one process, the live page, and a window beside it.
struct Teacher {
    browser: Browser,
    addresses: Addresses,
    /// The window of the live page.
    page: String,
    all: Child,
}

impl Teacher {
    async fn begins(folder: &Path) -> Self {
        let (all, addresses) = all_in_one(folder, &[]).await;
        let browser = Browser::start().await;
        let teacher = Self {
            page: browser.driver().window().await.unwrap().to_string(),
            addresses,
            browser,
            all,
        };
        teacher.browser.resize(1280, 720).await;
        let page = teacher.url(Site::Lab, "/journey");
        teacher.browser.goto(&page).await;
        teacher.browser.press("Start a journey").await;
        teacher.browser.find("[data-state='live']").await;
        teacher
    }

    fn url(&self, site: Site, path: &str) -> String {
        format!("{}{path}", self.addresses.url(site))
    }

    /// Opens `url` in a window beside.
    async fn opens_beside(&self, url: &str) {
        let driver = self.browser.driver();
        let beside = driver.new_window().await.unwrap();
        driver.switch_to_window(beside).await.unwrap();
        self.browser.goto(url).await;
    }

    async fn comes_back(&self) {
        let page = self.page.clone().into();
        let driver = self.browser.driver();
        driver.switch_to_window(page).await.unwrap();
    }

    async fn signs_in_beside(&self) {
        self.opens_beside(&self.url(Site::App1, "/login")).await;
        sign_in(&self.browser, &self.url(Site::Idp, "")).await;
        self.browser.until_text("h1", "Alice").await;
        self.comes_back().await;
    }

    /// Waits until `script` returns `true`.
    async fn sees(&self, script: &str) {
        until_true(&self.browser, script, script).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_arrow_is_in_the_window_and_a_failure_is_told_of_while_it_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = Teacher::begins(folder.path()).await;
    teacher.signs_in_beside().await;
    let in_window = "const all = document.querySelectorAll('.message'); \
        const { top, bottom } = all[all.length - 1].getBoundingClientRect(); \
        return all.length > 20 && top > 0 && bottom < innerHeight";
    teacher.sees(in_window).await;

    let page = teacher.url(Site::Lab, "/failures");
    teacher.opens_beside(&page).await;
    let switch = "return fetch('/failures', { method: 'POST', body: new URLSearchParams({ \
        service: 'api-2', fault: 'down', seconds: 120 }) }).then((answer) => answer.ok)";
    assert_eq!(teacher.browser.run(switch).await, true);
    teacher.comes_back().await;
    let told = "const { hidden, innerText } = document.getElementById('notices'); \
        return !hidden && /api-2: .* It ends in \\d+\\ss\\./s.test(innerText)";
    teacher.sees(told).await;
    let off = "return fetch('/failures', { method: 'POST', body: new URLSearchParams({ \
        service: 'api-2', fault: 'down', off: 1 }) }).then((answer) => answer.ok)";
    assert_eq!(teacher.browser.run(off).await, true);
    teacher
        .sees("return document.getElementById('notices').hidden")
        .await;
    assert_eq!(teacher.browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_a_page_that_opens_when_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = Teacher::begins(folder.path()).await;
    teacher.signs_in_beside().await;
    let count = "return document.querySelectorAll('.message').length";
    teacher
        .sees("return document.querySelectorAll('.message').length > 20")
        .await;
    // What the browser would put into a file.
    let save = "return new Promise((done) => { \
        URL.createObjectURL = (blob) => { done(blob.text()); return '#'; }; \
        document.getElementById('save-page').click(); })";
    let page = teacher.browser.run(save).await;
    let shown = teacher.browser.run(count).await;
    let file = folder.path().join("journey.html");
    std::fs::write(&file, page.as_str().unwrap()).unwrap();
    let Teacher { browser, all, .. } = teacher;
    drop(all);

    browser.goto(&format!("file://{}", file.display())).await;
    browser.until_text("#state", "Recording: 20").await;
    assert_eq!(browser.run(count).await, shown);
    browser
        .run("document.querySelector('.message').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
        .await;
    browser.until_text("#detail h2", "User").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
