//! The master that has a live session is killed: everybody is told to wait until
//! another leads, and nobody is signed out.

use std::time::{Duration, Instant};

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes, RedisCluster, RedisSentinels};
use tests::{ALICE, BOB, modes::in_mode, session_at, sign_in_to};

/// After such a silence a server is taken for dead.
const SILENCE: Duration = Duration::from_secs(2);
/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

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

    /// Asks who is signed in until the answer is `status`; each other one is a
    /// session or a request to wait, and leaves the cookies as they are.
    async fn until(&mut self, status: u16) {
        let began = Instant::now();
        loop {
            let answer = self.cli.fetch_get("/session").await;
            assert!(answer.header("set-cookie").is_none(), "{answer:?}");
            if answer.status == 200 {
                assert!(answer.body.contains("\"authenticated\":true"), "{answer:?}");
            } else {
                assert_eq!(answer.status, 503, "{answer:?}");
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
            if answer.status == status {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The session lives on with all that it does, and new ones can begin.
    async fn lives_on(mut self) {
        self.until(200).await;
        assert_eq!(
            session_at(&mut self.cli, &self.app).await["authenticated"],
            true
        );
        assert_eq!(self.cli.fetch_get("/api1/data").await.status, 200);
        sign_in_to(&mut HeadlessBrowser::new(), &self.app, BOB).await;
        self.platform.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_promote_another_master() {
    let mut set = RedisSentinels::start(SILENCE);
    let mut signed_in = SignedIn::on(set.url(), "stateful").await;
    set.until_replicated();
    set.kill_master();
    signed_in.until(503).await;
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
    signed_in.until(503).await;
    signed_in.lives_on().await;
}
