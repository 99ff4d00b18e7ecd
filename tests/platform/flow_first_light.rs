//! Alice's flows without JavaScript: the separate binaries, two replicas of
//! each that has sessions, one Redis, every request to the next replica.

use kit::config::Site;
use reqwest::Method;
use serde_json::json;
use testkit::{HeadlessBrowser, Plan, Platform, Processes};
use tests::{ALICE, session_at, sign_in_to, words::holds_a_jwt};

/// The calls of an app's page, each with the status that is right.
async fn call_everything(cli: &mut HeadlessBrowser, app: &str) {
    cli.goto(app).await;
    let order = json!({ "item": "chess-set", "quantity": 1 });
    for path in ["/api1/data", "/api1/report", "/api2/data"] {
        let answer = cli.fetch_get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(
            answer.json().unwrap().is_object() || answer.json().unwrap().is_array(),
            "{path}"
        );
    }
    for path in ["/api1/data", "/api2/data"] {
        let answer = cli.fetch_post(path, &order).await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
        assert!(
            !answer.json().unwrap()["id"].is_null(),
            "{path}: {}",
            answer.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_signs_in_once_and_uses_both_apps_on_two_replicas_and_redis() {
    let platform = Processes::start(&Plan {
        replicas: 2,
        ..Plan::default()
    })
    .await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = HeadlessBrowser::new();

    let home = cli.goto(&app1).await;
    assert_eq!(home.status(), 200, "signed out there is a page too");
    assert_eq!(session_at(&mut cli, &app1).await["authenticated"], false);
    sign_in_to(&mut cli, &app1, ALICE).await;
    assert!(cli.page().text().contains("Alice"), "{}", cli.page());
    let session = session_at(&mut cli, &app1).await;
    assert_eq!(session["authenticated"], true);
    assert_eq!(
        (&session["user"]["name"], &session["mode"]),
        (&json!("Alice Liddell"), &json!("stateful"))
    );
    call_everything(&mut cli, &app1).await;

    let home = cli.goto(&format!("{app2}/login")).await.clone();
    assert_eq!(home.url().as_str(), format!("{app2}/"));
    assert!(
        home.hops()[..home.hops().len() - 1]
            .iter()
            .all(|hop| hop.redirect().is_some()),
        "no form"
    );
    call_everything(&mut cli, &app2).await;

    // Every replica answers the same, whichever saved the session.
    for _ in 0..4 {
        assert_eq!(session_at(&mut cli, &app1).await["authenticated"], true);
    }
    assert!(cli.jar().refused().is_empty(), "{:?}", cli.jar().refused());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_cookies_are_as_the_contract_says() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    sign_in_to(&mut cli, &app1, ALICE).await;
    let jar = cli.jar();
    let cookie = jar
        .get("app1.localhost", "__Host-session_id")
        .expect("a session cookie");
    assert!(
        cookie.secure && cookie.http_only && cookie.same_site == testkit::SameSite::Lax,
        "{cookie:?}"
    );
    let left: Vec<_> = jar
        .of("app1.localhost")
        .map(|cookie| cookie.name.as_str())
        .collect();
    assert_eq!(left, ["__Host-session_id"], "nothing is left of the login");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_sends_tokens_to_the_browser_only_in_the_cookies_of_modes_that_use_them() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    for site in [Site::App1, Site::App2] {
        let app = platform.url(site);
        sign_in_to_or_home(&mut cli, &app).await;
        call_everything(&mut cli, &app).await;
        session_at(&mut cli, &app).await;
        cli.goto(&format!("{app}/docs")).await;
        cli.fetch_get("/openapi.json").await;
    }
    let idp = platform.tap(Site::Idp);
    let mut secrets = Vec::new();
    for name in ["access_token", "refresh_token", "id_token"] {
        let values = idp.answered_values(name);
        assert!(
            values.len() >= 2,
            "{name}: the tap heard the token endpoint"
        );
        secrets.extend(values);
    }
    for site in [Site::App1, Site::App2] {
        let answers = platform.tap(site).answers();
        assert!(answers.contains("200 OK"));
        // app2 is hybrid: its access tokens, and nothing else, are in cookies
        // that no script can read.
        let carried = |line: &&str| {
            site == Site::App2
                && line
                    .to_lowercase()
                    .starts_with("set-cookie: __secure-access_")
        };
        let (cookies, answers): (Vec<_>, Vec<_>) = answers.lines().partition(carried);
        assert_eq!(cookies.is_empty(), site == Site::App1);
        assert!(cookies.iter().all(|line| line.contains("; HttpOnly")));
        let answers = answers.join("\n");
        for secret in &secrets {
            assert!(
                !answers.contains(secret),
                "a token is in an answer of {site:?}"
            );
        }
        assert!(
            !holds_a_jwt(&answers),
            "something like a token is in an answer of {site:?}"
        );
    }
}

async fn sign_in_to_or_home(cli: &mut HeadlessBrowser, app: &str) {
    cli.goto(&format!("{app}/login")).await;
    if cli.page().asks_for("username") {
        tests::sign_in(cli, ALICE).await;
    }
    assert_eq!(session_at(cli, app).await["authenticated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_has_health_readiness_metrics_and_a_trace_id() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    call_everything(&mut cli, &platform.url(Site::App1)).await;
    for site in Site::ALL {
        let url = platform.url(site);
        cli.goto(&url).await;
        for path in ["/healthz", "/readyz"] {
            let answer = cli
                .raw(
                    Method::GET,
                    &format!("{url}{path}"),
                    &[("host", "anything")],
                    "",
                )
                .await;
            assert_eq!(answer.status, 200, "{url}{path}: {}", answer.body);
            assert!(
                answer.header("trace-id").is_some_and(|id| id.len() == 32),
                "{url}{path}"
            );
        }
        let metrics = cli
            .raw(Method::GET, &format!("{url}/metrics"), &[], "")
            .await
            .body;
        assert!(
            metrics.contains("http_server_request_duration"),
            "{url}: {metrics}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_over_32_kib_are_431() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let big = "x".repeat(33 * 1024);
    for site in Site::ALL {
        let answer = cli
            .raw(
                Method::GET,
                &format!("{}/", platform.url(site)),
                &[("x-big", &big)],
                "",
            )
            .await;
        assert_eq!(answer.status, 431, "{site:?}");
    }
}
