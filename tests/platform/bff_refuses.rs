//! What a BFF does not do: for strangers' pages, without a session, to other places.

use kit::config::Site;
use reqwest::Method;
use serde_json::json;
use testkit::Platform;
use tests::{ALICE, sign_in_to};

#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_401_with_a_problem_and_no_redirect_rfc9457() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    for path in ["/api1/data", "/api1/report", "/api2/data"] {
        let answer = cli
            .raw(Method::GET, &format!("{app1}{path}"), &[], "")
            .await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json().unwrap()["status"], 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsafe_methods_need_the_csrf_header() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    let order = json!({ "item": "chess-set", "quantity": 1 }).to_string();
    let json = ("content-type", "application/json");
    for path in ["/api1/data", "/api2/data"] {
        let without = cli.fetch(Method::POST, path, &[json], &order).await;
        assert_eq!(without.status, 403, "{path}: {}", without.body);
        // A refusal passes through the frame as every answer does.
        assert!(without.header("trace-id").is_some(), "{path}");
        assert_eq!(without.header("x-content-type-options"), Some("nosniff"));
        let with = cli
            .fetch(Method::POST, path, &[json, ("x-csrf", "1")], &order)
            .await;
        assert_eq!(with.status, 201, "{path}: {}", with.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_counted() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    let refused = cli
        .raw(Method::POST, &format!("{app1}/api1/data"), &[], "")
        .await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let metrics = cli
        .raw(Method::GET, &format!("{app1}/metrics"), &[], "")
        .await;
    let counted = |line: &str| line.contains("/api1/data") && line.contains("403");
    assert!(metrics.body.lines().any(counted), "{}", metrics.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_from_another_site_or_a_sibling_is_403() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    sign_in_to(&mut cli, &app1, ALICE).await;
    let url = format!("{app1}/api1/data");
    let strangers = [
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
        vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
        vec![("origin", "http://evil.localhost:8087")],
        vec![("origin", "null")],
        vec![
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ],
    ];
    for headers in strangers {
        let answer = cli.raw(Method::GET, &url, &headers, "").await;
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.body);
        assert!(answer.header("trace-id").is_some(), "{headers:?}");
    }
    let navigation = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    for page in ["/", "/docs"] {
        let answer = cli
            .raw(Method::GET, &format!("{app1}{page}"), &navigation, "")
            .await;
        assert_eq!(answer.status, 200, "{page}: a page may be linked to");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn return_to_is_a_local_path_and_nothing_else() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    let wrong = [
        "https://evil.example/",
        "//evil.example",
        "",
        "/\\evil.example",
        "\\/evil.example",
        "docs",
        "javascript:alert(1)",
        "/%0d%0aSet-Cookie:x=1",
        "/\t/evil.example",
    ];
    for to in wrong {
        let mut url = url::Url::parse(&format!("{app1}/login")).unwrap();
        url.query_pairs_mut().append_pair("return_to", to);
        if to.starts_with("/%0d") {
            url.set_query(Some("return_to=/%0d%0aSet-Cookie:x=1"));
        }
        let page = cli.step(url.as_str()).await;
        assert_eq!(page.status(), 400, "{to:?}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_app_is_not_valid_at_the_other() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    let value = cli
        .jar()
        .get("app1.localhost", "__Host-session_id")
        .unwrap()
        .value
        .clone();
    let stolen = format!("__Host-session_id={value}");
    let url = format!("{}/session", platform.url(Site::App2));
    let answer = testkit::HeadlessBrowser::new()
        .raw(Method::GET, &url, &[("cookie", &stolen)], "")
        .await;
    assert_eq!(answer.json().unwrap()["authenticated"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_never_reach_an_api() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
    let heard = platform.tap(Site::Api1).requests().to_lowercase();
    assert!(heard.contains("get /resource") && heard.contains("authorization: bearer"));
    assert!(!heard.contains("cookie:") && !heard.contains("session_id"));
}
