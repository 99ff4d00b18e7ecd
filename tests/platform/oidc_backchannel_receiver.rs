//! OpenID Connect Back-Channel Logout 1.0, the app's side. Which claims a token
//! must have is tested beside the check; here is what a token does, and that
//! nothing is lost.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Plan, Platform, Processes, Response, WireTap, tampered};
use tests::{
    ALICE, BOB, in_modes, logout::log_out_everywhere, modes::in_mode, session_at, sign_in_to,
};
use tokio::time::{sleep, timeout};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer is held back.
const HELD: Duration = Duration::from_secs(3);
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The logout tokens that came to an app, the latest last.
fn logout_tokens(tap: &WireTap) -> Vec<String> {
    let requests = tap.requests();
    let tokens = requests.split("logout_token=").skip(1);
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    tokens
        .filter_map(|rest| rest.split(ends).next())
        .map(ToOwned::to_owned)
        .collect()
}

async fn send(app: &str, token: &str) -> Response {
    let body = format!("logout_token={token}");
    let url = format!("{app}/backchannel-logout");
    let answer = HeadlessBrowser::new()
        .raw(Method::POST, &url, &[FORM], &body)
        .await;
    // §2.8.
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("set-cookie").is_none());
    answer
}

async fn is_signed_in(cli: &mut HeadlessBrowser, app: &str) -> bool {
    session_at(cli, app).await["authenticated"] == true
}

/// Ends the browser's session with the provider, from the provider's own page.
async fn sign_out_at(cli: &mut HeadlessBrowser, provider: &str) {
    cli.goto(&format!("{provider}/logout")).await;
    let page = cli.submit_first_form(&[]).await;
    assert!(
        page.status() == 200 && page.text().contains("signed out"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_backchannel_2_6_7_a_token_works_once_and_for_its_own_app() {
    let platform = Platform::start().await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    log_out_everywhere(&mut cli, &app1).await;
    let token = logout_tokens(platform.tap(Site::App1)).pop().unwrap();
    for (app, token, why) in [
        (&app1, token.clone(), "jti"),
        (&app2, token.clone(), "aud"),
        (&app1, tampered::signature(&token), "signature"),
        (&app1, tampered::unsigned(&token), "alg"),
        (
            &app1,
            tampered::hs256(&token, b"a key that all know, for a MAC"),
            "alg",
        ),
        (
            &app1,
            tampered::claims(&token, |claims| claims["jti"] = "another".into()),
            "signature",
        ),
    ] {
        let answer = send(app, &token).await;
        assert_eq!(answer.status, 400, "{why}");
        let body = answer.json().unwrap();
        assert_eq!(body["error"], "invalid_request");
        let said = body["error_description"].as_str().unwrap();
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_backchannel_2_4_other_tokens_of_the_provider_are_not_logout_tokens() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    for name in ["id_token", "access_token"] {
        let token = platform.tap(Site::Idp).answered_values(name).remove(0);
        assert_eq!(send(&app1, &token).await.status, 400, "{name}");
    }
    assert!(is_signed_in(&mut cli, &app1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_backchannel_2_5_it_is_a_post_of_a_form() {
    let platform = Platform::start().await;
    let url = format!("{}/backchannel-logout", platform.url(Site::App1));
    let mut cli = platform.cli();
    for (headers, body) in [
        (vec![FORM], ""),
        (vec![FORM], "token=x"),
        (vec![FORM], "logout_token=a&logout_token=b"),
        (
            vec![("content-type", "application/json")],
            "{\"logout_token\":\"x\"}",
        ),
    ] {
        let answer = cli.raw(Method::POST, &url, &headers, body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let answer = cli
        .raw(Method::POST, &url, &[FORM], &"x".repeat(100_000))
        .await;
    assert_eq!(answer.status, 413);
    for method in [Method::GET, Method::PUT] {
        let answer = cli.raw(method.clone(), &url, &[], "").await;
        assert_eq!(answer.status, 405, "{method}");
    }
}

async fn a_logout_token_with_sid_ends_only_the_sessions_of_that_login(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let app1 = platform.url(Site::App1);
    let mut browsers = [platform.cli(), platform.cli(), platform.cli()];
    for (cli, person) in browsers.iter_mut().zip([ALICE, ALICE, BOB]) {
        sign_in_to(cli, &app1, person).await;
    }
    let [first, others @ ..] = &mut browsers;
    sign_out_at(first, &platform.issuer()).await;
    assert!(!is_signed_in(first, &app1).await);
    for cli in others {
        assert!(is_signed_in(cli, &app1).await);
    }
}

/// The app is told while one of its own answers from the provider is still
/// under way: a login that is finished after it makes no session.
async fn a_logout_token_during_a_login_prevents_the_session(mode: &str) {
    let plan = Plan {
        proxied_idp: true,
        ..Plan::default()
    };
    let platform = Processes::start(&in_mode(mode, plan)).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let provider = platform.url(Site::Idp);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let proxy = platform.fault_proxy();
    proxy.forget();
    proxy.slow_down("/token", HELD);
    let mut late = cli.second_tab();
    let login = format!("{app2}/login");
    let arriving = async {
        late.goto(&login).await;
    };
    let leaving = async {
        let redeemed = async {
            while !proxy
                .calls("/token")
                .iter()
                .any(|call| call.status.is_some())
            {
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, redeemed).await.is_ok(), "no code came");
        sign_out_at(&mut cli, &provider).await;
        assert!(proxy.calls("/token").iter().all(|call| !call.is_delivered));
        assert_eq!(logout_tokens(platform.tap(Site::App2)).len(), 1);
    };
    tokio::join!(arriving, leaving);
    assert!(late.page().status() >= 400, "{}", late.page());
    assert!(!is_signed_in(&mut cli, &app2).await);
    assert!(!is_signed_in(&mut cli, &app1).await);
}

/// The app is down while the session ends elsewhere.
async fn an_app_that_was_down_is_notified_when_it_is_back(mode: &str) {
    let mut platform = Processes::start(&in_mode(mode, Plan::default())).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    cli.goto(&format!("{app2}/login")).await;
    assert!(is_signed_in(&mut cli, &app2).await);
    platform.kill("app2-bff");
    log_out_everywhere(&mut cli, &app1).await;
    platform.restart("app2-bff").await;
    signed_out_in_time(&mut cli, &app2).await;
}

/// Waits until the session at `app` has ended.
async fn signed_out_in_time(cli: &mut HeadlessBrowser, app: &str) {
    let ended = async {
        while is_signed_in(cli, app).await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = timeout(PATIENCE, ended).await;
    assert!(in_time.is_ok(), "the session at {app} never ends");
}

in_modes!([stateful cached hybrid] [
    a_logout_token_with_sid_ends_only_the_sessions_of_that_login
    a_logout_token_during_a_login_prevents_the_session
    an_app_that_was_down_is_notified_when_it_is_back
]);

/// Redis has dropped the provider's record by then; the apps' own would live on
/// for hours.
#[tokio::test(flavor = "multi_thread")]
async fn with_redis_the_apps_sessions_end_when_the_providers_expires() {
    let plan = Plan {
        idp_config: vec![("idp_session = \"7d\"", "idp_session = \"8s\"")],
        ..Plan::default()
    };
    let platform = Processes::start(&plan).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let began = session_at(&mut cli, &app1).await;
    assert_eq!(began["authenticated"], true);
    cli.goto(&format!("{app2}/login")).await;
    for app in [&app1, &app2] {
        signed_out_in_time(&mut cli, app).await;
    }
}

/// The provider keeps its own data here, so that only the app is without a store.
#[tokio::test(flavor = "multi_thread")]
async fn oidc_backchannel_2_8_without_the_store_the_answer_is_503_and_the_notice_is_repeated() {
    let plan = Plan {
        durable_redis: true,
        in_memory: vec![Site::Idp, Site::Api1, Site::Api2],
        ..Plan::default()
    };
    let mut platform = Processes::start(&plan).await;
    let app1 = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    platform.redis_mut().stop();
    sign_out_at(&mut cli, &platform.url(Site::Idp)).await;
    let token = logout_tokens(platform.tap(Site::App1)).pop().unwrap();
    assert_eq!(send(&app1, &token).await.status, 503);
    platform.redis_mut().restart();
    let ended = async {
        while cli
            .try_get(&format!("{app1}/api1/data"))
            .await
            .is_none_or(|call| call.status != 401)
        {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(
        timeout(PATIENCE, ended).await.is_ok(),
        "the session never ends"
    );
    // The token did not count as used when its work could not be done.
    let again = send(&app1, &token).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(send(&app1, &token).await.status, 400);
}
