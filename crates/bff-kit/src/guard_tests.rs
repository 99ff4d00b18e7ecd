//! The guard in its place, before every route.

use actix_web::{http::StatusCode, test::TestRequest};
use serde_json::json;

use super::tests::setup;

#[actix_web::test]
async fn the_guard_stands_before_every_route() {
    let setup = setup();
    let foreign = |path: &str| {
        TestRequest::get()
            .uri(path)
            .insert_header(("sec-fetch-site", "cross-site"))
    };
    for path in [
        "/",
        "/login",
        "/callback",
        "/docs",
        "/session",
        "/openapi.json",
        "/api1/data",
        "/api2/data",
    ] {
        assert_eq!(
            setup.ask(foreign(path)).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let post = TestRequest::post()
        .uri("/api1/data")
        .set_json(json!({"item": "x", "quantity": 1}));
    assert_eq!(setup.ask(post).await.status, StatusCode::FORBIDDEN);
    let assets = TestRequest::get()
        .uri("/assets/app.css")
        .insert_header(("sec-fetch-site", "cross-site"));
    assert_eq!(setup.ask(assets).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_person_who_is_led_astray_sees_a_page_and_a_script_a_problem() {
    const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
    let setup = setup();
    let from_elsewhere = |path: &str, accept: &str| {
        TestRequest::get()
            .uri(path)
            .insert_header(("sec-fetch-site", "cross-site"))
            .insert_header(("sec-fetch-mode", "navigate"))
            .insert_header(("sec-fetch-dest", "document"))
            .insert_header(("accept", accept))
    };
    for (path, status) in [
        ("/nothing-here", StatusCode::NOT_FOUND),
        ("/api1/data", StatusCode::FORBIDDEN),
        ("/session", StatusCode::FORBIDDEN),
    ] {
        let page = setup.ask(from_elsewhere(path, BROWSER)).await;
        assert_eq!(page.status, status, "{path}");
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{path}"
        );
        let problem = setup.ask(from_elsewhere(path, "*/*")).await;
        assert_eq!(problem.status, status, "{path}");
        assert_eq!(problem.header("content-type"), "application/problem+json");
    }
    let form = TestRequest::post()
        .uri("/api1/data")
        .insert_header(("sec-fetch-site", "same-origin"))
        .insert_header(("sec-fetch-mode", "navigate"))
        .insert_header(("sec-fetch-dest", "document"))
        .insert_header(("accept", BROWSER))
        .set_form([("item", "chess-set"), ("quantity", "1")]);
    let refused = setup.ask(form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.header("content-type").starts_with("text/html"));
    let fetched =
        from_elsewhere("/nothing-here", BROWSER).insert_header(("sec-fetch-mode", "cors"));
    assert_eq!(setup.ask(fetched).await.status, StatusCode::FORBIDDEN);
}
