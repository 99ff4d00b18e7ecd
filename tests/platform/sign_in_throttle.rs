//! Failed sign-ins are counted before a password is looked at, whoever hangs up
//! and whatever the store does; and no stranger delays a user for long.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Plan, Platform, Processes};
use tests::{ALICE, BOB, Party, sign_in};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// The proxy whose word counts: this machine.
const BEHIND_A_PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.1"];

/// Posts the form that `cli` sees with `person`, as if from `address`; the status,
/// how long to wait, and the page.
async fn post_from(
    cli: &mut HeadlessBrowser,
    issuer: &str,
    person: (&str, &str),
    address: &str,
) -> (u16, Option<String>, String) {
    let form = cli.first_form();
    let form = form
        .fill(&[("username", person.0), ("password", person.1)])
        .unwrap();
    let url = format!("{issuer}/sign-in");
    let headers = [("content-type", FORM), ("x-forwarded-for", address)];
    let answer = cli.raw(Method::POST, &url, &headers, &form.encoded()).await;
    let retry = answer.header("retry-after").map(str::to_owned);
    (answer.status, retry, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_of_40_behind_one_address_signs_in_at_once() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut class = JoinSet::new();
    for n in 0..40 {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[])).await;
        let person = if n % 2 == 0 { ALICE } else { BOB };
        class.spawn(async move {
            sign_in(&mut cli, person).await;
            cli.page().location().is_some()
        });
    }
    let in_at_once = class.join_all().await;
    assert_eq!(in_at_once.iter().filter(|is_in| **is_in).count(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_attempts_are_counted_before_the_first_hash_is_done() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut tries = JoinSet::new();
    for _ in 0..20 {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[])).await;
        tries.spawn(async move {
            sign_in(&mut cli, ("alice", "wrong")).await;
            cli.page().status()
        });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(refused, 15, "{statuses:?}");
    assert_eq!(statuses[..5], [401; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_works_for_a_caller_that_disconnected() {
    let platform = Platform::start_with(&BEHIND_A_PROXY).await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let cookie = cli
        .jar()
        .get("idp.localhost", "__Host-idp_browser")
        .cloned();
    let cookie = format!("__Host-idp_browser={}", cookie.unwrap().value);
    let idp = platform.tap(Site::Idp).address();
    let mut open = Vec::new();
    for n in 0..600 {
        let form = cli.first_form();
        let name = format!("nobody-{n}");
        let body = form
            .fill(&[("username", &name), ("password", "wrong")])
            .unwrap();
        let body = body.encoded();
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nhost: {idp}\r\ncontent-type: {FORM}\r\ncookie: {cookie}\r\n\
             x-forwarded-for: 198.51.100.{}\r\ncontent-length: {}\r\n\r\n{body}",
            n % 200,
            body.len()
        );
        let mut stream = TcpStream::connect(idp).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        open.push(stream);
    }
    let while_connected = wrong_passwords(&platform).await;
    drop(open);
    sign_in_when_asked_again(&mut cli).await;
    let wrong = wrong_passwords(&platform).await - while_connected;
    assert!(wrong < 100, "{wrong} passwords were hashed for nobody");
    // Nothing of what was not looked at stays counted.
    let mut other = party.cli();
    other.goto(&party.authorize_url(&[])).await;
    let issuer = platform.issuer();
    let (status, ..) = post_from(&mut other, &issuer, BOB, "198.51.100.199").await;
    assert_eq!(status, 303);
}

/// Signs alice in. The service notices a disconnect a moment later, so the queue can still
/// be full: alice then does what the page says.
async fn sign_in_when_asked_again(cli: &mut HeadlessBrowser) {
    for _ in 0..10 {
        sign_in(cli, ALICE).await;
        if cli.page().status() != 503 {
            break;
        }
        let seconds = cli.page().header("retry-after").unwrap().parse().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    assert!(cli.page().location().is_some(), "{}", cli.page());
}

async fn wrong_passwords(platform: &Platform) -> u64 {
    let url = format!("{}/metrics", platform.issuer());
    let metrics = kit::net::http_client().get(url).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("sso_sign_ins") && line.contains("\"wrong\""));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_during_the_hash_still_counts_the_failure() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let cookie = cli
        .jar()
        .get("idp.localhost", "__Host-idp_browser")
        .cloned();
    let cookie = format!("__Host-idp_browser={}", cookie.unwrap().value);
    let idp = platform.tap(Site::Idp).address();
    let form = cli.first_form();
    let body = form
        .fill(&[("username", "alice"), ("password", "wrong")])
        .unwrap();
    let body = body.encoded();
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nhost: {idp}\r\ncontent-type: {FORM}\r\ncookie: {cookie}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(idp).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // Until its password was looked at, then it goes before the answer is read.
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        statuses.push(String::from_utf8_lossy(&first[9..]).into_owned());
    }
    assert_eq!(statuses.iter().filter(|status| *status == "401").count(), 5);
    sign_in(&mut cli, ALICE).await;
    assert_eq!(cli.page().status(), 429, "{}", cli.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_gives_the_same_error_for_every_password() {
    let platform = Processes::start(&Plan::default()).await;
    let app = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    cli.goto(&format!("{app}/login")).await;
    let redis = platform.redis();
    redis.ask("CONFIG SET maxmemory-policy noeviction");
    redis.ask("CONFIG SET maxmemory 1");
    let issuer = platform.url(Site::Idp);
    let said = async |cli: &mut HeadlessBrowser, person| {
        let (status, retry, page) = post_from(cli, &issuer, person, "").await;
        // The trace's id is each request's own.
        let (page, _) = page.split_once("race").unwrap_or((&page, ""));
        (status, retry, page.to_owned())
    };
    let right = said(&mut cli, ALICE).await;
    assert_eq!(right.0, 503, "{}", right.2);
    for n in 0..40 {
        assert_eq!(said(&mut cli, ("alice", "wrong")).await, right, "try {n}");
        assert_eq!(said(&mut cli, ALICE).await, right, "try {n}");
    }
    redis.ask("CONFIG SET maxmemory 0");
    sign_in(&mut cli, ALICE).await;
    assert_eq!(cli.page().status(), 200, "{}", cli.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_strangers_do_not_delay_a_known_browser() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut known = party.cli();
    party.tokens(&mut known, &[]).await;
    let jar = known.jar();
    let kept = jar.get("idp.localhost", "__Host-idp_known_browser");
    let kept = kept.unwrap();
    assert!(kept.secure && kept.http_only, "{kept:?}");
    // A stranger at the same address fails until alice has to wait there.
    let mut stranger = party.cli();
    stranger.goto(&party.authorize_url(&[])).await;
    for _ in 0..6 {
        sign_in(&mut stranger, ("alice", "wrong")).await;
    }
    assert_eq!(stranger.page().status(), 429);
    known
        .goto(&party.authorize_url(&[("prompt", "login")]))
        .await;
    sign_in(&mut known, ALICE).await;
    assert!(known.page().location().is_some(), "{}", known.page());
    // Its own failures count all the same, and for bob it is any browser.
    known
        .goto(&party.authorize_url(&[("prompt", "login")]))
        .await;
    for _ in 0..5 {
        sign_in(&mut known, ("alice", "wrong")).await;
    }
    sign_in(&mut known, ALICE).await;
    assert_eq!(known.page().status(), 429, "{}", known.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_from_many_addresses_delay_a_user_and_never_lock_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("idp.toml");
    let limits = idp::settings::DEFAULT
        .replace("per_user = 20", "per_user = 3")
        .replace("longest_delay = \"5s\"", "longest_delay = \"1s\"");
    std::fs::write(&config, limits).unwrap();
    let flags = [&BEHIND_A_PROXY[..], &["--config", config.to_str().unwrap()]].concat();
    let platform = Platform::start_with(&flags).await;
    let (party, issuer) = (Party::app1(&platform), platform.issuer());
    let mut stranger = party.cli();
    stranger.goto(&party.authorize_url(&[])).await;
    for n in 0..6 {
        let address = format!("198.51.100.{n}");
        let wrong = ("alice", "wrong");
        let (status, ..) = post_from(&mut stranger, &issuer, wrong, &address).await;
        assert_eq!(status, 401, "try {n}");
    }
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let (status, ..) = post_from(&mut cli, &issuer, ALICE, "203.0.113.1").await;
    assert_eq!(status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_counted_in_canonical_form_however_the_proxy_writes_it() {
    let platform = Platform::start_with(&BEHIND_A_PROXY).await;
    let (party, issuer) = (Party::app1(&platform), platform.issuer());
    for forms in [
        [
            "192.0.2.1",
            "192.0.2.1:4711",
            "::ffff:192.0.2.1",
            "[::ffff:192.0.2.1]:80",
            "6.6.6.6, 192.0.2.1",
        ],
        [
            "2001:db8::1",
            "[2001:db8::2]",
            "[2001:db8::3]:80",
            "2001:db8::ffff",
            "2001:DB8::1",
        ],
        [
            "unknown",
            "_hidden",
            "nonsense",
            "192.0.2.9, unknown",
            "1.2.3.4.5",
        ],
    ] {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[])).await;
        for form in forms {
            let wrong = ("bob", "wrong");
            let (status, ..) = post_from(&mut cli, &issuer, wrong, form).await;
            assert_eq!(status, 401, "{form}");
        }
        let (status, retry, _) = post_from(&mut cli, &issuer, BOB, forms[0]).await;
        assert_eq!(status, 429, "{forms:?}");
        let seconds = retry.unwrap().parse().unwrap();
        platform.advance(Duration::from_secs(seconds));
    }
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let (status, ..) = post_from(&mut cli, &issuer, BOB, "192.0.2.77").await;
    assert_eq!(status, 303);
}
