//! What is no form of the lab's own page: odd, long, repeated and unfinished inputs at the
//! endpoints of the live diagram, of the attacks and of the attacker's provider.

use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Response};
use tests::journey::{begin, get};

use crate::lab_journey::OneProcess;

const FORM: &str = "application/x-www-form-urlencoded";

/// Path, content type and body of a form, and the status of the answer.
type Row = (&'static str, &'static str, &'static str, u16);

/// Forms whose fields or types the lab refuses, and two that it takes.
const FORMS: [Row; 21] = [
    (
        "/journey/weaken",
        FORM,
        "weaken=alg-none&minutes=5&minutes=6",
        400,
    ),
    ("/journey/weaken", FORM, "weaken=%FF", 400),
    (
        "/journey/weaken",
        FORM,
        "then=/attacks/x;%20Domain=localhost",
        400,
    ),
    ("/journey/weaken", FORM, "then=/attacks/a%0d%0aX:%20y", 400),
    (
        "/journey/weaken",
        FORM,
        "then=https://evil.example/attacks",
        400,
    ),
    ("/journey/explain", FORM, "", 400),
    ("/journey/explain", FORM, "explain=maybe", 400),
    ("/journey/explain", FORM, "explain=on&explain=off", 400),
    ("/journey/explain", "text/plain", "explain=on", 415),
    (
        "/journey/explain",
        "application/json",
        "{\"explain\":true}",
        415,
    ),
    (
        "/attacks/csrf-image/begin",
        FORM,
        "weakened=on&weakened=off",
        400,
    ),
    ("/attacks/csrf-image/begin", FORM, "weakened=perhaps", 400),
    (
        "/attacks/alg-none/run",
        FORM,
        "weakened=on&weakened=on",
        400,
    ),
    ("/attacks/nothing/run", FORM, "weakened=on", 404),
    (
        "/failures",
        FORM,
        "service=idp&fault=down&service=api-1",
        400,
    ),
    (
        "/failures",
        FORM,
        "service=idp&fault=down&seconds=long",
        400,
    ),
    (
        "/failures",
        FORM,
        "service=idp&fault=down&seconds=9999",
        400,
    ),
    ("/failures", FORM, "service=idp&fault=%FF", 400),
    ("/failures", "text/plain", "service=idp&fault=down", 415),
    ("/journey/weaken", FORM, "weaken=alg-none&minutes=5", 303),
    (
        "/journey/explain",
        FORM,
        "explain=off&then=/attacks/alg-none",
        303,
    ),
];

/// Where a form of 3000 bytes is too long.
const BOUNDED: [&str; 4] = [
    "/journey/weaken",
    "/attacks/csrf-image/begin",
    "/attacks/alg-none/run",
    "/failures",
];

/// Posts `body` as the lab's own page does, but for its `kind`.
async fn post(
    cli: &mut HeadlessBrowser,
    lab: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> Response {
    let headers = [("origin", lab), ("content-type", kind)];
    let url = format!("{lab}{path}");
    cli.raw(Method::POST, &url, &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_says_a_field_twice_or_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = OneProcess::start(folder.path(), &[], &[]).await;
    let lab = one.url(Site::Lab);
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    let long = "x".repeat(3000);
    let too_long = BOUNDED.map(|path| (path, FORM, &*long, 413));
    for (path, kind, body, status) in too_long.into_iter().chain(FORMS) {
        let answer = post(&mut cli, &lab, path, kind, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        if status != 303 {
            assert!(answer.header("set-cookie").is_none(), "{path} {body}");
        }
    }
    // The journey is as it was.
    let known = get(&mut cli, &format!("{lab}/journey/recording")).await;
    assert_eq!(known.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_page_sends_is_refused_before_its_body_comes() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = tempfile::tempdir().unwrap();
    let one = OneProcess::start(folder.path(), &[], &[]).await;
    let url: url::Url = one.url(Site::Lab).parse().unwrap();
    let at = ("127.0.0.1", url.port().unwrap());
    for path in [
        "/journey/weaken",
        "/journey/explain",
        "/attacks/csrf-image/begin",
        "/attacks/alg-none/run",
        "/failures",
    ] {
        let mut socket = tokio::net::TcpStream::connect(at).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: lab.localhost:{}\r\nOrigin: http://evil.localhost\r\n\
             Content-Type: {FORM}\r\nContent-Length: 100\r\n\r\nexplain=on",
            at.1
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        socket.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 403", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attackers_provider_answers_odd_requests_as_a_provider_does() {
    let folder = tempfile::tempdir().unwrap();
    let one = OneProcess::start(folder.path(), &[], &[]).await;
    let issuer = format!("{}/issuer", one.url(Site::Evil));
    let mut cli = HeadlessBrowser::new();
    let long = "x".repeat(3000);
    for (body, status, error) in [
        ("", 400, "invalid_grant"),
        ("code=a&code=b", 400, "invalid_grant"),
        (&*long, 413, "invalid_request"),
    ] {
        let headers = [("content-type", FORM)];
        let url = format!("{issuer}/token");
        let answer = cli.raw(Method::POST, &url, &headers, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.json().unwrap()["error"], error);
    }
    let odd = format!("{issuer}/authorize?state=a&state=%FF%0d%0a");
    assert_eq!(get(&mut cli, &odd).await.status, 400);
}
