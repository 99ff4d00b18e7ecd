//! Signing out, in each mode: what it ends, what it leaves, and that nothing
//! late brings a session back.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{ClientAuth, HeadlessBrowser, Plan, Platform, Processes};
use tests::{
    ALICE, in_modes,
    logout::{log_out_at, log_out_everywhere, try_to_log_out_at},
    modes::in_mode,
    session_at, sign_in_to,
    words::{API1, API2},
};
use tokio::time::{Instant, sleep, timeout};

/// How long access tokens live.
const ACCESS_TOKEN: Duration = Duration::from_secs(900);
/// How long an answer is held back.
const HELD: Duration = Duration::from_secs(3);
/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn status(cli: &mut HeadlessBrowser, url: &str) -> u16 {
    cli.raw(Method::GET, url, &[], "").await.status
}

async fn is_signed_in(cli: &mut HeadlessBrowser, app: &str) -> bool {
    session_at(cli, app).await["authenticated"] == true
}

/// Whether the provider still knows the browser.
async fn is_known_to_provider(cli: &mut HeadlessBrowser, app: &str) -> bool {
    let page = cli.goto(&format!("{app}/login")).await;
    let asks_who = page.asks_for("username");
    !asks_who
}

/// A browser that is signed in to both apps, with a token for API-1 at each.
async fn at_both(mut cli: HeadlessBrowser, app1: &str, app2: &str) -> HeadlessBrowser {
    sign_in_to(&mut cli, app1, ALICE).await;
    cli.goto(&format!("{app2}/login")).await;
    for app in [app1, app2] {
        let call = format!("{app}/api1/data");
        assert_eq!(status(&mut cli, &call).await, 200, "{call}");
    }
    cli
}

async fn signing_out_of_one_app_signs_out_of_all(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = at_both(platform.cli(), &app1, &app2).await;
    let said = log_out_everywhere(&mut cli, &app1).await;
    assert_eq!(said["ends"], "everywhere");
    assert!(!is_signed_in(&mut cli, &app1).await);
    assert_eq!(status(&mut cli, &format!("{app1}/api1/data")).await, 401);

    let call = format!("{app2}/api1/data");
    let answer = cli.raw(Method::GET, &call, &[], "").await;
    assert_eq!(answer.status, 401, "app2 was told: {}", answer.body);
    if matches!(mode, "hybrid" | "stateless") {
        let jar = cli.jar();
        let left: Vec<_> = jar.of("app2.localhost").map(|one| &one.name).collect();
        assert_eq!(left, ["__Host-ended"], "its cookies are cleared");
    }
    assert!(!is_signed_in(&mut cli, &app2).await);
    let other = format!("{app2}/api2/data");
    assert_eq!(status(&mut cli, &other).await, 401);
    assert!(!is_known_to_provider(&mut cli, &app1).await);
}

async fn a_revocation_reports_what_stays_valid_and_until_when(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let signed_in = platform.clock().now();
    platform.advance(Duration::from_secs(60));
    assert_eq!(status(&mut cli, &format!("{app1}/api2/data")).await, 200);
    let minted = platform.clock().now();
    let good = json!([
        {"audience": API1, "until": (signed_in + ACCESS_TOKEN).secs()},
        {"audience": API2, "until": (minted + ACCESS_TOKEN).secs()},
    ]);
    let carried = matches!(mode, "hybrid" | "stateless");
    let good = if carried { good } else { json!([]) };
    let said = log_out_everywhere(&mut cli, &app1).await;
    assert_eq!(said["still_valid"], good);
    let session = session_at(&mut cli, &app1).await;
    assert_eq!(session["still_valid"], good, "the browser remembers it");
    // 60 s of the first one's life are gone already.
    platform.advance(ACCESS_TOKEN.saturating_sub(Duration::from_secs(30)));
    let told = session_at(&mut cli, &app1).await["still_valid"].clone();
    let last: Vec<&Value> = good.as_array().unwrap().iter().skip(1).collect();
    assert_eq!(told, json!(last), "what is over is told no more");
}

/// Every refresh token that the provider gave.
fn refresh_tokens(platform: &Platform) -> Vec<String> {
    platform.tap(Site::Idp).answered_values("refresh_token")
}

async fn is_revoked(platform: &Platform, refresh_token: &str) -> bool {
    let app1 = platform.machine(ClientAuth::basic("app1", "app1-secret"));
    let answer = app1.refresh(refresh_token, &[("resource", API1)]).await;
    answer.status != 200 && answer.error() == "invalid_grant"
}

async fn scope_app_ends_this_apps_session_and_its_refresh_token_alone(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = at_both(platform.cli(), &app1, &app2).await;
    let tokens = refresh_tokens(&platform);
    let said = log_out_at(&mut cli, &app1, "app").await;
    assert_eq!(
        (&said["redirect_to"], &said["ends"]),
        (&json!("/"), &json!("app"))
    );
    assert!(is_revoked(&platform, &tokens[0]).await);
    assert!(!is_signed_in(&mut cli, &app1).await);
    assert!(is_signed_in(&mut cli, &app2).await);
    assert_eq!(status(&mut cli, &format!("{app2}/api2/data")).await, 200);
    assert!(is_known_to_provider(&mut cli, &app1).await);
    // Again, and without a session: there is nothing to do.
    log_out_at(&mut cli, &app1, "app").await;
    log_out_at(&mut cli, &app1, "app").await;
    let said = log_out_at(&mut cli, &app1, "").await;
    assert_eq!(said["redirect_to"], "/");
}

async fn signing_in_again_revokes_the_earlier_refresh_token(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let first = refresh_tokens(&platform).remove(0);
    cli.goto(&format!("{app1}/login?max_age=1000")).await;
    let revoked = async {
        while !platform.tap(Site::Idp).requests().contains("POST /revoke") {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, revoked).await.is_ok(), "never revoked");
    assert!(is_signed_in(&mut cli, &app1).await);
    assert_eq!(status(&mut cli, &format!("{app1}/api2/data")).await, 200);
    while !is_revoked(&platform, &first).await {
        sleep(Duration::from_millis(10)).await;
    }
}

in_modes!([stateful cached hybrid stateless] [
    signing_out_of_one_app_signs_out_of_all
    a_revocation_reports_what_stays_valid_and_until_when
    scope_app_ends_this_apps_session_and_its_refresh_token_alone
    signing_in_again_revokes_the_earlier_refresh_token
    with_redis_the_other_app_is_notified_at_once
    a_late_response_does_not_restore_the_session
]);

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_script_is_redirected_and_needs_its_csrf_token() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let token = cli.first_form().field("csrf_token").unwrap().to_owned();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html,*/*;q=0.8"),
    ];
    let mut post = async |uri: &str, body: String| {
        let answer = cli.fetch(Method::POST, uri, &headers, &body).await;
        let to = answer.header("location").unwrap_or_default().to_owned();
        (answer.status, to)
    };
    for (uri, body, refused) in [
        ("/logout", "scope=app".to_owned(), 403),
        ("/logout", "scope=app&csrf_token=x".to_owned(), 403),
        ("/logout", format!("scope=all&csrf_token={token}"), 400),
        ("/logout?scope=all", format!("csrf_token={token}"), 400),
    ] {
        assert_eq!(post(uri, body.clone()).await.0, refused, "{uri} {body}");
    }
    let (status, to) = post("/logout", format!("csrf_token={token}")).await;
    assert!(
        status == 303 && to.starts_with(&format!("{}/logout?", platform.issuer())),
        "{to}"
    );
    // The page was left open in another tab: its form still works.
    sign_in_again(&mut cli, &app1).await;
    let token = cli.first_form().field("csrf_token").unwrap().to_owned();
    let body = format!("scope=app&csrf_token={token}");
    let answer = cli.fetch(Method::POST, "/logout", &headers, &body).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
    for method in [Method::GET, Method::PUT] {
        let answer = cli
            .fetch(method.clone(), "/logout", &[("x-csrf", "1")], "")
            .await;
        assert_eq!(answer.status, 405, "{method}");
    }
}

/// The provider's session is still there.
async fn sign_in_again(cli: &mut HeadlessBrowser, app: &str) {
    let page = cli.goto(&format!("{app}/login")).await;
    assert_eq!(page.status(), 200, "{page}");
}

async fn with_redis_the_other_app_is_notified_at_once(mode: &str) {
    let platform = Processes::start(&in_mode(mode, Plan::default())).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = at_both(HeadlessBrowser::new(), &app1, &app2).await;
    log_out_everywhere(&mut cli, &app1).await;
    let told = Instant::now();
    assert!(!is_signed_in(&mut cli, &app2).await);
    let call = format!("{app2}/api1/data");
    if mode == "cached" {
        while status(&mut cli, &call).await != 401 {
            assert!(told.elapsed() < PATIENCE, "the session never ends");
        }
    } else {
        assert_eq!(status(&mut cli, &call).await, 401);
    }
}

/// A call has its new token minted, and its answer is held back while the same
/// browser signs out: the cookies that it brings then are of a session that is over.
async fn a_late_response_does_not_restore_the_session(mode: &str) {
    let mut plan = Plan {
        proxied_idp: true,
        ..Plan::default()
    };
    // Short, so that each use moves the session on and sets its cookies anew.
    let idle = ("BFF_SESSION_IDLE".to_owned(), "20s".to_owned());
    plan.environment.push(idle);
    let platform = Processes::start(&in_mode(mode, plan)).await;
    let app1 = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    sleep(Duration::from_millis(1100)).await;
    let proxy = platform.fault_proxy();
    proxy.forget();
    proxy.slow_down("/token", HELD);
    let mut late = cli.second_tab();
    let url = format!("{app1}/api2/data");
    let calling = async { late.try_get(&url).await.unwrap() };
    let leaving = async {
        let minted = async {
            while !proxy
                .calls("/token")
                .iter()
                .any(|call| call.status.is_some())
            {
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            timeout(PATIENCE, minted).await.is_ok(),
            "no token was asked for"
        );
        let said = log_out_at(&mut cli, &app1, "app").await;
        assert!(
            proxy.calls("/token").iter().all(|call| !call.is_delivered),
            "{said}"
        );
    };
    let (answer, ()) = tokio::join!(calling, leaving);
    let expected = if mode == "stateless" { 200 } else { 401 };
    assert_eq!(answer.status, expected, "{}", answer.body);
    assert!(!is_signed_in(&mut cli, &app1).await);
    for api in ["api1", "api2"] {
        let call = format!("{app1}/{api}/data");
        assert_eq!(status(&mut cli, &call).await, 401, "{api}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_no_session_ends_and_the_cookie_stays() {
    let plan = Plan {
        durable_redis: true,
        ..Plan::default()
    };
    let mut platform = Processes::start(&plan).await;
    let app1 = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    platform.redis_mut().stop();
    let answer = try_to_log_out_at(&mut cli, &app1, "").await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.header("retry-after").is_some() && answer.header("set-cookie").is_none());
    platform.redis_mut().restart();
    let began = Instant::now();
    while try_to_log_out_at(&mut cli, &app1, "app").await.status != 200 {
        assert!(began.elapsed() < PATIENCE, "the store is not used again");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_signed_in(&mut cli, &app1).await);
}

/// The provider is away: the session ends all the same, soon, and the answer
/// does not keep the browser waiting for what cannot be done.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_provider_blocks_no_logout() {
    let mut platform = Processes::start(&Plan::default()).await;
    let app1 = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    platform.kill("idp");
    let said = log_out_at(&mut cli, &app1, "").await;
    let to = said["redirect_to"].as_str().unwrap();
    assert!(to.starts_with(&platform.url(Site::Idp)), "{to}");
    assert!(!is_signed_in(&mut cli, &app1).await);
}
