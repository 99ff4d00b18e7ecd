//! What a browser drops without a word (RFC 6265 §6.1: a cookie of more than
//! 4,096 bytes) is split, or the login is refused in words.

use std::time::Duration;

use kit::config::Site;
use testkit::{Child, HeadlessBrowser, Plan, Processes, binary};
use tests::{ALICE, in_modes, logout::log_out_at, modes::in_mode, session_at, sign_in_to};

const NAME: &str = "name = \"Alice Liddell\"";
/// The longest name that the provider takes.
const LONG: usize = 2048;
/// And this one more than there are.
const TOO_LONG: usize = 9000;
/// The most that a browser keeps, in bytes of name, value and attributes.
const MAX_COOKIE: usize = 4096;

/// A platform in `mode` where alice's name has `length` characters, and her roles
/// and her address make an access token that needs two cookies.
async fn with_a_name_of(length: usize, mode: &str) -> Processes {
    let name = format!("name = \"{}\"", "A".repeat(length));
    let roles: Vec<_> = (0..19).map(|n| format!("{n:0128}")).collect();
    let roles = format!("roles = {roles:?}");
    let email = format!("email = \"{}@example.com\"", "e".repeat(242));
    let plan = Plan {
        idp_config: vec![
            (NAME, name.leak()),
            ("roles = [\"manager\"]", roles.leak()),
            ("email = \"alice@example.com\"", email.leak()),
        ],
        ..Plan::default()
    };
    Processes::start(&in_mode(mode, plan)).await
}

async fn a_long_identity_is_split_over_cookies_and_restored(mode: &str) {
    let platform = with_a_name_of(LONG, mode).await;
    let app = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
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
    let parts = |cli: &HeadlessBrowser| {
        let jar = cli.jar();
        let names = jar.of("app1.localhost").map(|cookie| &cookie.name);
        names.filter(|name| *name != "__Host-ended").count()
    };
    let jar = cli.jar();
    let mut names = jar.of("app1.localhost").map(|cookie| &cookie.name);
    assert!(names.any(|name| name.ends_with(".1")), "none is split");
    log_out_at(&mut cli, &app, "app").await;
    assert_eq!(parts(&cli), 0, "no part is left behind");
}

#[test]
fn a_user_too_large_for_cookies_is_refused_when_the_provider_starts() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("idp.toml");
    let name = format!("name = \"{}\"", "A".repeat(TOO_LONG));
    std::fs::write(&config, idp::settings::DEFAULT.replace(NAME, &name)).unwrap();
    let flags = ["--config", config.to_str().unwrap()];
    let environment = [("REDIS_URL".to_owned(), String::new())];
    let log = folder.path().join("log");
    let mut child = Child::spawn(&binary("idp"), &flags, &environment, log);
    let status = child.wait(Duration::from_secs(60)).unwrap();
    assert_eq!(status.code(), Some(2), "{}", child.output());
    assert!(
        child.output().contains("users[alice].name: "),
        "{}",
        child.output()
    );
}

in_modes!([hybrid stateless] [
    a_long_identity_is_split_over_cookies_and_restored
]);
