//! How soon a session that was ended at one replica is over at the other.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use kit::config::Site;
use reqwest::Method;
use serde_json::json;
use testkit::{HeadlessBrowser, Plan, Processes};
use tests::{ALICE, in_modes, modes::in_mode, sign_in_to};

/// Sessions that are ended, one after the other.
const REVOCATIONS: usize = 200;
/// What ends them all in time even in a debug build on a busy machine. How fast
/// it is, the figures tell.
const SOON: Duration = Duration::from_secs(2);
/// How long to wait for an end that does not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one that was ended may be served while the watch is half-open: the
/// store's bound, and as much again for a busy machine.
const HALF_OPEN: Duration = Duration::from_secs(2);

/// Two replicas of an app, and a browser that is signed in at the provider.
struct Scene {
    platform: Processes,
    app: String,
    replicas: [String; 2],
    cli: HeadlessBrowser,
}

impl Scene {
    async fn set(mode: &str, plan: Plan) -> Self {
        let plan = Plan {
            replicas: 2,
            ..plan
        };
        let platform = Processes::start(&in_mode(mode, plan)).await;
        let app = platform.url(Site::App1);
        let replicas = [1, 2].map(|number| platform.replica_url(Site::App1, number));
        let mut cli = HeadlessBrowser::new();
        sign_in_to(&mut cli, &app, ALICE).await;
        Self {
            platform,
            app,
            replicas,
            cli,
        }
    }

    /// A new session, which both replicas have served.
    async fn warm_session(&mut self) {
        let page = self.cli.goto(&format!("{}/login", self.app)).await;
        assert_eq!(page.status(), 200, "{page}");
        for replica in 0..2 {
            assert_eq!(self.status_at(replica).await, 200, "replica {replica}");
        }
    }

    async fn status_at(&mut self, replica: usize) -> u16 {
        let url = format!("{}/api1/data", self.replicas[replica]);
        self.cli.raw(Method::GET, &url, &[], "").await.status
    }

    /// The session's cookies, for one who keeps them after its end.
    fn cookies(&self) -> String {
        let jar = self.cli.jar();
        let pairs = jar.of("app1.localhost");
        let pairs: Vec<_> = pairs
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        pairs.join("; ")
    }

    /// Ends the session at `replica`, and calls the other with its cookies until
    /// that refuses them; how long after the session had ended.
    async fn end_at(&mut self, replica: usize) -> Duration {
        let cookies = self.cookies();
        let mut keeper = HeadlessBrowser::new();
        let url = format!("{}/logout?scope=app", self.replicas[replica]);
        let headers = [("x-csrf", "1"), ("accept", "application/json")];
        let answer = self.cli.raw(Method::POST, &url, &headers, "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let ended = Instant::now();
        let url = format!("{}/api1/data", self.replicas[1 - replica]);
        loop {
            let cookies = [("cookie", cookies.as_str())];
            let call = keeper.raw(Method::GET, &url, &cookies, "").await;
            let (status, waited) = (call.status, ended.elapsed());
            if status == 401 {
                return waited;
            }
            assert_eq!(status, 200);
            assert!(waited < PATIENCE, "the session never ends");
        }
    }
}

/// The value below which `percent` of `sorted` are.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100) - 1;
    sorted[place].as_secs_f64() * 1000.0
}

/// Ends [`REVOCATIONS`] sessions, and tells how soon the other replica knew.
#[expect(clippy::print_stdout, reason = "figures for whoever looks")]
async fn a_session_ends_at_both_replicas(mode: &str) {
    let mut scene = Scene::set(mode, Plan::default()).await;
    let mut all = Vec::new();
    for number in 0..REVOCATIONS {
        scene.warm_session().await;
        all.push(scene.end_at(number % 2).await);
    }
    all.sort_unstable();
    assert!(all[REVOCATIONS - 1] < SOON, "{all:?}");
    let figures = json!({
        "mode": mode,
        "revocations": REVOCATIONS,
        "p50_ms": percentile(&all, 50),
        "p99_ms": percentile(&all, 99),
    });
    println!("{figures}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("revocation-{mode}.json"));
    fs::write(file, format!("{figures}\n")).unwrap();
}

/// The watch's connections stay open and carry nothing any more.
async fn a_half_open_watch_is_noticed_within_its_bound(mode: &str) {
    let plan = Plan {
        tapped_redis: true,
        ..Plan::default()
    };
    let mut scene = Scene::set(mode, plan).await;
    scene.warm_session().await;
    let redis = scene.platform.redis_tap();
    assert!(redis.requests().contains("TRACKING"), "nobody watches");
    redis.silence("TRACKING");
    let served = scene.end_at(0).await;
    assert!(served < HALF_OPEN, "served for {served:?}");
    // From now on the store is asked, by both.
    for replica in 0..2 {
        scene.warm_session().await;
        let served = scene.end_at(replica).await;
        assert!(served < HALF_OPEN, "served for {served:?}");
    }
    scene.platform.redis_tap().unsilence();
    scene.warm_session().await;
}

in_modes!([stateful hybrid][a_session_ends_at_both_replicas]);
in_modes!([cached] [
    a_session_ends_at_both_replicas
    a_half_open_watch_is_noticed_within_its_bound
]);
