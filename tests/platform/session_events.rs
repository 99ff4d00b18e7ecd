//! `GET /session/events`: a page hears of the end of its session as soon as it
//! happens, wherever it happens.

use std::time::Duration;

use kit::config::Site;
use reqwest::{Method, Response};
use testkit::{HeadlessBrowser, Plan, Platform, Processes};
use tests::{ALICE, in_modes, modes::in_mode, session_at, sign_in_to};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const HOST: &str = "app1.localhost";

/// A page's stream, as it comes in.
struct Stream {
    answer: Response,
    heard: String,
}

impl Stream {
    /// Opens one at `app` with the cookies of `cli`, and waits for its first words.
    async fn open(cli: &HeadlessBrowser, app: &str) -> Self {
        let answer = ask(cli, app, &[]).await;
        assert_eq!(answer.status(), 200);
        let header = |name| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store");
        let mut stream = Self {
            answer,
            heard: String::new(),
        };
        stream.until("\n\n").await;
        stream
    }

    /// Waits until `words` have come.
    async fn until(&mut self, words: &str) {
        let listening = async {
            while !self.heard.contains(words) {
                let chunk = self.answer.chunk().await.unwrap();
                let chunk = chunk.unwrap_or_else(|| panic!("it ends with {:?}", self.heard));
                self.heard += std::str::from_utf8(&chunk).unwrap();
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, listening).await.is_ok();
        assert!(in_time, "never {words:?}, only {:?}", self.heard);
    }

    /// Waits until `event` has come, and then the end.
    async fn ends_with(mut self, event: &str) {
        self.until(&format!("event: {event}\ndata: ")).await;
        let rest = tokio::time::timeout(PATIENCE, self.answer.text()).await;
        rest.unwrap().unwrap();
    }
}

/// All cookies of the app that go to `/`.
fn cookies(cli: &HeadlessBrowser) -> String {
    let jar = cli.jar();
    let pairs = jar.of(HOST).filter(|cookie| cookie.path == "/");
    let pairs: Vec<_> = pairs
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    pairs.join("; ")
}

async fn ask(cli: &HeadlessBrowser, app: &str, headers: &[(&str, &str)]) -> Response {
    let request = kit::net::http_client()
        .get(format!("{app}/session/events"))
        .header("cookie", cookies(cli));
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.send().await.unwrap()
}

/// Signs out of the app at `app` alone.
async fn sign_out(cli: &mut HeadlessBrowser, app: &str) {
    let headers = [("x-csrf", "1"), ("accept", "application/json")];
    let url = format!("{app}/logout?scope=app");
    let answer = cli.raw(Method::POST, &url, &headers, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn the_stream_reports_a_logout_in_the_same_process(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    let before = session_at(&mut cli, &app).await;
    platform.advance(Duration::from_secs(3600));
    let (one, two) = (
        Stream::open(&cli, &app).await,
        Stream::open(&cli, &app).await,
    );
    let url = format!("{app}/session?slide=false");
    let now = cli.raw(Method::GET, &url, &[], "").await.json().unwrap();
    assert_eq!(now["expires_at"], before["expires_at"], "nothing slid");
    sign_out(&mut cli, &app).await;
    one.ends_with("ended").await;
    two.ends_with("ended").await;
}

in_modes!([stateful cached hybrid stateless] [the_stream_reports_a_logout_in_the_same_process]);

/// Back-channel logout reaches the app, and the app's pages.
#[tokio::test(flavor = "multi_thread")]
async fn the_stream_reports_a_logout_that_began_at_the_other_app() {
    let platform = Platform::start().await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let page = cli.goto(&format!("{app2}/login")).await;
    assert_eq!(page.status(), 200, "{page}");
    let stream = Stream::open(&cli, &app1).await;
    cli.goto(&app2).await;
    cli.press("Sign out everywhere").await;
    stream.ends_with("ended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_needs_a_session_and_a_page_of_the_app() {
    let platform = Platform::start().await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    assert_eq!(ask(&cli, &app, &[]).await.status(), 401);
    sign_in_to(&mut cli, &app, ALICE).await;
    for site in ["cross-site", "same-site"] {
        let foreign = ask(&cli, &app, &[("sec-fetch-site", site)]).await;
        assert_eq!(foreign.status(), 403, "{site}");
    }
    sign_out(&mut cli, &app).await;
    assert_eq!(ask(&cli, &app, &[]).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_four_streams_of_a_session_stay() {
    let platform = Platform::start().await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(Stream::open(&cli, &app).await);
    }
    streams.remove(0).ends_with("replaced").await;
    sign_out(&mut cli, &app).await;
    for stream in streams {
        stream.ends_with("ended").await;
    }
}

/// The store tells: nobody asks it again and again.
async fn the_stream_reports_a_logout_at_another_replica(mode: &str) {
    let plan = Plan {
        replicas: 2,
        ..Plan::default()
    };
    let platform = Processes::start(&in_mode(mode, plan)).await;
    let app = platform.url(Site::App1);
    let [one, two] = [1, 2].map(|number| platform.replica_url(Site::App1, number));
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app, ALICE).await;
    let stream = Stream::open(&cli, &two).await;
    sign_out(&mut cli, &one).await;
    stream.ends_with("ended").await;
}

mod elsewhere {
    use super::{in_modes, the_stream_reports_a_logout_at_another_replica};
    in_modes!([stateful cached hybrid] [the_stream_reports_a_logout_at_another_replica]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_the_streams_and_waits_for_none() {
    let mut platform = Processes::start(&Plan::default()).await;
    let app = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app, ALICE).await;
    let stream = Stream::open(&cli, &app).await;
    let listening = tokio::spawn(stream.ends_with("drain"));
    // Each process is given the code 0 of a drain that left nobody.
    platform.stop();
    listening.await.unwrap();
}
