use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use super::*;

struct Api {
    pooled: Pooled,
    server: actix_web::dev::ServerHandle,
}

fn api() -> Api {
    let server = HttpServer::new(|| {
        App::new()
            .route(
                "/echo",
                web::to(async |req: HttpRequest, body: web::Bytes| {
                    let peer = req.peer_addr().map(|peer| peer.port()).unwrap_or_default();
                    let cookie = req.headers().contains_key("cookie");
                    let host = req
                        .headers()
                        .get("host")
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned();
                    let text = format!("{peer} {cookie} {host} {}", String::from_utf8_lossy(&body));
                    HttpResponse::Ok().body(text)
                }),
            )
            .route(
                "/long",
                web::to(async || HttpResponse::Ok().body(vec![b'x'; MAX_BODY + 1])),
            )
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Api {
        pooled: Pooled::new(
            format!("http://{address}").parse().unwrap(),
            &Trust::default(),
        ),
        server: handle,
    }
}

fn call(method: Method, path: &'static str, body: &'static str) -> impl Fn() -> Call {
    move || Call {
        method: method.clone(),
        uri: Uri::from_static(path),
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
    }
}

async fn echo(api: &Api, body: &'static str) -> Vec<String> {
    let answer = api
        .pooled
        .call(&call(Method::POST, "/echo", body))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    String::from_utf8_lossy(&answer.body)
        .split(' ')
        .map(ToOwned::to_owned)
        .collect()
}

#[actix_web::test]
async fn a_connection_is_used_again_and_the_call_arrives_whole() {
    let api = api();
    let (first, second) = (echo(&api, "one").await, echo(&api, "two").await);
    assert_eq!((first[3].as_str(), second[3].as_str()), ("one", "two"));
    assert_eq!(first[0], second[0], "the same connection");
    assert_eq!(first[2].as_bytes(), api.pooled.target.authority.as_bytes());
    assert_eq!(api.pooled.idle.borrow().len(), 1);
    api.server.stop(false).await;
}

#[actix_web::test]
async fn a_connection_that_was_idle_too_long_is_neither_used_again_nor_kept() {
    let api = api();
    let grow_old = |api: &Api| api.pooled.idle.borrow_mut()[0].1 -= IDLE;
    let first = echo(&api, "one").await;
    grow_old(&api);
    let second = echo(&api, "two").await;
    assert_ne!(first[0], second[0], "another connection");
    assert_eq!(api.pooled.idle.borrow().len(), 1);

    tokio::join!(echo(&api, "three"), echo(&api, "four"));
    assert_eq!(api.pooled.idle.borrow().len(), 2);
    grow_old(&api);
    echo(&api, "five").await;
    assert_eq!(api.pooled.idle.borrow().len(), 1);
    api.server.stop(false).await;
}

#[actix_web::test]
async fn an_answer_over_the_bound_is_cut_off() {
    let api = api();
    let answer = api.pooled.call(&call(Method::GET, "/long", "")).await;
    assert_eq!(answer.err(), Some(UpstreamError::TooLarge));
    assert!(
        api.pooled.idle.borrow().is_empty(),
        "its connection is not used again"
    );
    api.server.stop(false).await;
}

#[actix_web::test]
async fn nobody_there_is_unreachable() {
    let api = api();
    api.server.stop(false).await;
    let answer = api.pooled.call(&call(Method::GET, "/echo", "")).await;
    assert!(
        matches!(answer, Err(UpstreamError::Unreachable(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_connection_that_does_not_come_in_time_is_unreachable_since_nothing_was_sent() {
    let never = std::future::pending::<io::Result<()>>();
    let outcome = connected_within(Duration::ZERO, never).await;
    assert!(
        matches!(outcome, Err(UpstreamError::Unreachable(_))),
        "{outcome:?}"
    );
}

#[test]
fn only_http_addresses_are_targets_and_https_has_its_own_port() {
    let target: Target = "http://api1.localhost:8084/base/".parse().unwrap();
    assert_eq!(
        (target.host.as_str(), target.port, target.base.as_str()),
        ("api1.localhost", 8084, "/base")
    );
    let target: Target = "https://api1.example".parse().unwrap();
    assert_eq!((target.is_https, target.port), (true, 443));
    for wrong in ["https://", "ftp://api1", "api1", ""] {
        assert!(wrong.parse::<Target>().is_err(), "{wrong}");
    }
}
