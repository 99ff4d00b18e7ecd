//! The event stream of a journey: each step once, resumed where it broke off, to the end.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use testkit::HeadlessBrowser;
use tests::journey::{begin, get};

use crate::lab_journey::{COOKIE, OneProcess, cookie_at};

const PATIENCE: Duration = Duration::from_secs(30);

/// An event stream of a browser's journey, as it comes in.
struct Stream {
    answer: reqwest::Response,
    said: String,
}

impl Stream {
    /// Opens one at `lab` with the cookie of `cli`, for the steps that follow `after`.
    async fn open(cli: &HeadlessBrowser, lab: &str, after: usize) -> Self {
        let cookie = cookie_at(cli, "lab.localhost", COOKIE).unwrap();
        let request = kit::net::http_client()
            .get(format!("{lab}/journey/events"))
            .header("cookie", format!("{COOKIE}={cookie}"))
            .header("last-event-id", after.to_string());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let said = String::new();
        Self { answer, said }
    }

    /// All that it has said, once it has said `words`.
    async fn until(&mut self, words: &str) -> &str {
        let listening = async {
            while !self.said.contains(words) {
                let chunk = self.answer.chunk().await.unwrap().unwrap();
                self.said += std::str::from_utf8(&chunk).unwrap();
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, listening).await.is_ok();
        assert!(in_time, "never {words:?}, only {:?}", self.said);
        &self.said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_sends_each_step_once_and_resumes_and_ends_with_the_journey() {
    let folder = tempfile::tempdir().unwrap();
    let all = OneProcess::start(folder.path(), &[], &[]).await;
    let (lab, app1) = (all.url(Site::Lab), all.url(Site::App1));
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &lab).await;
    cli.goto(&app1).await;
    let mut stream = Stream::open(&cli, &lab, 0).await;
    let said = stream.until("\"name\":\"GET /\"").await;
    assert!(
        said.contains("event: step\nid: 1\ndata: {\"seq\":1,"),
        "{said}"
    );
    let last = said.matches("event: step\n").count();
    cli.goto(&format!("{app1}/login")).await;
    let mut resumed = Stream::open(&cli, &lab, last).await;
    let rest = resumed.until("\"name\":\"GET /login\"").await;
    assert!(rest.contains(&format!("\nid: {}\n", last + 1)), "{rest}");
    assert!(!rest.contains("\nid: 1\n"), "{rest}");
    let own = [("origin", &*lab), ("sec-fetch-site", "same-origin")];
    let url = format!("{lab}/journey/end");
    assert_eq!(cli.raw(Method::POST, &url, &own, "").await.status, 303);
    for mut stream in [stream, resumed] {
        stream
            .until("event: end\ndata: {\"reason\":\"ended\"}\n\n")
            .await;
        assert!(stream.answer.chunk().await.unwrap().is_none());
    }
    let gone = get(&mut cli, &format!("{lab}/journey/recording")).await;
    assert_eq!(gone.status, 404, "{}", gone.body);
}
