//! Both apps in each session mode: what the browser holds, and what a call costs.

use kit::config::Site;
use testkit::{Browser, Plan, Platform, Processes};
use tests::in_modes;

use crate::alice::{
    are_guarded, begin, cookie_values, held_in, is_home, presses, presses_every_button,
    scripts_find_none_of, sign_in,
};

/// What a further call costs in `mode`.
fn cost_in(mode: &str, redis: bool) -> &'static str {
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
    /// Alice, whose login at the first app has begun, goes to both, each in its mode.
    async fn are_used(&self, browser: &Browser, modes: [&str; 2], redis: bool) {
        for (number, ((host, app), mode)) in self.apps.into_iter().zip(modes).enumerate() {
            if number == 0 {
                sign_in(browser, self.issuer).await;
            }
            is_home(browser, app).await;
            let shown = browser.text("dl.facts .badge").await;
            assert_eq!(shown, mode);
            presses_every_button(browser).await;
            let cost = presses(browser, ".calls > .call:first-of-type").await;
            let expected = cost_in(mode, redis);
            assert!(cost.contains(expected), "{mode}: {cost}");
            presses(browser, "main .sheet .call:not(.sheet)").await;
            are_guarded(&browser.cookies_of(host).await, &held_in(mode));
            scripts_find_none_of(browser, &cookie_values(browser).await).await;
            if number == 0 {
                let next = self.apps[1].1;
                let choice = redis.then(|| format!("{next}/login?mode={}", modes[1]));
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
    places.are_used(&browser, [mode, mode], false).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

in_modes!([stateful stateless hybrid cached] [both_apps_are_used]);

/// With Redis, and modes that the person chooses at the apps' pages.
async fn each_pair_of_modes_can_be_chosen(pairs: [[&str; 2]; 4]) {
    let choice = ("BFF_SESSION_MODE_CHOICE".to_owned(), "on".to_owned());
    let plan = Plan {
        environment: vec![choice],
        ..Plan::default()
    };
    let platform = Processes::start(&plan).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let issuer = platform.url(Site::Idp);
    for modes in pairs {
        let browser = Browser::start().await;
        let places = Places {
            apps: [("app1.localhost", &app1), ("app2.localhost", &app2)],
            issuer: &issuer,
        };
        browser.goto(&app1).await;
        browser.press(modes[0]).await;
        places.are_used(&browser, modes, true).await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_can_be_chosen_where_the_deployment_allows_it() {
    let modes = ["stateful", "stateless", "hybrid", "cached"];
    each_pair_of_modes_can_be_chosen(modes.map(|mode| [mode, mode])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_apps_can_be_in_different_modes() {
    each_pair_of_modes_can_be_chosen([
        ["stateful", "cached"],
        ["stateless", "hybrid"],
        ["hybrid", "stateful"],
        ["cached", "stateless"],
    ])
    .await;
}
