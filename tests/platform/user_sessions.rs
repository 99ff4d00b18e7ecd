//! `GET /sessions` and `DELETE /sessions/{handle}`: a user's own sessions with
//! an app, on all devices.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use serde_json::Value;
use testkit::{ClientAuth, HeadlessBrowser, Platform, Response};
use tests::{ALICE, BOB, in_modes, session_at, sign_in, sign_in_to, words::API1};

const IDLE: Duration = Duration::from_secs(8 * 3600);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const ACCESS_TOKEN: Duration = Duration::from_secs(900);

/// Two browsers of alice and one of bob, signed in to app1 one after the other.
struct Scene {
    platform: Platform,
    app: String,
    first: HeadlessBrowser,
    second: HeadlessBrowser,
    bobs: HeadlessBrowser,
}

impl Scene {
    async fn set(mode: &str) -> Self {
        let platform = Platform::start_in_mode(mode).await;
        let app = platform.url(Site::App1);
        let [mut first, mut second, mut bobs] = [platform.cli(), platform.cli(), platform.cli()];
        for (cli, person) in [(&mut first, ALICE), (&mut second, ALICE), (&mut bobs, BOB)] {
            sign_in_to(cli, &app, person).await;
            platform.advance(Duration::from_secs(1));
        }
        Self {
            platform,
            app,
            first,
            second,
            bobs,
        }
    }

    fn refresh_tokens(&self) -> Vec<String> {
        self.platform
            .tap(Site::Idp)
            .answered_values("refresh_token")
    }

    async fn is_revoked(&self, refresh_token: &str) -> bool {
        let app1 = self
            .platform
            .machine(ClientAuth::basic("app1", "app1-secret"));
        let answer = app1.refresh(refresh_token, &[("resource", API1)]).await;
        answer.status != 200 && answer.error() == "invalid_grant"
    }
}

async fn listed(cli: &mut HeadlessBrowser) -> Vec<Value> {
    let answer = cli.fetch_get("/sessions").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json().unwrap().as_array().unwrap().clone()
}

async fn end(cli: &mut HeadlessBrowser, handle: &str) -> Response {
    let path = format!("/sessions/{handle}");
    cli.fetch(Method::DELETE, &path, &[("x-csrf", "1")], "")
        .await
}

fn handle(session: &Value) -> String {
    session["handle"].as_str().unwrap().to_owned()
}

async fn is_signed_in(cli: &mut HeadlessBrowser, app: &str) -> bool {
    session_at(cli, app).await["authenticated"] == true
}

async fn the_list_has_only_the_users_sessions_the_current_one_first(mode: &str) {
    let mut scene = Scene::set(mode).await;
    let Scene {
        platform,
        app,
        first,
        second,
        ..
    } = &mut scene;
    let mut third = platform.cli();
    sign_in_to(&mut third, app, ALICE).await;
    let all = listed(second).await;
    assert_eq!(all.len(), 3, "{all:?}");
    let now = platform.clock().now().secs();
    let created: Vec<_> = all
        .iter()
        .map(|one| now - one["created_at"].as_i64().unwrap())
        .collect();
    assert_eq!(created, [2, 0, 3]);
    let current: Vec<_> = all.iter().map(|one| one["current"] == true).collect();
    assert_eq!(current, [true, false, false]);
    for one in &all {
        assert_eq!(one["mode"], mode);
        assert_eq!(one["device"], "An unknown browser", "{one}");
        assert_eq!(one["last_used_at"], one["created_at"]);
    }
    assert_eq!(
        all[0]["expires_at"].as_i64(),
        Some(now - 2 + IDLE.as_secs().cast_signed())
    );
    assert!(is_signed_in(first, app).await);
    assert_eq!(listed(&mut scene.bobs).await.len(), 1);
}

async fn a_device_is_shown_by_browser_and_operating_system(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli().not_following(&format!("{app}/callback"));
    cli.goto(&format!("{app}/login")).await;
    sign_in(&mut cli, ALICE).await;
    let callback = cli.page().location().unwrap();
    let firefox = [("user-agent", FIREFOX)];
    let arrived = cli.raw(Method::GET, callback.as_str(), &firefox, "").await;
    assert_eq!(arrived.status, 303, "{}", arrived.body);
    let url = format!("{app}/sessions");
    let all = cli
        .raw(Method::GET, &url, &firefox, "")
        .await
        .json()
        .unwrap();
    assert_eq!(all[0]["device"], "Firefox on Linux", "{all}");
}

async fn a_session_on_another_device_is_ended_with_its_refresh_token(mode: &str) {
    let mut scene = Scene::set(mode).await;
    let tokens = scene.refresh_tokens();
    let other = handle(&listed(&mut scene.first).await[1]);
    let answer = end(&mut scene.first, &other).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json().unwrap()["current"], false);
    assert!(scene.is_revoked(&tokens[1]).await);
    assert_eq!(listed(&mut scene.first).await.len(), 1);
    assert_eq!(
        end(&mut scene.first, &other).await.status,
        404,
        "there is none any more"
    );
    // Nobody here knows which browser carries a stateless one: its token ends.
    let expected = if mode == "stateless" { 200 } else { 401 };
    assert_eq!(scene.second.fetch_get("/api1/data").await.status, expected);
    assert_eq!(scene.second.fetch_get("/api2/data").await.status, 401);
    scene.platform.advance(ACCESS_TOKEN);
    assert_eq!(scene.second.fetch_get("/api1/data").await.status, 401);
    assert_eq!(scene.first.fetch_get("/api1/data").await.status, 200);
    assert!(!is_signed_in(&mut scene.second, &scene.app).await);
}

async fn ending_the_current_session_clears_its_cookie(mode: &str) {
    let mut scene = Scene::set(mode).await;
    let tokens = scene.refresh_tokens();
    let own = handle(&listed(&mut scene.first).await[0]);
    let answer = end(&mut scene.first, &own).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json().unwrap();
    assert_eq!(body["current"], true);
    let carried = matches!(mode, "hybrid" | "stateless");
    assert_eq!(
        body["still_valid"].as_array().map(Vec::len),
        Some(usize::from(carried))
    );
    assert!(scene.is_revoked(&tokens[0]).await);
    let jar = scene.first.jar();
    let left: Vec<_> = jar
        .of("app1.localhost")
        .map(|cookie| cookie.name.as_str())
        .collect();
    let expected: &[&str] = if carried { &["__Host-ended"] } else { &[] };
    assert_eq!(left, expected);
    assert_eq!(scene.first.fetch_get("/sessions").await.status, 401);
    assert_eq!(listed(&mut scene.second).await.len(), 1);
}

async fn another_users_session_is_404_and_ending_needs_a_session_and_the_csrf_header(mode: &str) {
    let mut scene = Scene::set(mode).await;
    let alices = listed(&mut scene.first).await;
    for handle in [
        handle(&alices[0]),
        handle(&alices[1]),
        "x".repeat(43),
        "..%2F".to_owned(),
    ] {
        assert_eq!(end(&mut scene.bobs, &handle).await.status, 404, "{handle}");
    }
    let path = format!("/sessions/{}", handle(&alices[1]));
    let without_proof = scene.first.fetch(Method::DELETE, &path, &[], "").await;
    assert_eq!(without_proof.status, 403);
    let mut stranger = scene.platform.cli();
    let url = format!("{}{path}", scene.app);
    let answer = stranger
        .raw(Method::DELETE, &url, &[("x-csrf", "1")], "")
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(listed(&mut scene.first).await.len(), 2);
}

async fn the_last_use_is_as_exact_as_the_sliding_step(mode: &str) {
    let mut scene = Scene::set(mode).await;
    let used = async |scene: &mut Scene| {
        let url = format!("{}/session", scene.app);
        scene.second.raw(Method::GET, &url, &[], "").await;
        let all = listed(&mut scene.first).await;
        all[1]["last_used_at"].as_i64().unwrap()
    };
    let before = used(&mut scene).await;
    scene.platform.advance(IDLE / 40);
    assert_eq!(used(&mut scene).await, before, "too soon to write");
    scene.platform.advance(IDLE / 40);
    assert_eq!(used(&mut scene).await, scene.platform.clock().now().secs());
}

/// The provider knows of a stateless session only what reaches it.
#[tokio::test(flavor = "multi_thread")]
async fn last_use_with_the_provider_is_the_last_renewal() {
    let mut scene = Scene::set("stateless").await;
    scene.platform.advance(ACCESS_TOKEN);
    assert_eq!(scene.second.fetch_get("/api1/data").await.status, 200);
    let all = listed(&mut scene.first).await;
    assert_eq!(all[1]["last_used_at"], scene.platform.clock().now().secs());
    assert_eq!(all[1]["expires_at"], Value::Null);
}

in_modes!([stateful cached hybrid stateless] [
    the_list_has_only_the_users_sessions_the_current_one_first
    a_device_is_shown_by_browser_and_operating_system
    a_session_on_another_device_is_ended_with_its_refresh_token
    ending_the_current_session_clears_its_cookie
    another_users_session_is_404_and_ending_needs_a_session_and_the_csrf_header
]);

mod in_the_store {
    use super::the_last_use_is_as_exact_as_the_sliding_step;

    tests::in_modes!([stateful cached hybrid] [the_last_use_is_as_exact_as_the_sliding_step]);
}
