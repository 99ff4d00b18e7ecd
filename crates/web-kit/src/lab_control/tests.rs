use std::time::Duration;

use actix_web::{
    App,
    http::Method,
    test::{TestRequest, call_service, init_service, read_body},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use kit::{
    clock::{ManualClock, Timestamp},
    config::Site,
};
use serde_json::{Value, json};

use super::*;

fn keys() -> Arc<JourneyKeys> {
    let secret = "0123456789abcdef0123456789abcdef".to_owned().into();
    Arc::new(JourneyKeys::new(&secret, "http://lab.localhost:8080"))
}

/// A service under the lab's control, and its clock.
fn service() -> (Data<Controlled>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
    let control = Control::new("idp", Site::Idp, Arc::<ManualClock>::clone(&clock));
    let control = Arc::new(control);
    let keys = keys();
    (Data::new(Controlled { control, keys }), clock)
}

async fn ask(
    controlled: &Data<Controlled>,
    (method, path): (Method, &str),
    key: Option<&str>,
    body: &str,
) -> (u16, Value) {
    let app = App::new().configure(|cfg| routes(cfg, controlled.clone()));
    let app = init_service(app).await;
    let mut request = TestRequest::with_uri(path).method(method);
    if let Some(key) = key {
        request = request.insert_header((header::AUTHORIZATION, format!("Bearer {key}")));
    }
    let request = request.set_payload(body.to_owned()).to_request();
    let answer = call_service(&app, request).await;
    let status = answer.status().as_u16();
    let body = read_body(answer).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[actix_web::test]
async fn without_the_key_nothing_is_said_or_done() {
    let (controlled, _) = service();
    let own = keys();
    let all = [
        (Method::GET, CONTROL),
        (Method::POST, CONTROL),
        (Method::DELETE, CONTROL),
        (Method::DELETE, "/lab/control?fault=down&fault=down"),
        (Method::GET, INSPECT),
        (
            Method::GET,
            "/lab/inspect?journey=00112233445566778899aabbccddeeff",
        ),
    ];
    for (method, path) in all {
        for key in [None, Some(""), Some("guess"), Some(own.export_key())] {
            let body = r#"{"fault":"down"}"#;
            let (status, _) = ask(&controlled, (method.clone(), path), key, body).await;
            assert_eq!(status, 401, "{method} {path} {key:?}");
        }
    }
    assert_eq!(controlled.control.in_force(), []);
}

#[actix_web::test]
async fn a_failure_is_set_shown_and_ended() {
    let (controlled, clock) = service();
    let keys = keys();
    let key = Some(keys.control_key());
    let body = r#"{"fault":"clock-skew","seconds":30,"amount":-90}"#;
    let (status, state) = ask(&controlled, (Method::POST, CONTROL), key, body).await;
    assert_eq!(status, 200, "{state}");
    let on = json!([{
        "fault": "clock-skew", "amount": -90, "remaining_ms": 30_000,
        "sentence": "The service's clock is 90 s slow.",
    }]);
    assert_eq!(state["in_force"], on);
    clock.advance(Duration::from_secs(10));
    let (_, state) = ask(&controlled, (Method::GET, CONTROL), key, "").await;
    assert_eq!(state["in_force"][0]["remaining_ms"], 20_000);
    assert_eq!(state["service"], "idp");
    let [notice] = &controlled.notices()[..] else {
        panic!("one notice");
    };
    assert!(notice.text.contains("90 s slow"));
    assert_eq!(notice.remaining_ms, 20_000);
    assert_eq!(notice.href, "http://lab.localhost:8080/failures");
    let path = "/lab/control?fault=clock-skew";
    let (status, state) = ask(&controlled, (Method::DELETE, path), key, "").await;
    assert_eq!((status, &state["in_force"]), (200, &json!([])));
    assert_eq!(controlled.notices(), []);
}

#[actix_web::test]
async fn what_cannot_be_switched_is_refused_in_a_sentence() {
    let (controlled, _) = service();
    let keys = keys();
    let key = Some(keys.control_key());
    for body in [
        "",
        "{}",
        r#"{"fault":"nonsense"}"#,
        r#"{"fault":"down","seconds":301}"#,
        r#"{"fault":"down","seconds":"5"}"#,
        r#"{"fault":"down","more":1}"#,
        // No agent: this service has no signing keys.
        r#"{"fault":"rotated-key"}"#,
    ] {
        let (status, said) = ask(&controlled, (Method::POST, CONTROL), key, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(said["detail"].is_string(), "{said}");
    }
    let setting = Setting::new(Site::Idp, "down", Some(20), None);
    controlled.control.set(setting.unwrap());
    for query in ["fault=nonsense", "falt=down", "fault=down&fault=down"] {
        let path = format!("{CONTROL}?{query}");
        let (status, said) = ask(&controlled, (Method::DELETE, &path), key, "").await;
        assert_eq!(status, 400, "{query}: {said}");
        assert!(controlled.control.is(Fault::Down), "{query}");
    }
    let path = "/lab/inspect?journey=short";
    let (status, _) = ask(&controlled, (Method::GET, path), key, "").await;
    assert_eq!(status, 400);
}

/// A service that has keys, and tells the journey that it was asked about.
struct Signer;

impl Agent for Signer {
    fn rotate_keys(&self) -> Option<BoxFuture<'_, Result<Vec<String>, String>>> {
        Some(async { Ok(vec!["new-kid".to_owned()]) }.boxed())
    }

    fn inspect(&self, journey: JourneyTag) -> BoxFuture<'_, Value> {
        async move { json!(journey.to_string()) }.boxed()
    }
}

#[actix_web::test]
async fn the_services_agent_rotates_keys_and_tells_what_it_keeps() {
    let (controlled, _) = service();
    let keys = keys();
    let key = Some(keys.control_key());
    controlled.control.act_by(Arc::new(Signer));
    let body = r#"{"fault":"rotated-key"}"#;
    let (status, said) = ask(&controlled, (Method::POST, CONTROL), key, body).await;
    assert_eq!((status, said), (200, json!({ "new_keys": ["new-kid"] })));
    let (_, state) = ask(&controlled, (Method::GET, CONTROL), key, "").await;
    assert_eq!(state["actions"], json!(["rotated-key"]));
    let tag = "00112233445566778899aabbccddeeff";
    let path = format!("/lab/inspect?journey={tag}");
    let (status, said) = ask(&controlled, (Method::GET, &path), key, "").await;
    assert_eq!((status, said), (200, json!(tag)));
}

#[test]
fn a_service_that_is_down_answers_503_for_its_time_and_still_serves_files() {
    let (controlled, clock) = service();
    let answer = |path: &str, accept: &str| {
        let request = TestRequest::with_uri(path).insert_header((header::ACCEPT, accept));
        let answer = controlled.down(&request.to_srv_request())?;
        let headers = answer.headers();
        let header = |name| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        Some((
            answer.status().as_u16(),
            header(header::CONTENT_TYPE).unwrap(),
            header(header::RETRY_AFTER),
        ))
    };
    assert_eq!(answer("/token", "*/*"), None);
    let setting = Setting::new(Site::Idp, "down", Some(20), None);
    controlled.control.set(setting.unwrap());
    let (status, kind, retry) = answer("/token", "*/*").unwrap();
    assert_eq!((status, retry.as_deref()), (503, Some("20")));
    assert_eq!(kind, "application/problem+json");
    let (status, kind, _) = answer("/authorize", "text/html").unwrap();
    assert_eq!((status, &*kind), (503, "text/html; charset=utf-8"));
    assert_eq!(answer("/assets/look.css", "*/*"), None);
    clock.advance(Duration::from_secs(20));
    assert_eq!(answer("/token", "*/*"), None);
}
