use actix_web::{
    App, HttpResponse,
    http::header::{HeaderName, HeaderValue},
    middleware::from_fn,
    test::{self, TestRequest},
    web,
};

use super::*;

const OWN: &str = "http://app1.localhost:8082";

fn csrf() -> Csrf {
    Csrf::new(OWN, &[7; KEY_LEN], "app1")
}

fn judge(
    method: &Method,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> Result<bool, Refusal> {
    let mut map = HeaderMap::new();
    map.insert(
        header::HOST,
        HeaderValue::from_static("app1.localhost:8082"),
    );
    for (name, value) in headers {
        map.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    csrf().judge(method, PAGES.contains(&path), &map)
}

#[test]
fn what_comes_from_another_site_or_a_sibling_is_refused() {
    for site in ["cross-site", "same-site", "something-new"] {
        for method in [Method::GET, Method::POST] {
            let headers = [("sec-fetch-site", site), ("x-csrf", "1")];
            assert_eq!(
                judge(&method, "/api1/data", &headers),
                Err(Refusal::Foreign),
                "{method} {site}"
            );
        }
    }
    for origin in [
        "http://evil.localhost:8087",
        "http://app2.localhost:8083",
        "null",
        "http://app1.localhost.evil:8082",
    ] {
        let headers = [("origin", origin), ("x-csrf", "1")];
        assert_eq!(
            judge(&Method::POST, "/api1/data", &headers),
            Err(Refusal::Foreign),
            "{origin}"
        );
        assert_eq!(
            judge(&Method::GET, "/session", &headers),
            Err(Refusal::Foreign),
            "{origin}"
        );
    }
}

#[test]
fn a_person_may_navigate_to_pages_from_wherever_and_to_nothing_else() {
    let top = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    for page in PAGES {
        assert_eq!(judge(&Method::GET, page, &top), Ok(false), "{page}");
    }
    for path in ["/api1/data", "/session", "/openapi.json"] {
        assert_eq!(
            judge(&Method::GET, path, &top),
            Err(Refusal::Foreign),
            "{path}"
        );
    }
    assert_eq!(judge(&Method::POST, "/login", &top), Err(Refusal::Foreign));
    let frame = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
    ];
    assert_eq!(judge(&Method::GET, "/login", &frame), Err(Refusal::Foreign));
}

#[test]
fn an_unsafe_method_needs_the_header_or_a_form() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(judge(&method, "/api1/data", &[]), Err(Refusal::NoProof));
        assert_eq!(
            judge(&method, "/api1/data", &[("x-csrf", "0")]),
            Err(Refusal::NoProof)
        );
        assert_eq!(judge(&method, "/api1/data", &[("x-csrf", "1")]), Ok(false));
        let form = [
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
            ("origin", OWN),
        ];
        assert_eq!(judge(&method, "/api1/data", &form), Ok(true));
    }
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(
            judge(&method, "/api1/data", &[("sec-fetch-site", "same-origin")]),
            Ok(false)
        );
    }
}

#[test]
fn a_replica_at_another_port_is_us_and_another_host_is_not() {
    let csrf = csrf();
    assert!(csrf.is_own("http://app1.localhost:8182", "app1.localhost:8182"));
    assert!(!csrf.is_own("http://app1.localhost:8182", "app1.localhost:8082"));
    assert!(!csrf.is_own("http://evil.localhost:8082", "evil.localhost:8082"));
    assert!(!csrf.is_own("https://app1.localhost:8182", "app1.localhost:8182"));
}

#[test]
fn a_forms_token_is_the_sessions_own() {
    let id = |c: &str| SessionId::read(&c.repeat(43)).unwrap();
    assert_ne!(csrf().form_token(&id("a")), csrf().form_token(&id("b")));
    let other_app = Csrf::new(OWN, &[7; KEY_LEN], "app2");
    assert_ne!(csrf().form_token(&id("a")), other_app.form_token(&id("a")));
}

#[actix_web::test]
async fn a_form_gets_through_with_its_token_and_its_body_stays_readable() {
    let guard = |req, next| async move { guard(Site::App1, &csrf(), req, next).await };
    let guarded = web::scope("").wrap(from_fn(guard)).route(
        "/api1/data",
        web::post().to(async |body: String| HttpResponse::Ok().body(body)),
    );
    let app = test::init_service(App::new().service(guarded)).await;
    let id = SessionId::read(&"a".repeat(43)).unwrap();
    let good = csrf().form_token(&id);
    let post = |token: &str, cookie: bool| {
        let form = [("item", "chess-set"), (FIELD, token)];
        let req = TestRequest::post().uri("/api1/data").set_form(form);
        let req = if cookie {
            req.cookie(cookies::session(id.expose()))
        } else {
            req
        };
        test::call_service(&app, req.to_request())
    };
    let answer = post(&good, true).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(test::read_body(answer).await.starts_with(b"item=chess-set"));
    for (token, cookie) in [("wrong", true), ("", true), (good.as_str(), false)] {
        assert_eq!(post(token, cookie).await.status(), StatusCode::FORBIDDEN);
    }
    let too_long = post(&"x".repeat(FORM), true).await;
    assert_eq!(too_long.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let kind = too_long.headers().get("content-type").unwrap();
    assert_eq!(kind, "application/problem+json");
}
