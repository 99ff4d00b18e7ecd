//! What a browser drops without a word (RFC 6265 §6.1: a cookie of more than
//! 4,096 bytes) is split, or the login is refused in words.

use kit::config::Site;
use testkit::{Cli, Plan, Processes};
use tests::{ALICE, in_modes, logout::log_out_at, modes::in_mode, session_at, sign_in, sign_in_to};

const NAME: &str = "name = \"Alice Liddell\"";
/// Sealed it needs two cookies.
const LONG: usize = 3600;
/// And this one more than there are.
const TOO_LONG: usize = 9000;
/// The most that a browser keeps, in bytes of name, value and attributes.
const MAX_COOKIE: usize = 4096;

/// A platform in `mode` where alice's name has `length` characters.
async fn with_a_name_of(length: usize, mode: &str) -> Processes {
    let name = format!("name = \"{}\"", "A".repeat(length));
    let plan = Plan {
        idp_config: vec![(NAME, name.leak())],
        ..Plan::default()
    };
    Processes::start(&in_mode(mode, plan)).await
}

async fn a_long_identity_is_split_and_comes_back_whole(mode: &str) {
    let platform = with_a_name_of(LONG, mode).await;
    let app = platform.url(Site::App1);
    let mut cli = Cli::new();
    sign_in_to(&mut cli, &app, ALICE).await;
    let session = session_at(&mut cli, &app).await;
    assert_eq!(session["user"]["name"].as_str().map(str::len), Some(LONG));
    for path in ["/api1/data", "/api2/data"] {
        let answer = cli.fetch_get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let answers = platform.tap(Site::App1).answers();
    let lines = answers.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("set-cookie").then_some(value)
    });
    let lengths: Vec<_> = lines.map(str::len).collect();
    assert!(!lengths.is_empty() && lengths.iter().all(|len| *len <= MAX_COOKIE));
    let parts = |cli: &Cli| {
        let jar = cli.jar();
        let names = jar.of("app1.localhost").map(|cookie| &cookie.name);
        names.filter(|name| *name != "__Host-ended").count()
    };
    let jar = cli.jar();
    assert!(jar.get("app1.localhost", "__Host-session.1").is_some());
    log_out_at(&mut cli, &app, "app").await;
    assert_eq!(parts(&cli), 0, "no part is left behind");
}

async fn an_identity_that_fits_no_cookies_is_refused_in_words(mode: &str) {
    let platform = with_a_name_of(TOO_LONG, mode).await;
    let app = platform.url(Site::App1);
    let mut cli = Cli::new();
    cli.goto(&format!("{app}/login")).await;
    sign_in(&mut cli, ALICE).await;
    let page = cli.page();
    assert!(
        page.status() >= 400 && page.text().contains("cookie"),
        "{page}"
    );
    assert_eq!(session_at(&mut cli, &app).await["authenticated"], false);
    let kept: Vec<_> = cli.jar().of("app1.localhost").cloned().collect();
    assert!(kept.is_empty(), "{kept:?}");
}

in_modes!([hybrid stateless] [
    a_long_identity_is_split_and_comes_back_whole
    an_identity_that_fits_no_cookies_is_refused_in_words
]);
