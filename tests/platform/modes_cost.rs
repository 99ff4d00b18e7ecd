//! What each mode asks of the store, by Redis's own count.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Plan, Platform, Processes, Response};
use tests::{ALICE, in_modes, modes::in_mode, sign_in_to};

/// Calls to the APIs that are counted.
const CALLS: u64 = 1000;
/// Next to nothing: a periodic job of the idle system (some 11 commands) may fall into one
/// of the two windows alone. The answers' own count is exact.
const FEW: u64 = 30;
/// Tabs that make them at once.
const TABS: u64 = 4;
/// The shortest time over which the idle system is watched.
const IDLE: Duration = Duration::from_secs(2);

/// What no call of an app sends: the watch's heartbeat, and this test's question.
const OTHERS: [&str; 2] = ["ping", "info"];

/// All other commands that Redis has carried out.
fn commands(platform: &Processes) -> u64 {
    let stats = platform.redis().commandstats();
    stats
        .iter()
        .filter(|(name, _)| !OTHERS.contains(&name.as_str()))
        .map(|(_, calls)| calls)
        .sum()
}

/// What [`CALLS`] calls of a signed-in browser cost, in commands.
struct Cost {
    /// By Redis's count, less what the idle system sends in the same time.
    counted: u64,
    /// As the answers say it.
    told: u64,
}

#[expect(clippy::print_stdout, reason = "figures for whoever looks")]
async fn cost(mode: &str) -> Cost {
    let platform = Processes::start(&in_mode(mode, Plan::default())).await;
    let app = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app, ALICE).await;
    for path in ["/api1/data", "/api2/data"] {
        assert_eq!(cli.fetch_get(path).await.status, 200, "{path}");
    }

    let (began, before) = (Instant::now(), commands(&platform));
    let tabs = (0..TABS).map(|tab| {
        let url = format!("{app}/api{}/data", tab % 2 + 1);
        let mut tab = cli.second_tab();
        async move {
            let mut told = 0;
            for _ in 0..CALLS / TABS {
                let answer = tab.try_get(&url).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.body);
                told += stated_cost(&answer);
            }
            told
        }
    });
    let told = join_all(tabs).await.into_iter().sum();
    let (spent, took) = (commands(&platform) - before, began.elapsed());

    let window = took.max(IDLE);
    let before = commands(&platform);
    tokio::time::sleep(window).await;
    let idle = commands(&platform) - before;
    // Rounded up: the idle system's next command may have fallen into either window.
    let idle = idle * u64::try_from(took.as_millis()).unwrap();
    let idle = idle.div_ceil(u64::try_from(window.as_millis()).unwrap());
    println!("{mode}: {spent} commands in {took:?}, of which the idle system's {idle}");
    Cost {
        counted: spent.saturating_sub(idle),
        told,
    }
}

/// The store commands that the answer says it cost (`Server-Timing`).
fn stated_cost(answer: &Response) -> u64 {
    let timing = answer.header("server-timing").unwrap();
    let (_, rest) = timing.split_once("store;desc=\"").unwrap();
    let (commands, _) = rest.split_once(' ').unwrap();
    commands.parse().unwrap()
}

async fn each_call_costs_one_read(mode: &str) {
    let Cost { counted, told } = cost(mode).await;
    assert_eq!(told, CALLS);
    assert!((CALLS - FEW..=CALLS + FEW).contains(&counted), "{counted}");
}

async fn a_thousand_calls_cost_few_store_commands(mode: &str) {
    let Cost { counted, told } = cost(mode).await;
    assert!(counted <= FEW && told <= FEW, "{counted}, {told}");
}

async fn calls_cost_nothing(mode: &str) {
    let Cost { counted, told } = cost(mode).await;
    assert_eq!(told, 0);
    // The idle system is not quite the same at all times.
    assert!(counted <= FEW, "{counted}");
}

/// What the answer to `path` says of the cookies that went with it, and those.
async fn cookies_told(cli: &mut HeadlessBrowser, app: &str, path: &str) -> (usize, usize) {
    let sent: Vec<_> = cli
        .jar()
        .of("app1.localhost")
        .filter(|cookie| path.starts_with(&cookie.path))
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    let url = format!("{app}{path}");
    let answer = cli.raw(Method::GET, &url, &[], "").await;
    let timing = answer.header("server-timing").unwrap().to_owned();
    let (_, verifying) = timing.split_once("verify;dur=").unwrap();
    assert!(verifying.parse::<f64>().unwrap() >= 0.0, "{timing}");
    let told = timing.strip_prefix("cookies;desc=\"").unwrap();
    let (told, _) = told.split_once(" bytes\"").unwrap();
    (told.parse().unwrap(), sent.join("; ").len())
}

async fn each_response_reports_the_size_of_its_cookies(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    for path in ["/api1/data", "/api2/data", "/session", "/sessions", "/"] {
        let (told, sent) = cookies_told(&mut cli, &app, path).await;
        assert_eq!(told, sent, "{path}");
        assert!(told > 0, "{path}");
    }
}

mod said {
    use super::{each_response_reports_the_size_of_its_cookies, in_modes};
    in_modes!([stateful hybrid cached stateless] [each_response_reports_the_size_of_its_cookies]);
}

in_modes!([stateful][each_call_costs_one_read]);
in_modes!([hybrid cached] [a_thousand_calls_cost_few_store_commands]);
in_modes!([stateless][calls_cost_nothing]);
