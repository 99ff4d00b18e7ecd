//! A session's end, and its beginning, in the browser's other tabs.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use serde_json::json;
use testkit::{Browser, HeadlessBrowser, Platform};
use tests::{ALICE, in_modes, session_at, sign_in_to, wait::comes_true};

use crate::alice::{begin, is_home, sign_in};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn the_other_apps_tab_is_notified_of_the_logout(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let browser = Browser::start().await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    signs_in(&browser, &platform, &app2).await;
    let first = browser.driver().window().await.unwrap();
    in_a_new_tab(&browser).await;
    begin(&browser, &app1).await;
    is_home(&browser, &app1).await;
    browser.press("Sign out everywhere").await;
    browser.until_text("h1", "not signed in").await;
    browser.until_at(&app1).await;
    if mode == "hybrid" {
        let left = browser.until_text("main", "has deleted the session").await;
        assert!(left.contains("https://api-1"), "{left}");
    }
    browser.driver().switch_to_window(first).await.unwrap();
    browser
        .until_text("#session-ended", "This session has ended")
        .await;
    let inert = "return document.getElementById('session').inert";
    assert_eq!(browser.run(inert).await, true);
    browser.press("Begin a new one").await;
    browser.until_at(&platform.issuer()).await;
}

mod elsewhere {
    use super::{in_modes, the_other_apps_tab_is_notified_of_the_logout};
    in_modes!([stateful hybrid cached] [the_other_apps_tab_is_notified_of_the_logout]);
}

/// Nobody but the browser knows of such a session: its own tabs tell each other.
/// The process that is asked to sign out need not be the one with the stream, so
/// the tab that learns of it has none here.
#[tokio::test(flavor = "multi_thread")]
async fn in_stateless_the_apps_own_tabs_are_notified_of_the_logout() {
    let platform = Platform::start_in_mode("stateless").await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    signs_in(&browser, &platform, &app1).await;
    let first = browser.driver().window().await.unwrap();
    block_streams(&browser).await;
    let before = streams(&platform);
    browser.goto(&app1).await;
    is_home(&browser, &app1).await;
    until_one_holds(&browser).await;
    in_a_new_tab(&browser).await;
    // The first tab gives up its turn when its stream fails: the second must not get one.
    block_streams(&browser).await;
    browser.goto(&app1).await;
    is_home(&browser, &app1).await;
    browser.press("Sign out of").await;
    let left = browser.until_text("main", "has deleted the session").await;
    assert!(left.contains("https://api-1"), "{left}");
    browser.driver().switch_to_window(first).await.unwrap();
    browser
        .until_text("#session-ended", "This session has ended")
        .await;
    assert_eq!(streams(&platform), before, "no process told it");
}

/// Keeps the current tab from the stream of events.
async fn block_streams(browser: &Browser) {
    let cdp = browser.driver().cdp();
    cdp.send_raw("Network.enable", json!({})).await.unwrap();
    // Newer Chromium reads `urlPatterns`, older ones `urls`.
    let no_stream = json!({
        "urls": ["*/session/events"],
        "urlPatterns": [{ "urlPattern": "*://*:*/session/events", "block": true }],
    });
    cdp.send_raw("Network.setBlockedURLs", no_stream)
        .await
        .unwrap();
}

/// How many streams of events were asked for at app1.
fn streams(platform: &Platform) -> usize {
    let requests = platform.tap(Site::App1).requests();
    requests.matches("GET /session/events ").count()
}

async fn signs_in(browser: &Browser, platform: &Platform, app: &str) {
    begin(browser, app).await;
    sign_in(browser, &platform.issuer()).await;
    is_home(browser, app).await;
}

async fn in_a_new_tab(browser: &Browser) {
    let tab = browser.driver().new_tab().await.unwrap();
    browser.driver().switch_to_window(tab).await.unwrap();
}

/// Waits until a tab of this browser waits for its turn to hold the stream.
async fn until_one_waits(browser: &Browser) {
    until_turns(browser, 1).await;
}

/// Waits until the only tab of this browser has its turn.
async fn until_one_holds(browser: &Browser) {
    until_turns(browser, 0).await;
}

/// Waits until a tab has its turn and as many others wait for theirs.
async fn until_turns(browser: &Browser, waiting: usize) {
    let script = "const [waiting, done] = arguments;
        const look = async () => {
            const { held, pending } = await navigator.locks.query();
            if (held.length === 1 && pending.length === waiting) done(true);
            else setTimeout(look, 20);
        };
        look();";
    let driver = browser.driver();
    let waiting = vec![json!(waiting)];
    driver.execute_async(script, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_share_one_stream_and_the_second_takes_over() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    signs_in(&browser, &platform, &app1).await;
    let first = browser.driver().window().await.unwrap();
    in_a_new_tab(&browser).await;
    let second = browser.driver().window().await.unwrap();
    browser.goto(&app1).await;
    is_home(&browser, &app1).await;
    until_one_waits(&browser).await;
    assert_eq!(streams(&platform), 1);

    browser.driver().switch_to_window(first).await.unwrap();
    browser.driver().close_window().await.unwrap();
    browser.driver().switch_to_window(second).await.unwrap();
    let in_time = comes_true(PATIENCE, async || streams(&platform) >= 2).await;
    assert!(in_time, "the second tab holds the stream now");

    // Ended elsewhere: this tab hears it by its own stream.
    let mut elsewhere = platform.cli();
    end_others_of_alice(&platform, &mut elsewhere).await;
    browser
        .until_text("#session-ended", "This session has ended")
        .await;
}

/// Ends all sessions of Alice from another device, by the app's own list.
async fn end_others_of_alice(platform: &Platform, cli: &mut HeadlessBrowser) {
    let app1 = platform.url(Site::App1);
    sign_in_to(cli, &app1, ALICE).await;
    let listed = cli.fetch_get("/sessions").await.json().unwrap();
    for session in listed.as_array().unwrap() {
        let path = format!("/sessions/{}", session["handle"].as_str().unwrap());
        let headers = [("x-csrf", "1"), ("accept", "application/json")];
        if session["current"] == false {
            let ended = cli.fetch(Method::DELETE, &path, &headers, "").await;
            assert_eq!(ended.status, 200, "{}", ended.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_in_one_tab_updates_the_others() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    browser.goto(&app1).await;
    let first = browser.driver().window().await.unwrap();
    in_a_new_tab(&browser).await;
    signs_in(&browser, &platform, &app1).await;
    browser.driver().switch_to_window(first).await.unwrap();
    browser
        .until_text("#signed-in-elsewhere", "Another tab has signed in")
        .await;
    browser.press("Reload this page").await;
    is_home(&browser, &app1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_the_persons_sessions_and_ends_one() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let mut elsewhere = platform.cli();
    sign_in_to(&mut elsewhere, &app1, ALICE).await;
    let browser = Browser::start().await;
    signs_in(&browser, &platform, &app1).await;
    browser.find("#sessions li:nth-of-type(2)").await;
    browser.click("#sessions li:nth-of-type(2) button").await;
    let one_left = async || !browser.has("#sessions li:nth-of-type(2)").await;
    let in_time = comes_true(PATIENCE, one_left).await;
    assert!(in_time, "it stays in the list");
    let there = session_at(&mut elsewhere, &app1).await;
    assert_eq!(there["authenticated"], false);
    assert!(browser.text("#sessions").await.contains("current"));
}
