//! What each mode asks of the store, by Redis's own count.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kit::config::Site;
use testkit::{Cli, Plan, Processes};
use tests::{ALICE, modes::in_mode, sign_in_to};

/// Calls to the APIs that are counted.
const CALLS: u64 = 1000;
/// Tabs that make them at once.
const TABS: u64 = 4;
/// The shortest time over which the idle system is watched.
const IDLE: Duration = Duration::from_secs(2);

/// All commands that Redis has carried out, but for those that ask for this.
fn commands(platform: &Processes) -> u64 {
    let stats = platform.redis().commandstats();
    stats
        .iter()
        .filter(|(name, _)| *name != "info")
        .map(|(_, calls)| calls)
        .sum()
}

/// How many commands [`CALLS`] calls of a signed-in browser cost, less what the
/// idle system sends in the same time.
async fn cost(mode: &str) -> u64 {
    let plan = Plan {
        apis_in_memory: true,
        ..Plan::default()
    };
    let platform = Processes::start(&in_mode(mode, plan)).await;
    let app = platform.url(Site::App1);
    let mut cli = Cli::new();
    sign_in_to(&mut cli, &app, ALICE).await;
    for path in ["/api1/data", "/api2/data"] {
        assert_eq!(cli.fetch_get(path).await.status, 200, "{path}");
    }

    let (began, before) = (Instant::now(), commands(&platform));
    let tabs = (0..TABS).map(|tab| {
        let url = format!("{app}/api{}/data", tab % 2 + 1);
        let mut tab = cli.second_tab();
        async move {
            for _ in 0..CALLS / TABS {
                let answer = tab.try_get(&url).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
        }
    });
    join_all(tabs).await;
    let (spent, took) = (commands(&platform) - before, began.elapsed());

    let window = took.max(IDLE);
    let before = commands(&platform);
    tokio::time::sleep(window).await;
    let idle = commands(&platform) - before;
    // Rounded up: the idle system's next command may have fallen into either window.
    let idle = (f64::from(u32::try_from(idle).unwrap()) * took.div_duration_f64(window)).ceil();
    println!("{mode}: {spent} commands in {took:?}, of which the idle system's {idle}");
    spent.saturating_sub(idle as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn stateful_reads_once_a_call() {
    let cost = cost("stateful").await;
    assert!((CALLS - 10..=CALLS + 10).contains(&cost), "{cost}");
}
