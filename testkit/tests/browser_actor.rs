//! Tests of the browser actor.
#![expect(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::path::PathBuf;

use serde_json::json;
use testkit::{Browser, WireTap};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const PAGE: &str = "<!doctype html><title>t</title><link rel=icon href=data:,>\
    <form><input name=who></form><p id=out>here</p><script>alert(1)</script>";

/// A page with cookies and a policy that its own inline script violates.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        // Chromium opens connections in advance, and an idle one must not block another.
        tokio::spawn(async move {
            let mut request = [0; 8192];
            let _ = stream.read(&mut request).await;
            let length = PAGE.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\
                content-security-policy: default-src 'self'; img-src data:\r\n\
                set-cookie: __Host-seen=1; Path=/; Secure; HttpOnly; SameSite=Lax\r\nset-cookie: open=2\r\n";
            let answer = format!("{head}content-length: {length}\r\n\r\n{PAGE}");
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

/// Ids of the processes whose command line contains `mark`.
fn processes_with(mark: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    all.filter(|path| {
        std::fs::read_to_string(path.join("cmdline")).is_ok_and(|line| line.contains(mark))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_cookies_that_scripts_do_not_and_hears_the_policy_being_violated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tap = WireTap::in_front_of(listener.local_addr().unwrap());
    tokio::spawn(serve(listener));
    let browser = Browser::start().await;
    browser
        .goto(&format!("http://app1.localhost:{}/", tap.address().port()))
        .await;

    let mut cookies = browser.cookies_of("app1.localhost").await;
    cookies.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(
        cookies[0].http_only && cookies[0].secure && cookies[0].same_site == "Lax",
        "{cookies:?}"
    );
    assert!(
        !cookies[1].http_only && cookies[1].same_site.is_empty(),
        "{cookies:?}"
    );
    let kept = browser.kept_for_scripts().await;
    assert_eq!(kept["cookies"], "open=2", "{kept:?}");
    let (status, headers, body) = browser.fetch("/", json!({})).await;
    assert_eq!((status, body.as_str()), (200, PAGE));
    assert!(
        headers.contains("content-type: text/html") && !headers.contains("set-cookie"),
        "{headers}"
    );
    let complaints = browser.complaints().await;
    assert!(
        complaints
            .iter()
            .any(|line| line.contains("Content Security Policy")),
        "{complaints:?}"
    );
    assert!(
        tap.requests().contains("sec-fetch-site: none")
            || tap.requests().contains("Sec-Fetch-Site: none")
    );
    assert!(tap.answers().contains("__Host-seen=1"));

    let profile = browser.profile().display().to_string();
    assert!(!processes_with(&profile).is_empty());
    drop(browser);
    assert!(processes_with(&profile).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_core_names_the_rule_and_the_element_of_each_finding() {
    let browser = Browser::start().await;
    let page = "data:text/html,<html lang=en><title>T</title><main><h1>H</h1><p id=faint style='color:%23bbb'>Faint</p><a id=small style='font-size:8px;display:block' href=/x>x</a><a style='font-size:8px;display:block' href=/y>y</a></main>";
    browser.goto(page).await;
    let findings = browser.accessibility_findings().await;
    for start in ["color-contrast at #faint: ", "target-size at #small: "] {
        let found = findings.iter().any(|one| one.starts_with(start));
        assert!(found, "{start}: {findings:#?}");
    }
}
