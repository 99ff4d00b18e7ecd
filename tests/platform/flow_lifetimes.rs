//! How long a session lasts: without a request, and whatever happens.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Platform};
use tests::{ALICE, in_modes, session_at, sign_in_to};

const IDLE: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Often enough that no session in use is idle, and not while a token lives.
const STEP: Duration = Duration::from_secs(45 * 60);

/// Alice, signed in to app1, whose sessions last [`IDLE`] and [`LONGEST`].
async fn signed_in(mode: &str) -> (Platform, HeadlessBrowser, String) {
    let flags = [
        "--bff-session-mode",
        mode,
        "--bff-session-idle",
        "1h",
        "--bff-session-longest",
        "24h",
    ];
    let platform = Platform::start_with_bff(&flags).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    (platform, cli, app)
}

async fn is_over(cli: &mut HeadlessBrowser, app: &str) {
    assert_eq!(cli.fetch_get("/api1/data").await.status, 401);
    assert_eq!(session_at(cli, app).await["authenticated"], false);
}

async fn a_session_in_use_ends_at_its_maximum_lifetime(mode: &str) {
    let (platform, mut cli, app) = signed_in(mode).await;
    let mut used = Duration::ZERO;
    while used + STEP < LONGEST {
        platform.advance(STEP);
        used += STEP;
        let call = cli.fetch_get("/api1/data").await;
        assert_eq!(call.status, 200, "after {used:?}: {}", call.body);
    }
    platform.advance(LONGEST.saturating_sub(used));
    is_over(&mut cli, &app).await;
}

async fn an_idle_session_ends(mode: &str) {
    let (platform, mut cli, app) = signed_in(mode).await;
    platform.advance(IDLE.saturating_sub(Duration::from_secs(1)));
    assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
    platform.advance(IDLE);
    is_over(&mut cli, &app).await;
}

async fn slide_false_extends_no_session_and_a_plain_read_does(mode: &str) {
    let (platform, mut cli, app) = signed_in(mode).await;
    let ends = session_at(&mut cli, &app).await["expires_at"].clone();
    platform.advance(IDLE / 2);
    let url = format!("{app}/session?slide=false");
    let looked = cli.raw(Method::GET, &url, &[], "").await.json().unwrap();
    assert_eq!(looked["expires_at"], ends);
    let used = session_at(&mut cli, &app).await["expires_at"].clone();
    let later = used.as_i64().unwrap() - ends.as_i64().unwrap();
    assert_eq!(later, (IDLE / 2).as_secs().cast_signed());
    platform.advance(IDLE / 2);
    let looked = cli.raw(Method::GET, &url, &[], "").await.json().unwrap();
    assert_eq!(looked["expires_at"], used);
    platform.advance(IDLE / 2);
    is_over(&mut cli, &app).await;
}

in_modes!([stateful cached hybrid stateless] [
    a_session_in_use_ends_at_its_maximum_lifetime
    an_idle_session_ends
    slide_false_extends_no_session_and_a_plain_read_does
]);
