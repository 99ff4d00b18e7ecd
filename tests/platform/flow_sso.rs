//! Single sign-on: who sees a form, and who goes straight on.

use std::time::Duration;

use kit::config::Site;
use testkit::{Page, Platform};
use tests::{ALICE, session_at, sign_in, sign_in_to};

fn visited(page: &Page, site: &str) -> bool {
    page.hops()
        .iter()
        .any(|hop| hop.url.as_str().starts_with(site))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_app_needs_no_form_and_a_live_session_no_provider() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let (app2, idp) = (platform.url(Site::App2), platform.issuer());
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    let page = cli.goto(&format!("{app2}/login?return_to=/docs")).await;
    assert!(
        visited(page, &idp) && page.url().as_str() == format!("{app2}/docs"),
        "{page}"
    );
    let page = cli.goto(&format!("{app2}/login?return_to=/docs")).await;
    assert!(
        !visited(page, &idp) && page.url().as_str() == format!("{app2}/docs"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_or_expired_session_starts_a_new_login() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let (app2, idp) = (platform.url(Site::App2), platform.issuer());
    sign_in_to(&mut cli, &app2, ALICE).await;
    let before = cli
        .jar()
        .get("app2.localhost", "__Host-session_id")
        .cloned()
        .unwrap();
    cli.set_cookie("app2.localhost", "__Host-session_id", "nonsense");
    assert_eq!(session_at(&mut cli, &app2).await["authenticated"], false);
    let page = cli.goto(&format!("{app2}/login")).await;
    assert!(
        visited(page, &idp) && page.url().as_str() == format!("{app2}/"),
        "{page}"
    );

    platform.advance(Duration::from_secs(8 * 3600 + 1));
    assert_eq!(
        session_at(&mut cli, &app2).await["authenticated"],
        false,
        "8 h idle"
    );
    let page = cli.goto(&format!("{app2}/login")).await;
    assert!(
        visited(page, &idp) && page.url().as_str() == format!("{app2}/"),
        "{page}"
    );
    let after = cli
        .jar()
        .get("app2.localhost", "__Host-session_id")
        .cloned()
        .unwrap();
    assert_ne!(before.value, after.value, "a new login is a new session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_8_idle_hours_and_with_the_provider_session() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    sign_in_to(&mut cli, &app1, ALICE).await;
    for _ in 0..4 {
        platform.advance(Duration::from_secs(7 * 3600));
        cli.goto(&app1).await;
        assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
    }
    platform.advance(Duration::from_secs(7 * 24 * 3600));
    let page = cli.goto(&format!("{app1}/login")).await;
    assert!(
        page.has_form() && visited(page, &platform.issuer()),
        "seven days: {page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_and_max_age_ask_for_more_than_a_live_session() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    sign_in_to(&mut cli, &app1, ALICE).await;
    platform.advance(Duration::from_secs(100));
    for query in ["prompt=login", "max_age=50"] {
        let page = cli.goto(&format!("{app1}/login?{query}")).await;
        assert!(page.asks_for("username"), "{query}: {page}");
    }
    sign_in(&mut cli, ALICE).await;
    assert_eq!(cli.page().url().as_str(), format!("{app1}/"));
    let page = cli.goto(&format!("{app1}/login?max_age=50")).await;
    assert_eq!(page.url().as_str(), format!("{app1}/"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_none_signs_in_silently_or_says_that_it_cannot() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let page = cli.goto(&format!("{app1}/login?prompt=none")).await;
    assert!(
        page.url().as_str().starts_with(&app1) && page.status() < 500,
        "{page}"
    );
    assert!(!page.text().is_empty());
    assert_eq!(session_at(&mut cli, &app1).await["authenticated"], false);
    sign_in_to(&mut cli, &app1, ALICE).await;
    let page = cli.goto(&format!("{app2}/login?prompt=none")).await;
    assert_eq!(page.url().as_str(), format!("{app2}/"), "{page}");
    assert_eq!(session_at(&mut cli, &app2).await["authenticated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_show_who_is_signed_in_and_call_through_the_app() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    for site in [Site::App1, Site::App2] {
        let app = platform.url(site);
        cli.goto(&format!("{app}/login?return_to=/docs")).await;
        if cli.page().url().as_str().starts_with(&platform.issuer()) {
            sign_in(&mut cli, ALICE).await;
        }
        assert_eq!(cli.page().status(), 200, "{}", cli.page());
        let description = cli.fetch_get("/openapi.json").await;
        assert_eq!(description.status, 200);
        let paths = description.json().unwrap()["paths"].clone();
        for path in ["/api1/data", "/api1/report", "/api2/data"] {
            assert!(!paths[path].is_null(), "{path}: {paths}");
        }
    }
}
