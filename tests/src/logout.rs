//! Signing out of an app, as its page's script does it.

use std::time::{Duration, Instant};

use kit::config::Site;
use reqwest::Method;
use serde_json::Value;
use testkit::{HeadlessBrowser, Platform, Response};

/// Signs out at `app`: `scope` is `app`, or empty for everywhere. Where the
/// browser is to go then is left to the test.
pub async fn log_out_at(cli: &mut HeadlessBrowser, app: &str, scope: &str) -> Value {
    let answer = try_to_log_out_at(cli, app, scope).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().unwrap()
}

/// The same, whatever the answer is.
pub async fn try_to_log_out_at(cli: &mut HeadlessBrowser, app: &str, scope: &str) -> Response {
    let url = format!("{app}/logout?scope={scope}");
    let headers = [("x-csrf", "1"), ("accept", "application/json")];
    cli.raw(Method::POST, &url, &headers, "").await
}

/// Signs out at `app` and goes where it says, until the browser is home again.
pub async fn log_out_everywhere(cli: &mut HeadlessBrowser, app: &str) -> Value {
    let said = log_out_at(cli, app, "").await;
    let to = said["redirect_to"].as_str().unwrap_or_default().to_owned();
    let page = cli.goto(&to).await;
    let home = format!("{app}/");
    assert_eq!(
        (page.status(), page.url().as_str()),
        (200, home.as_str()),
        "{page}"
    );
    said
}

/// Waits until the app answers 401 to a call to `url`: its notice of a logout elsewhere may
/// come after the logout's answer.
pub async fn until_signed_out(cli: &mut HeadlessBrowser, url: &str) {
    let began = Instant::now();
    loop {
        let answer = cli.raw(Method::GET, url, &[], "").await;
        if answer.status == 401 {
            return;
        }
        let is_late = began.elapsed() > Duration::from_secs(60);
        assert!(!is_late, "{}: {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Signs a browser of app1 out everywhere, at app2, and waits until app1 refuses calls to
/// each of `paths`: those of the browser, and those of somebody with its former cookies.
pub async fn calls_end_with_the_login(
    platform: &Platform,
    cli: &mut HeadlessBrowser,
    paths: &[&str],
) {
    let (app, other) = (platform.url(Site::App1), platform.url(Site::App2));
    let before = cli.jar();
    cli.goto(&format!("{other}/login")).await;
    log_out_everywhere(cli, &other).await;
    for cookie in before.of("app1.localhost") {
        cli.set_cookie("app1.localhost", &cookie.name, &cookie.value);
    }
    for path in paths {
        until_signed_out(cli, &format!("{app}{path}")).await;
    }
}
