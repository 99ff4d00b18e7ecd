//! A client of the attacker's own sends whatever `Host` and `X-Forwarded-*` it
//! likes. Nothing that a service says follows from it, but in a lab that was
//! weakened so.

use kit::config::{Site, Weakness};
use reqwest::Method;
use testkit::{HeadlessBrowser, Platform, Response};
use tests::{ALICE, Party, sign_in_to};

const ATTACKER: &str = "attacker.example";

/// What makes a careless service believe that it is the attacker's host.
const LIES: &[&[(&str, &str)]] = &[
    &[("host", ATTACKER)],
    &[("x-forwarded-host", ATTACKER)],
    &[
        ("x-forwarded-host", ATTACKER),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "443"),
    ],
    &[(
        "forwarded",
        "for=192.0.2.1;host=attacker.example;proto=https",
    )],
    &[
        ("x-original-host", ATTACKER),
        ("x-host", ATTACKER),
        ("x-forwarded-server", ATTACKER),
    ],
];

/// Headers and body of an answer in one text.
fn all_of(answer: &Response) -> String {
    format!("{:?}\n{}", answer.headers, answer.body)
}

async fn ask(cli: &mut HeadlessBrowser, url: &str, lie: &[(&str, &str)]) -> Response {
    cli.raw(Method::GET, url, lie, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_13_no_link_redirect_or_cookie_follows_the_host_header() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    cli.goto(&format!("{}/login", platform.url(Site::App2)))
        .await;
    let party = Party::demo_rp(&platform);
    let pages = [
        (
            Site::App1,
            vec![
                "/",
                "/login",
                "/login?prompt=login",
                "/docs",
                "/openapi.json",
                "/session",
                "/callback?state=x",
            ],
        ),
        (Site::App2, vec!["/", "/login?prompt=login", "/session"]),
        (
            Site::Idp,
            vec![
                "/",
                "/.well-known/openid-configuration",
                "/jwks",
                "/nothing",
            ],
        ),
        (Site::Lab, vec!["/"]),
        (Site::Spa, vec!["/"]),
    ];
    for lie in LIES {
        for (site, paths) in &pages {
            for path in paths {
                let url = format!("{}{path}", platform.url(*site));
                let answer = ask(&mut cli, &url, lie).await;
                assert!(answer.status < 500, "{url} {lie:?}: {}", answer.status);
                let said = all_of(&answer);
                assert!(!said.contains(ATTACKER), "{url} {lie:?}: {said}");
                assert!(!said.to_lowercase().contains("; domain="), "{url}: {said}");
            }
        }
        let asked = ask(&mut cli, &party.authorize_url(&[]), lie).await;
        assert_eq!(asked.status, 200, "{lie:?}: {}", asked.body);
        assert!(!all_of(&asked).contains(ATTACKER), "{lie:?}");
    }
}

/// Where a login at app1 that was begun with a lie would come back to.
async fn redirect_uri_after(platform: &Platform, lie: &[(&str, &str)]) -> (String, String) {
    let login = format!("{}/login", platform.url(Site::App1));
    let answer = ask(&mut platform.cli(), &login, lie).await;
    let to = answer.redirect().unwrap();
    let uri = to.query_pairs().find(|(name, _)| name == "redirect_uri");
    let uri = uri.unwrap().1.into_owned();
    (uri, to.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_host_header_decides_the_provider_still_refuses_the_attackers_redirect_uri() {
    let platform = Platform::start_weakened(&[Weakness::HostDecides]).await;
    for lie in &LIES[..2] {
        let (uri, to) = redirect_uri_after(&platform, lie).await;
        assert_eq!(uri, format!("http://{ATTACKER}/callback"));
        // The second line of defence: redirect URIs are compared exactly.
        let answer = ask(&mut platform.cli(), &to, &[]).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.redirect().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_returns_to_the_configured_host_whatever_the_host_header_says() {
    let platform = Platform::start().await;
    let own = format!("{}/callback", platform.url(Site::App1));
    for lie in LIES {
        assert_eq!(redirect_uri_after(&platform, lie).await.0, own, "{lie:?}");
    }
}

/// The statuses of tries at alice's password, each from "another address".
async fn attempts_from_many_addresses(platform: &Platform) -> Vec<u16> {
    let party = Party::app1(platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let form = cli.first_form();
    let form = form
        .fill(&[("username", ALICE.0), ("password", "wrong")])
        .unwrap();
    let sign_in = format!("{}/sign-in", platform.issuer());
    let mut statuses = Vec::new();
    for number in 1..=8 {
        let from = format!("203.0.113.{number}");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-forwarded-for", from.as_str()),
            ("x-real-ip", from.as_str()),
        ];
        let answer = cli
            .raw(Method::POST, &sign_in, &headers, &form.encoded())
            .await;
        statuses.push(answer.status);
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn x_forwarded_for_does_not_bypass_the_throttle() {
    let platform = Platform::start().await;
    let statuses = attempts_from_many_addresses(&platform).await;
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x_forwarded_for_bypasses_the_throttle_where_every_client_is_trusted_as_proxy() {
    let platform = Platform::start_weakened(&[Weakness::TrustAnyProxy]).await;
    assert_eq!(attempts_from_many_addresses(&platform).await, [401; 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_fetch_metadata_still_needs_the_csrf_header() {
    // Neither Origin nor Sec-Fetch-Site: an old browser, led by another site.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let order = "item=chess-set&quantity=1";
    for (weaknesses, status) in [(&[][..], 403), (&[Weakness::NoCsrfProof][..], 201)] {
        let platform = Platform::start_weakened(weaknesses).await;
        let (mut cli, app) = (platform.cli(), platform.url(Site::App1));
        sign_in_to(&mut cli, &app, ALICE).await;
        let url = format!("{app}/api1/data");
        let answer = cli.raw(Method::POST, &url, &form, order).await;
        assert_eq!(answer.status, status, "{weaknesses:?}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weaknesses_are_off_by_default() {
    let platform = Platform::start().await;
    let (mut cli, app) = (platform.cli(), platform.url(Site::App1));
    sign_in_to(&mut cli, &app, ALICE).await;
    let ordered = cli.fetch_get("/api1/order?item=chess-set&quantity=1").await;
    assert_eq!(ordered.status, 404, "{}", ordered.body);
    let preflight = [
        ("origin", "http://attacker.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-csrf"),
    ];
    let url = format!("{app}/api1/data");
    let answer = cli.raw(Method::OPTIONS, &url, &preflight, "").await;
    assert!(answer.header("access-control-allow-origin").is_none());
    let noted = cli.fetch_get("/?note=%3Cimg%20src%3Dx%3E").await;
    assert!(!noted.body.contains("<img src=x>"));
    assert!(
        !noted
            .header("content-security-policy")
            .unwrap()
            .contains("unsafe")
    );
}
