//! Renewal without a stampede: one rotating refresh token serves every
//! audience, and 200 calls on two replicas find their access tokens expired at
//! once. What reaches the provider is counted in front of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use kit::config::Site;
use testkit::{FaultProxy, HeadlessBrowser, Plan, Processes, ProxiedCall};
use tests::{
    ALICE, in_modes,
    modes::in_mode,
    session_at, sign_in_to,
    words::{API1, API2},
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Calls to each of the two APIs.
const CALLS: usize = 100;
/// How long an answer of the token endpoint takes.
const SLOW: Duration = Duration::from_secs(3);
/// How long the tokens live that are to expire, as the configuration has it.
const SHORT: (&str, Duration) = ("access_token = \"2s\"", Duration::from_secs(2));
/// What it replaces.
const USUAL: &str = "access_token = \"15m\"";
/// So short that it is over when the provider has started again.
const SHORT_GRACE: (&str, &str) = ("refresh_grace = \"30s\"", "refresh_grace = \"1s\"");
/// app1 and app2 keep the refresh token that they have.
const NO_ROTATION: (&str, &str) = (
    "rotate_refresh_tokens = true\nrefresh_ends_with_session",
    "rotate_refresh_tokens = false\nrefresh_ends_with_session",
);
/// The app's host, as cookies know it.
const HOST: &str = "app1.localhost";
/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two replicas, a session, and its two access tokens expired.
struct Scene {
    platform: Processes,
    cli: HeadlessBrowser,
    app: String,
}

impl Scene {
    async fn set(mode: &str) -> Self {
        Self::set_with(mode, &[]).await
    }

    /// The same with `changes` of the provider's configuration.
    async fn set_with(mode: &str, changes: &[(&'static str, &'static str)]) -> Self {
        let plan = Plan {
            replicas: 2,
            proxied_idp: true,
            idp_config: [&[(USUAL, SHORT.0)], changes].concat(),
            ..Plan::default()
        };
        let platform = Processes::start(&in_mode(mode, plan)).await;
        let app = platform.url(Site::App1);
        let mut cli = HeadlessBrowser::new();
        sign_in_to(&mut cli, &app, ALICE).await;
        for path in ["/api1/data", "/api2/data"] {
            assert_eq!(cli.fetch_get(path).await.status, 200, "{path}");
        }
        let expired = Instant::now() + SHORT.1;
        let mut scene = Self { platform, cli, app };
        // The new tokens live long enough not to expire under the test's hands.
        scene.reconfigure_idp(changes).await;
        sleep_until(expired).await;
        scene.platform.fault_proxy().forget();
        scene
    }

    async fn reconfigure_idp(&mut self, changes: &[(&str, &str)]) {
        self.platform.configure_idp(changes);
        for name in self.platform.replicas_of("idp") {
            self.platform.restart(&name).await;
        }
    }

    fn redeems(&self) -> Vec<ProxiedCall> {
        self.platform.fault_proxy().calls("/token")
    }

    /// The session lives, and its new tokens serve without another redeem.
    async fn lives_on(&mut self) {
        let count = self.redeems().len();
        assert_eq!(
            session_at(&mut self.cli, &self.app).await["authenticated"],
            true
        );
        for path in ["/api1/data", "/api2/data"] {
            assert_eq!(self.cli.fetch_get(path).await.status, 200, "{path}");
        }
        assert_eq!(self.redeems().len(), count, "what was renewed is kept");
    }

    /// As if all access tokens that the browser holds were over.
    fn forget_access_tokens(&self) {
        for cookie in self.cli.jar().of(HOST) {
            if cookie.path != "/" {
                self.cli.forget_cookie(HOST, &cookie.name);
            }
        }
    }

    /// The refresh token that the browser was left with is the newest: it
    /// renews when no older one is taken any more.
    async fn renews_once_the_grace_is_over(&mut self) {
        self.reconfigure_idp(&[SHORT_GRACE]).await;
        self.forget_access_tokens();
        for path in ["/api1/data", "/api2/data"] {
            let answer = self.cli.fetch_get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
    }
}

/// All calls at once; each is repeated while its connection breaks. All have to
/// be answered with 200.
async fn storm(cli: &HeadlessBrowser, app: &str) {
    let calls = (0..2 * CALLS).map(|n| {
        // In twos, for the balancer gives every second connection to a replica:
        // so both are asked for both.
        let url = format!("{app}/api{}/data", n / 2 % 2 + 1);
        let mut tab = cli.second_tab();
        async move {
            loop {
                if let Some(answer) = tab.try_get(&url).await {
                    break answer;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let mut refused = BTreeMap::<_, usize>::new();
    for answer in join_all(calls).await {
        if answer.status != 200 {
            *refused.entry((answer.status, answer.body)).or_default() += 1;
        }
    }
    assert!(refused.is_empty(), "of {}: {refused:#?}", 2 * CALLS);
}

/// Who waits for an answer that the provider has given already.
async fn holder(proxy: &FaultProxy) -> String {
    loop {
        let mut redeems = proxy.calls("/token").into_iter();
        let half_way = redeems.find(|call| call.status.is_some() && call.ended.is_none());
        if let Some(call) = half_way {
            break call.by;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Each successful redeem's audience, in their order.
fn successes(redeems: &[ProxiedCall]) -> Vec<&str> {
    let granted = redeems.iter().filter(|call| call.status == Some(200));
    granted.filter_map(|call| call.param("resource")).collect()
}

/// How often a refresh token was sent that had been sent before.
fn repeats(redeems: &[ProxiedCall]) -> usize {
    let sent = redeems.iter().map(|call| call.param("refresh_token"));
    redeems.len() - sent.collect::<BTreeSet<_>>().len()
}

fn never_two_at_once(redeems: &[ProxiedCall]) {
    for (n, one) in redeems.iter().enumerate() {
        let at_once = redeems[n + 1..].iter().any(|other| one.overlaps(other));
        assert!(!at_once, "{redeems:#?}");
    }
}

/// One successful redeem for each audience and, where one had to be repeated,
/// one more request with the refresh token that was sent before.
fn one_an_audience(redeems: &[ProxiedCall], repeated: usize) {
    never_two_at_once(redeems);
    assert_eq!(redeems.len(), 2 + repeated, "{redeems:#?}");
    assert_eq!(repeats(redeems), repeated, "{redeems:#?}");
    let delivered: Vec<_> = redeems
        .iter()
        .filter(|call| call.is_delivered)
        .cloned()
        .collect();
    let mut audiences = successes(&delivered);
    audiences.sort_unstable();
    assert_eq!(audiences, [API1, API2], "{redeems:#?}");
}

async fn a_slow_token_endpoint_is_called_once_per_audience(mode: &str) {
    let mut scene = Scene::set(mode).await;
    scene.platform.fault_proxy().slow_down("/token", SLOW);
    storm(&scene.cli, &scene.app).await;
    one_an_audience(&scene.redeems(), 0);
    scene.lives_on().await;
}

async fn a_500_from_the_token_endpoint_costs_one_more_request(mode: &str) {
    let mut scene = Scene::set(mode).await;
    scene.platform.fault_proxy().refuse_next("/token", 500);
    storm(&scene.cli, &scene.app).await;
    one_an_audience(&scene.redeems(), 1);
    scene.lives_on().await;
}

async fn a_response_lost_after_the_rotation_costs_one_more_request(mode: &str) {
    let mut scene = Scene::set(mode).await;
    scene.platform.fault_proxy().lose_next_answer("/token");
    storm(&scene.cli, &scene.app).await;
    one_an_audience(&scene.redeems(), 1);
    scene.lives_on().await;
}

async fn killing_the_lease_holder_costs_one_more_request(mode: &str) {
    let mut scene = Scene::set(mode).await;
    scene.platform.fault_proxy().slow_down("/token", SLOW);
    let kill = async {
        let holder = timeout(PATIENCE, holder(scene.platform.fault_proxy())).await;
        scene.platform.kill(&holder.unwrap());
    };
    tokio::join!(storm(&scene.cli, &scene.app), kill);
    one_an_audience(&scene.redeems(), 1);
    scene.lives_on().await;
}

/// Without a lease: one successful redeem for each audience at each replica,
/// and `repeated` requests more. Those of one replica for one audience share.
fn one_per_replica_and_audience(redeems: &[ProxiedCall], repeated: usize) {
    let delivered = redeems
        .iter()
        .filter(|call| call.is_delivered && call.status == Some(200));
    let mut places: Vec<_> = delivered
        .map(|call| (&call.by, call.param("resource")))
        .collect();
    let count = places.len();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), count, "{redeems:#?}");
    assert_eq!((count, redeems.len()), (4, 4 + repeated), "{redeems:#?}");
}

async fn without_a_lease(faults: impl Fn(&FaultProxy), repeated: usize) {
    let mut scene = Scene::set("stateless").await;
    faults(scene.platform.fault_proxy());
    storm(&scene.cli, &scene.app).await;
    one_per_replica_and_audience(&scene.redeems(), repeated);
    scene.lives_on().await;
    scene.renews_once_the_grace_is_over().await;
}

in_modes!([stateful hybrid cached] [
    a_slow_token_endpoint_is_called_once_per_audience
    a_500_from_the_token_endpoint_costs_one_more_request
    a_response_lost_after_the_rotation_costs_one_more_request
    killing_the_lease_holder_costs_one_more_request
]);

#[tokio::test(flavor = "multi_thread")]
async fn stateless_a_slow_token_endpoint_is_called_once_per_replica_and_audience() {
    without_a_lease(|proxy| proxy.slow_down("/token", SLOW), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stateless_a_500_from_the_token_endpoint_costs_one_more_request() {
    without_a_lease(|proxy| proxy.refuse_next("/token", 500), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stateless_a_response_lost_after_the_rotation_costs_one_more_request() {
    without_a_lease(|proxy| proxy.lose_next_answer("/token"), 1).await;
}

/// Nothing is replaced, so a token that was sent before is as good as ever: by
/// the time that the last is answered, any grace would be over.
#[tokio::test(flavor = "multi_thread")]
async fn stateless_a_client_without_rotation_needs_no_grace() {
    let mut scene = Scene::set_with("stateless", &[NO_ROTATION, SHORT_GRACE]).await;
    scene.platform.fault_proxy().slow_down("/token", SLOW);
    storm(&scene.cli, &scene.app).await;
    let redeems = scene.redeems();
    one_per_replica_and_audience(&redeems, 0);
    assert_eq!(repeats(&redeems), redeems.len() - 1, "one refresh token");
    scene.lives_on().await;
    // Nothing is left to share, neither here nor there.
    for name in scene.platform.replicas_of("app1-bff") {
        scene.platform.restart(&name).await;
    }
    scene.platform.fault_proxy().forget();
    scene.forget_access_tokens();
    for path in ["/api1/data", "/api2/data"] {
        let answer = scene.cli.fetch_get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let later = scene.redeems();
    let of_first =
        |call: &ProxiedCall| call.param("refresh_token") == redeems[0].param("refresh_token");
    assert!(later.len() == 2 && later.iter().all(of_first), "{later:#?}");
}
