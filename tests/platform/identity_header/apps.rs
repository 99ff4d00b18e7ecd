//! `identity_header`: an app states its user to API-1, with sessions in each mode.

use std::time::Duration;

use bff_kit::spiffe_id;
use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Child, HeadlessBrowser, Platform, binary};
use tests::{
    ALICE, BOB, in_modes,
    logout::{calls_end_with_the_login, log_out_everywhere},
    sign_in_to,
};

/// How long access tokens live.
const ACCESS_TOKEN: Duration = Duration::from_secs(900);
/// What a refused start may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Both apps may state who the user is.
const OPEN: [&str; 2] = [
    "--api1-identity-callers",
    "spiffe://sso-lab/app1,spiffe://sso-lab/app2",
];

async fn by_header(mode: &str, flags: &[&str]) -> Platform {
    let own = [
        "--bff-session-mode",
        mode,
        "--bff-api1-credential",
        "identity_header",
    ];
    Platform::start_with_bff_and_api1(&[&own[..], flags].concat(), &OPEN).await
}

async fn told(cli: &mut HeadlessBrowser, path: &str) -> Value {
    let answer = cli.fetch_get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json().unwrap()
}

async fn the_app_states_who_is_signed_in_and_no_browser_states_anybody(mode: &str) {
    let platform = by_header(mode, &[]).await;
    for (site, client) in [(Site::App1, "app1"), (Site::App2, "app2")] {
        let app = platform.url(site);
        let host = format!("{client}.localhost");
        for person in [ALICE, BOB] {
            let mut cli = platform.cli();
            sign_in_to(&mut cli, &app, person).await;
            // API-2 gets the user's own token, which says who it is.
            let sub = told(&mut cli, "/api2/whoami").await["sub"].clone();
            let who = told(&mut cli, "/api1/whoami").await;
            assert_eq!(who["sub"], sub, "{mode}");
            assert_eq!(who["stated_by"], spiffe_id(client), "{mode}");
            let order = json!({"item": "tea-pot", "quantity": 1});
            let placed = cli.fetch_post("/api1/data", &order).await;
            assert_eq!(placed.status, 201, "{mode}: {}", placed.body);
            told(&mut cli, "/api1/report").await;
            // What the browser sends reaches no API.
            let jar = cli.jar();
            let own = jar
                .of(&host)
                .map(|one| format!("{}={}", one.name, one.value));
            let cookies = own.chain(["identity=sub=u-somebody-else".to_owned()]);
            let request = platform
                .trust()
                .http_client()
                .get(format!("{app}/api1/whoami"));
            let request = request.header("cookie", cookies.collect::<Vec<_>>().join("; "));
            let request = request.header("x-identity", "sub=u-somebody-else");
            let answer = request.send().await.unwrap();
            let (status, who) = (
                answer.status().as_u16(),
                answer.json::<Value>().await.unwrap(),
            );
            assert_eq!((status, &who["sub"]), (200, &sub), "{mode}");
        }
        let url = format!("{app}/api1/whoami");
        let smuggled = [("x-identity", "sub=u-somebody-else")];
        let answer = platform.cli().raw(Method::GET, &url, &smuggled, "").await;
        assert_eq!(answer.status, 401, "{mode}: nobody is signed in");
    }
    let plain = platform.tap(Site::Api1).requests();
    assert!(
        !plain.contains("/whoami") && !plain.contains("/resource"),
        "{mode}: {plain}"
    );
}

async fn no_call_outlives_the_login(mode: &str) {
    let platform = by_header(mode, &[]).await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    for _ in 0..2 {
        told(&mut cli, "/api1/whoami").await;
        platform.advance(ACCESS_TOKEN);
    }
    told(&mut cli, "/api1/whoami").await;
    calls_end_with_the_login(&platform, &mut cli, &["/api1/whoami"]).await;
}

in_modes!([stateful stateless hybrid cached] [
    the_app_states_who_is_signed_in_and_no_browser_states_anybody
    no_call_outlives_the_login
]);

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_login_ends_the_calls_within_an_access_tokens_life() {
    let platform = by_header("stateful", &[]).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    told(&mut cli, "/api1/whoami").await;
    // The notice of the provider does not reach the app.
    platform.tap(Site::App1).silence("/backchannel-logout");
    let (mut elsewhere, other) = (cli.second_tab(), platform.url(Site::App2));
    elsewhere.goto(&format!("{other}/login")).await;
    log_out_everywhere(&mut elsewhere, &other).await;
    platform.advance(ACCESS_TOKEN);
    let url = format!("{app}/api1/whoami");
    assert_eq!(cli.raw(Method::GET, &url, &[], "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn dpop_has_no_part_in_it_and_a_login_chooses_it() {
    let more = ["--bff-dpop", "on", "--bff-session-mode-choice", "on"];
    let platform = by_header("hybrid", &more).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    assert_eq!(
        told(&mut cli, "/api1/whoami").await["stated_by"],
        spiffe_id("app1")
    );
    let page = cli.goto(&app).await.to_string();
    assert!(page.contains("says so in a header"), "{page}");
    cli.goto(&format!("{app}/login?api1_credential=refresh"))
        .await;
    let who = told(&mut cli, "/api1/whoami").await;
    assert!(
        who["stated_by"].is_null() && who["cnf"]["jkt"].is_string(),
        "{who}"
    );
    let refused = cli
        .goto(&format!("{app}/login?api2_credential=identity_header"))
        .await;
    assert_eq!(refused.status(), 400, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_takes_no_word_of_the_app_is_no_end_of_the_session() {
    let flags = ["--bff-api1-credential", "identity_header"];
    let platform = Platform::start_with_bff(&flags).await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    assert_eq!(cli.fetch_get("/api1/whoami").await.status, 502);
    assert_eq!(cli.fetch_get("/api2/whoami").await.status, 200);
}

#[test]
fn what_makes_no_sense_is_refused_at_the_start_with_a_sentence() {
    for (program, flags, expected) in [
        (
            "app1-bff",
            &["--bff-api1-credential", "identity_header"][..],
            "BFF_API1_CREDENTIAL: identity_header needs the app's certificate",
        ),
        (
            "app1-bff",
            &["--bff-api2-credential", "identity_header"],
            "BFF_API2_CREDENTIAL: identity_header: https://api-2 has no mTLS port",
        ),
        (
            "api-1",
            &["--api1-identity-callers", "a.example", "--mtls", "off"],
            "API1_IDENTITY_CALLERS: peers state who the user is at the mTLS port",
        ),
        (
            "api-1",
            &["--api1-identity-callers", "*.example"],
            "API1_IDENTITY_CALLERS: \"*.example\"",
        ),
        (
            "api-1",
            &["--api1-identity-callers", "spiffe://mesh/gateway"],
            "API1_IDENTITY_CALLERS: nobody could have a certificate that API-1 trusts",
        ),
    ] {
        let (said, code) = Child::run_to_end(&binary(program), flags, &[], SOON);
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
