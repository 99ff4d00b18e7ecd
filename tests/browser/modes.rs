//! Both apps in each session mode: what the browser holds, what a call costs,
//! and what the page says when the session has ended.

use kit::config::Site;
use testkit::{Browser, Plan, Platform, Processes};
use tests::in_modes;

use crate::alice::{
    are_guarded, begin, cookie_values, held_in, is_home, presses, presses_every_button,
    scripts_find_none_of, sign_in,
};

/// What a further call costs in `mode`.
fn price_in(mode: &str, redis: bool) -> &'static str {
    match mode {
        "stateful" => "· 1 store command ·",
        // Memory is no farther away than a copy of it would be.
        "cached" if !redis => "· 1 store command ·",
        _ => "· 0 store commands ·",
    }
}

/// Where everything is.
struct Places<'a> {
    apps: [(&'a str, &'a str); 2],
    issuer: &'a str,
}

impl Places<'_> {
    /// Alice, whose login at the first app has begun, goes to both in `mode`.
    async fn are_used(&self, browser: &Browser, mode: &str, redis: bool) {
        for (number, (host, app)) in self.apps.into_iter().enumerate() {
            if number == 0 {
                sign_in(browser, self.issuer).await;
            }
            is_home(browser, app).await;
            let shown = browser.text("dl.facts .badge").await;
            assert_eq!(shown, mode);
            presses_every_button(browser).await;
            let price = presses(browser, ".calls > .call:first-of-type").await;
            let expected = price_in(mode, redis);
            assert!(price.contains(expected), "{mode}: {price}");
            presses(browser, "main .sheet .call:not(.sheet)").await;
            are_guarded(&browser.cookies_of(host).await, &held_in(mode));
            scripts_find_none_of(browser, &cookie_values(browser).await).await;
            if number == 0 {
                let next = self.apps[1].1;
                let choice = redis.then(|| format!("{next}/login?mode={mode}"));
                match choice {
                    Some(login) => browser.goto(&login).await,
                    None => begin(browser, next).await,
                }
            }
        }
    }
}

async fn both_apps_are_used(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let browser = Browser::start().await;
    let places = Places {
        apps: [("app1.localhost", &app1), ("app2.localhost", &app2)],
        issuer: &platform.issuer(),
    };
    begin(&browser, &app1).await;
    places.are_used(&browser, mode, false).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

in_modes!([stateful stateless hybrid cached] [both_apps_are_used]);

/// With Redis, and a mode that the person chooses at the app's page.
#[tokio::test(flavor = "multi_thread")]
async fn each_mode_can_be_chosen_where_the_deployment_allows_it() {
    let choice = ("BFF_SESSION_MODE_CHOICE".to_owned(), "on".to_owned());
    let plan = Plan {
        environment: vec![choice],
        ..Plan::default()
    };
    let platform = Processes::start(&plan).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let issuer = platform.url(Site::Idp);
    for mode in ["stateful", "stateless", "hybrid", "cached"] {
        let browser = Browser::start().await;
        let places = Places {
            apps: [("app1.localhost", &app1), ("app2.localhost", &app2)],
            issuer: &issuer,
        };
        browser.goto(&app1).await;
        browser.press(mode).await;
        places.are_used(&browser, mode, true).await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
}

/// Alice is signed in to both apps, with a tab for each: app1's is shown.
async fn two_tabs(platform: &Platform, browser: &Browser) {
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    begin(browser, &app2).await;
    sign_in(browser, &platform.issuer()).await;
    is_home(browser, &app2).await;
    in_a_new_tab(browser).await;
    begin(browser, &app1).await;
    is_home(browser, &app1).await;
}

async fn the_other_apps_tab_learns_of_the_logout(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let browser = Browser::start().await;
    two_tabs(&platform, &browser).await;
    browser.press("Sign out everywhere").await;
    browser.until_text("h1", "not signed in").await;
    browser.until_at(&platform.url(Site::App1)).await;
    if mode == "hybrid" {
        let left = browser.until_text("main", "Nobody can call").await;
        assert!(left.contains("https://api-1"), "{left}");
    }
    let [first, ..] = &browser.driver().windows().await.unwrap()[..] else {
        panic!("two tabs")
    };
    let first = first.clone();
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
    use super::{in_modes, the_other_apps_tab_learns_of_the_logout};
    in_modes!([stateful hybrid cached] [the_other_apps_tab_learns_of_the_logout]);
}

/// Nobody but the browser knows of such a session: its own tabs tell each other.
#[tokio::test(flavor = "multi_thread")]
async fn in_stateless_the_apps_own_tabs_learn_of_the_logout() {
    let platform = Platform::start_in_mode("stateless").await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    begin(&browser, &app1).await;
    sign_in(&browser, &platform.issuer()).await;
    is_home(&browser, &app1).await;
    let first = browser.driver().window().await.unwrap();
    in_a_new_tab(&browser).await;
    browser.goto(&app1).await;
    is_home(&browser, &app1).await;
    browser.press("Sign out of").await;
    let left = browser.until_text("main", "Nobody can call").await;
    assert!(left.contains("https://api-1"), "{left}");
    browser.driver().switch_to_window(first).await.unwrap();
    browser
        .until_text("#session-ended", "This session has ended")
        .await;
}

/// How many streams of events were asked for at app1.
fn streams(platform: &Platform) -> usize {
    let requests = platform.tap(Site::App1).requests();
    requests.matches("GET /session/events ").count()
}

async fn in_a_new_tab(browser: &Browser) {
    let tab = browser.driver().new_tab().await.unwrap();
    browser.driver().switch_to_window(tab).await.unwrap();
}

/// Waits until a tab of this browser waits for its turn to hold the stream.
async fn until_one_waits(browser: &Browser) {
    let script = "const done = arguments[arguments.length - 1];
        const look = async () => {
            const { held, pending } = await navigator.locks.query();
            if (held.length === 1 && pending.length === 1) done(true);
            else setTimeout(look, 20);
        };
        look();";
    let driver = browser.driver();
    driver.execute_async(script, vec![]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_share_one_stream_and_the_second_takes_over() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    begin(&browser, &app1).await;
    sign_in(&browser, &platform.issuer()).await;
    is_home(&browser, &app1).await;
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
    let taken_over = async {
        while streams(&platform) < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let patience = std::time::Duration::from_secs(20);
    let in_time = tokio::time::timeout(patience, taken_over).await;
    assert!(in_time.is_ok(), "the second tab holds the stream now");

    // Ended elsewhere: this tab hears it by its own stream.
    let mut elsewhere = platform.cli();
    end_all_of_alice(&platform, &mut elsewhere).await;
    browser
        .until_text("#session-ended", "This session has ended")
        .await;
}

/// On another device, at the app's own list of sessions.
async fn end_all_of_alice(platform: &Platform, cli: &mut testkit::Cli) {
    let app1 = platform.url(Site::App1);
    tests::sign_in_to(cli, &app1, tests::ALICE).await;
    let listed = cli.fetch_get("/sessions").await.json();
    for session in listed.as_array().unwrap() {
        let path = format!("/sessions/{}", session["handle"].as_str().unwrap());
        let headers = [("x-csrf", "1"), ("accept", "application/json")];
        if session["current"] == false {
            let ended = cli
                .fetch(reqwest::Method::DELETE, &path, &headers, "")
                .await;
            assert_eq!(ended.status, 200, "{}", ended.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_signs_in_tells_the_others() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let browser = Browser::start().await;
    browser.goto(&app1).await;
    let first = browser.driver().window().await.unwrap();
    in_a_new_tab(&browser).await;
    begin(&browser, &app1).await;
    sign_in(&browser, &platform.issuer()).await;
    is_home(&browser, &app1).await;
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
    tests::sign_in_to(&mut elsewhere, &app1, tests::ALICE).await;
    let browser = Browser::start().await;
    begin(&browser, &app1).await;
    sign_in(&browser, &platform.issuer()).await;
    is_home(&browser, &app1).await;
    browser.find("#sessions li:nth-of-type(2)").await;
    browser.click("#sessions li:nth-of-type(2) button").await;
    let one_left = async {
        while browser.has("#sessions li:nth-of-type(2)").await {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    };
    let patience = std::time::Duration::from_secs(20);
    let in_time = tokio::time::timeout(patience, one_left).await;
    assert!(in_time.is_ok(), "it stays in the list");
    let there = tests::session_at(&mut elsewhere, &app1).await;
    assert_eq!(there["authenticated"], false);
    assert!(browser.text("#sessions").await.contains("this one"));
}
