//! The store does not answer: everyone is told to wait, and nobody is signed out.

use kit::config::Site;
use testkit::{Cli, Plan, Processes};
use tests::{ALICE, session_at, sign_in_to};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_redis_is_503_with_retry_after_and_the_session_is_there_again_afterwards() {
    let platform = Processes::start(&Plan::default()).await;
    let app1 = platform.url(Site::App1);
    let mut cli = Cli::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    assert_eq!(cli.fetch_get("/api1/data").await.status, 200);

    platform.redis().pause();
    for path in ["/api1/data", "/api2/data", "/session"] {
        let answer = cli.fetch_get(path).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        assert!(answer.header("retry-after").is_some(), "{path}");
        assert!(
            answer.header("set-cookie").is_none(),
            "{path}: the cookie stays"
        );
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
    let session = session_at(&mut cli, &app1).await;
    assert_eq!(session["authenticated"], true, "nobody was signed out");
    assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
}
