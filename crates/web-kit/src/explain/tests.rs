use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};
use kit::{journey::Settings, random::OsRandom};

use super::*;

const CODE: &str = "a-code-that-nobody-reads";
const LOCATION: &str =
    "http://app1.localhost:8082/callback?code=a-code-that-nobody-reads&iss=http%3A%2F%2Fidp";

fn keys() -> Arc<JourneyKeys> {
    let secret = "0123456789abcdef0123456789abcdef".to_owned().into();
    Arc::new(JourneyKeys::new(&secret, "http://lab.localhost:8080"))
}

/// The answer to a request with these headers, if `answer` is what the service says.
fn answered(headers: &[(&str, &str)], answer: HttpResponse) -> HttpResponse {
    let journey = keys().begin(&OsRandom).with(Settings {
        explain: true,
        ..Settings::default()
    });
    let mut req = TestRequest::get();
    for header in headers {
        req = req.insert_header(*header);
    }
    let response = ServiceResponse::new(req.to_http_request(), answer.map_into_right_body());
    let response = explained::<BoxBody>(&keys(), journey, "idp", &Span::none(), response);
    response.into_parts().1.map_into_boxed_body()
}

fn redirect(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::LOCATION, LOCATION))
        .insert_header((
            header::SET_COOKIE,
            "__Host-idp_session=sealed; HttpOnly; Path=/",
        ))
        .finish()
}

const NAVIGATION: [(&str, &str); 2] = [
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

async fn html(answer: HttpResponse) -> String {
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[actix_web::test]
async fn a_redirect_becomes_a_page_with_the_same_address_and_cookies() {
    let mut answer = redirect(StatusCode::SEE_OTHER);
    let ends = Timestamp::from_secs(1_800_000_060);
    let said = Explanation {
        title: "A title <b>".to_owned(),
        next: vec!["What follows".to_owned()],
        times_left: vec![TimeLeft::new(
            "The code",
            Timestamp::from_secs(1_800_000_002),
            ends,
        )],
        again: Some("/authorize?again".to_owned()),
        ..Explanation::default()
    };
    answer.extensions_mut().insert(said);
    let answer = answered(&NAVIGATION, answer);
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().get(header::LOCATION).is_none());
    let set = answer.headers().get(header::SET_COOKIE).unwrap();
    assert_eq!(set, "__Host-idp_session=sealed; HttpOnly; Path=/");
    let html = html(answer).await;
    let href = format!("href=\"{}\"", LOCATION.replace('&', "&#38;"));
    assert!(html.contains(&href), "{html}");
    assert_eq!(html.matches(CODE).count(), 1, "in the link alone");
    for shown in [
        "A title &#60;b&#62;",
        "What follows",
        "data-left=\"58\"",
        "The code ends at 2027-01-15 08:01:00 UTC",
        "href=\"/authorize?again\"",
        "__Host-idp_session",
        "HttpOnly",
        "First app",
        "(RFC 9207 §2)",
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    assert!(!html.contains("sealed"));
}

#[actix_web::test]
async fn a_redirect_that_no_service_explains_is_explained_in_general() {
    let html = html(answered(&NAVIGATION, redirect(StatusCode::FOUND))).await;
    assert!(html.contains("Identity provider sends your browser to another page"));
    assert!(html.contains("app1.localhost:8082/callback</code>"));
}

#[test]
fn other_answers_and_other_requests_stay_as_they_are() {
    for (headers, status) in [
        (&NAVIGATION[..], StatusCode::OK),
        (&NAVIGATION, StatusCode::BAD_REQUEST),
        (&[], StatusCode::FOUND),
        (
            &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            StatusCode::FOUND,
        ),
        (
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            StatusCode::FOUND,
        ),
        (&[("accept", "application/json")], StatusCode::SEE_OTHER),
    ] {
        let answer = answered(headers, redirect(status));
        assert_eq!(answer.status(), status, "{headers:?}");
        assert_eq!(answer.headers().get(header::LOCATION).unwrap(), LOCATION);
    }
    let old = answered(
        &[("accept", "text/html,*/*;q=0.8")],
        redirect(StatusCode::FOUND),
    );
    assert_eq!(old.status(), StatusCode::OK, "a browser without Sec-Fetch");
}

#[actix_web::test]
async fn continue_leads_to_the_address_of_its_continuation_alone() {
    let app = App::new().configure(|cfg| routes(cfg, "idp", keys()));
    let app = init_service(app).await;
    let target = "/authorize?state=1&x=%20";
    let own = go_on::fields(&keys(), "idp", target);
    let others = go_on::fields(&keys(), "app2-bff", target);
    let mut moved = own.clone();
    moved[0].1 = "/authorize?state=2".to_owned();
    let mut away = go_on::fields(&keys(), "idp", "//evil.localhost/");
    away.truncate(2);
    for (fields, status) in [(own, 303), (others, 400), (moved, 400), (away, 400)] {
        let req = TestRequest::post().uri(GO_ON).set_form(&fields);
        let answer = call_service(&app, req.to_request()).await;
        assert_eq!(answer.status().as_u16(), status, "{fields:?}");
        let location = answer.headers().get(header::LOCATION);
        assert_eq!(location.is_some_and(|to| to == target), status == 303);
    }
    let long = go_on::fields(&keys(), "idp", &"/".repeat(2 * MAX_TARGET));
    let req = TestRequest::post().uri(GO_ON).set_form(&long);
    let answer = call_service(&app, req.to_request()).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[actix_web::test]
async fn outside_explain_mode_nothing_waits() {
    let waits = async |req: HttpRequest| {
        let page = pause_page(&req, "", Explanation::default);
        HttpResponse::Ok().body(page.is_some().to_string())
    };
    let app = init_service(App::new().default_service(web::to(waits))).await;
    let mut req = TestRequest::get().uri("/login");
    for header in NAVIGATION {
        req = req.insert_header(header);
    }
    let answer = call_service(&app, req.to_request()).await;
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
    assert_eq!(body, "false");
    assert!(!is_on());
}
