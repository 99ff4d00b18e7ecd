//! The store does not answer: everyone is told to wait, and nobody is signed out.

use std::time::{Duration, Instant};

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes};
use tests::{ALICE, in_modes, modes::in_mode, session_at, sign_in_to};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn signed_in(mode: &str) -> (Processes, HeadlessBrowser, String) {
    let platform = Processes::start(&in_mode(mode, Plan::default())).await;
    let app1 = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    for path in ["/api1/data", "/api2/data"] {
        assert_eq!(cli.fetch_get(path).await.status, 200, "{path}");
    }
    (platform, cli, app1)
}

/// Asks until the answer is 503: a session may be served for a moment by a
/// process that has not noticed yet. The cookies stay as they are.
async fn told_to_wait(cli: &mut HeadlessBrowser, path: &str) {
    let began = Instant::now();
    loop {
        let answer = cli.fetch_get(path).await;
        assert!(answer.header("set-cookie").is_none(), "{path}");
        if answer.status == 503 {
            assert!(answer.header("retry-after").is_some(), "{path}");
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{path}: {}", answer.body);
    }
}

async fn lives_on(cli: &mut HeadlessBrowser, app: &str) {
    let session = session_at(cli, app).await;
    assert_eq!(session["authenticated"], true, "nobody was signed out");
    assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
}

async fn a_paused_redis_is_503_and_sessions_continue_afterwards(mode: &str) {
    let (platform, mut cli, app1) = signed_in(mode).await;
    platform.redis().pause();
    for path in ["/api1/data", "/api2/data", "/session"] {
        told_to_wait(&mut cli, path).await;
    }
    let page = cli.goto(&format!("{app1}/login?prompt=login")).await;
    assert_eq!(page.status(), 503, "{page}");
    assert!(
        page.header("retry-after").is_some() && page.text().len() > 20,
        "{page}"
    );
    // An outage is not the service's own state: it stays ready.
    assert_eq!(cli.goto(&format!("{app1}/readyz")).await.status(), 200);
    platform.redis().resume();
    lives_on(&mut cli, &app1).await;
}

async fn calls_succeed_while_redis_is_paused(mode: &str) {
    let (platform, mut cli, app1) = signed_in(mode).await;
    platform.redis().pause();
    for path in ["/api1/data", "/api2/data"] {
        assert_eq!(cli.fetch_get(path).await.status, 200, "{path}");
    }
    // What a mode keeps in the store, it cannot tell now.
    if mode == "hybrid" {
        told_to_wait(&mut cli, "/session").await;
    } else {
        lives_on(&mut cli, &app1).await;
    }
    platform.redis().resume();
    lives_on(&mut cli, &app1).await;
}

in_modes!([stateful cached] [a_paused_redis_is_503_and_sessions_continue_afterwards]);
in_modes!([hybrid stateless] [calls_succeed_while_redis_is_paused]);
