//! What headers and cookies already refuse is refused before the body comes:
//! none of these requests ever sends a byte of it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use kit::config::Site;
use testkit::Platform;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\nX-CSRF: 1\r\n";
const COOKIE: &str = "Cookie: __Host-session_id=";

/// The status and the whole answer; the connection ends with it.
fn ask(platform: &Platform, site: Site, path: &str, headers: &str, length: usize) -> (u16, String) {
    let port = platform.addresses().port(site);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
    (status.unwrap_or_default(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_a_session_is_refused_before_its_body_comes() {
    let platform = Platform::start().await;
    let fake = format!("{JSON}{COOKIE}{}\r\n", "a".repeat(43));
    for (site, path, headers, status) in [
        (Site::App1, "/logout", FORM, 403),
        (Site::App1, "/api1/data", FORM, 403),
        (Site::App1, "/api1/data", JSON, 401),
        (Site::App1, "/api1/data", &fake, 401),
        (Site::App2, "/api2/data", JSON, 401),
        (Site::App1, "/backchannel-logout", JSON, 400),
        (Site::App1, "/nothing-here", JSON, 404),
        (Site::App1, "/session", JSON, 405),
        (Site::Idp, "/token", JSON, 400),
        (Site::Idp, "/par", JSON, 400),
        (Site::Idp, "/sign-in", FORM, 403),
        (Site::Idp, "/consent", FORM, 403),
        (Site::Idp, "/account/end", FORM, 403),
        (Site::Api1, "/resource", JSON, 401),
        (Site::Api2, "/resource", JSON, 401),
        (Site::Lab, "/", FORM, 405),
    ] {
        let (answered, answer) = ask(&platform, site, path, headers, 1000);
        assert_eq!(answered, status, "{site:?} {path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_answers_413_to_a_body_over_its_limit_before_reading_it() {
    let platform = Platform::start().await;
    let session = format!("{FORM}{COOKIE}{}\r\n", "a".repeat(43));
    for (site, path, headers, most) in [
        (Site::App1, "/logout", &*session, 8 * 1024),
        (Site::App1, "/api1/data", &*session, 8 * 1024),
        (Site::App1, "/backchannel-logout", FORM, 8 * 1024),
        (Site::Idp, "/logout", FORM, 8 * 1024),
        (Site::Idp, "/authorize", FORM, 16 * 1024),
        (Site::Idp, "/token", FORM, 16 * 1024),
        (Site::Idp, "/par", FORM, 16 * 1024),
        (Site::Idp, "/revoke", FORM, 16 * 1024),
        (Site::Idp, "/grants", FORM, 16 * 1024),
        (Site::Idp, "/grants/end", FORM, 16 * 1024),
        (Site::Idp, "/userinfo", FORM, 16 * 1024),
    ] {
        let (answered, answer) = ask(&platform, site, path, headers, most + 1);
        assert_eq!(answered, 413, "{site:?} {path}: {answer}");
    }
    let (_, answer) = ask(&platform, Site::Idp, "/token", FORM, 1 << 20);
    assert!(answer.contains("\"invalid_request\""), "{answer}");
}
