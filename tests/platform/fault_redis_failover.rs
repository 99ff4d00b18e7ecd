//! The master that has a live session is killed: everybody is told to wait until
//! another leads, and nobody is signed out.

use std::time::{Duration, Instant};

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes, RedisCluster, RedisSentinels};
use tests::{ALICE, BOB, modes::in_mode, sign_in, sign_in_to};

/// After such a silence a server is taken for dead.
const SILENCE: Duration = Duration::from_secs(2);
/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Who is signed in.
const SESSION: &str = "/session";

struct SignedIn {
    platform: Processes,
    cli: HeadlessBrowser,
    app: String,
}

impl SignedIn {
    async fn on(redis_url: String, mode: &str) -> Self {
        let plan = Plan {
            redis_url: Some(redis_url),
            ..Plan::default()
        };
        let platform = Processes::start(&in_mode(mode, plan)).await;
        let app = platform.url(Site::App1);
        let mut cli = HeadlessBrowser::new();
        sign_in_to(&mut cli, &app, ALICE).await;
        assert_eq!(cli.fetch_get("/session").await.status, 200);
        Self { platform, cli, app }
    }

    /// Asks for `path` until the answer is `status`; each other one is the content or a
    /// request to wait, and leaves the cookies as they are.
    async fn until(&mut self, path: &str, status: u16) {
        let began = Instant::now();
        loop {
            let answer = self.cli.fetch_get(path).await;
            assert!(answer.header("set-cookie").is_none(), "{answer:?}");
            if answer.status != 200 {
                assert_eq!(answer.status, 503, "{answer:?}");
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            } else if path == SESSION {
                assert!(answer.body.contains("\"authenticated\":true"), "{answer:?}");
            }
            if answer.status == status {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{answer:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The session lives on with all that it does, and new ones can begin.
    async fn lives_on(mut self) {
        for path in [SESSION, "/api1/data"] {
            self.until(path, 200).await;
        }
        self.until_others_can_sign_in().await;
        self.platform.stop();
    }

    /// Each service finds out by itself which server leads, the provider perhaps later than
    /// the app. Until then it asks for patience.
    async fn until_others_can_sign_in(&self) {
        let began = Instant::now();
        loop {
            let mut cli = HeadlessBrowser::new();
            cli.goto(&format!("{}/login", self.app)).await;
            if cli.page().asks_for("password") {
                sign_in(&mut cli, BOB).await;
            }
            let page = cli.page();
            if page.status() == 200 && page.url().as_str().starts_with(&self.app) {
                return;
            }
            assert_eq!(page.status(), 503, "{page}");
            assert!(began.elapsed() < PATIENCE, "{page}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_promote_another_master() {
    let mut set = RedisSentinels::start(SILENCE);
    let mut signed_in = SignedIn::on(set.url(), "stateful").await;
    set.until_replicated();
    set.kill_master();
    signed_in.until(SESSION, 503).await;
    signed_in.lives_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_replica_is_promoted() {
    let mut cluster = RedisCluster::start(SILENCE);
    let mut signed_in = SignedIn::on(cluster.url(), "cached").await;
    cluster.until_replicated();
    let has_session = cluster.servers().iter().position(|server| {
        server.ask("ROLE").contains("master")
            && server
                .ask("KEYS sso-lab:bff:app1:session:*")
                .contains("session:")
    });
    cluster.kill(has_session.unwrap());
    signed_in.until(SESSION, 503).await;
    signed_in.lives_on().await;
}
