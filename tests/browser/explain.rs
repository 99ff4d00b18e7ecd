//! Explain mode in a real browser: the switch, the pages, and a life that runs out.

use std::{path::Path, time::Duration};

use kit::config::{Addresses, Site};
use testkit::{Browser, Child};
use tests::{all_in_one, wait::comes_true};

use crate::alice::{is_home, sign_in};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// All services in one process, whose codes are valid for 6 s.
async fn start(folder: &Path) -> (Child, Addresses) {
    let config = idp::settings::DEFAULT.replace("code = \"60s\"", "code = \"6s\"");
    let file = folder.join("idp.toml");
    std::fs::write(&file, config).unwrap();
    all_in_one(folder, &["--config", file.to_str().unwrap()]).await
}

/// Waits at the page `title` and goes on.
async fn past(browser: &Browser, title: &str) {
    browser.until_text("h1", title).await;
    browser.click("#continue").await;
}

async fn complains_of_nothing(browser: &Browser) {
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// Waits until the diagram, in its words for screen readers, has all of `labels`.
async fn is_drawn(browser: &Browser, labels: &[&str]) {
    let words = "return document.getElementById('twin').textContent";
    let is_drawn = async || {
        let told = browser.run(words).await.to_string();
        labels.iter().all(|label| told.contains(label))
    };
    let in_time = comes_true(PATIENCE, is_drawn).await;
    assert!(in_time, "{}", browser.run(words).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_explains_each_redirect_and_a_life_that_runs_out_ends_continue() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = start(folder.path()).await;
    let (lab, app1) = (addresses.url(Site::Lab), addresses.url(Site::App1));
    let (app2, idp) = (addresses.url(Site::App2), addresses.url(Site::Idp));
    let browser = Browser::start().await;
    browser.goto(&format!("{lab}/journey")).await;
    browser.find("#explain-mode[aria-pressed=false]").await;
    browser.click("#explain-mode").await;
    browser.find("#explain-mode[aria-pressed=true]").await;

    browser.goto(&format!("{app1}/login")).await;
    past(&browser, "App 1 sends your browser to the provider").await;
    past(&browser, "The provider has received the request of App 1").await;
    sign_in(&browser, &idp).await;
    past(&browser, "You are signed in, and a code comes next").await;
    browser.until_text("h1", "back to App 1 with a code").await;
    let left = browser.until_text("[data-left]", "s left").await;
    assert!(!left.contains("min"), "{left}");
    complains_of_nothing(&browser).await;
    browser.find("#continue[aria-disabled=true]").await;
    assert!(!browser.has("#continue[href]").await);
    browser.until_text("#over", "The code has ended").await;

    // The provider knows the user by now, so no form is shown.
    browser.click("#again").await;
    browser.until_at(&app1).await;
    browser.goto(&format!("{app1}/login")).await;
    past(&browser, "App 1 sends your browser to the provider").await;
    past(&browser, "The provider has received the request of App 1").await;
    past(&browser, "back to App 1 with a code").await;
    past(&browser, "App 1 has signed you in").await;
    is_home(&browser, &app1).await;

    browser.goto(&format!("{app2}/login")).await;
    past(&browser, "App 2 is about to push its sign-in request").await;
    past(&browser, "App 2 sends your browser to the provider").await;
    past(&browser, "The provider has received the request of App 2").await;
    // The pushed request counts once, and its page is loaded again.
    browser.until_text("h1", "back to App 2 with a code").await;
    browser.driver().refresh().await.unwrap();
    past(&browser, "back to App 2 with a code").await;
    past(&browser, "App 2 has signed you in").await;
    is_home(&browser, &app2).await;

    // The page's script calls the app and then opens the provider's address.
    browser.press("Sign out everywhere").await;
    past(&browser, "The provider has received a logout request").await;
    past(&browser, "You are signed out, and return to App 2").await;
    browser.until_at(&app2).await;
    complains_of_nothing(&browser).await;

    browser.goto(&format!("{lab}/journey")).await;
    is_drawn(&browser, &["200 Explain mode waits", "302 /authorize"]).await;
    browser.click("#explain-mode").await;
    browser.find("#explain-mode[aria-pressed=false]").await;
    browser.goto(&format!("{app1}/login")).await;
    browser.until_at(&idp).await;
    browser.find("#username").await;
    complains_of_nothing(&browser).await;
}
