//! `mtls`: an app calls API-1 by its certificate, with sessions in each mode.

use std::time::Duration;

use kit::{
    clock::{Clock as _, SystemClock},
    config::Site,
    random::OsRandom,
    state_dir::StateDir,
    tls::Authority,
};
use serde_json::{Value, json};
use testkit::{Child, HeadlessBrowser, Platform, binary};
use tests::{ALICE, BOB, in_modes, logout::calls_end_with_the_login, sign_in_to};

/// How long access tokens live.
const ACCESS_TOKEN: Duration = Duration::from_secs(900);
/// What a refused start may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);

async fn by_certificate(mode: &str) -> Platform {
    let flags = ["--bff-session-mode", mode, "--bff-api1-credential", "mtls"];
    Platform::start_with_bff(&flags).await
}

async fn told(cli: &mut HeadlessBrowser, path: &str) -> Value {
    let answer = cli.fetch_get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json().unwrap()
}

/// What API-1 is sent on the port without TLS, and the provider for tokens of the app.
fn sent_without_tls(platform: &Platform) -> bool {
    let tap = platform.tap(Site::Api1).requests();
    tap.contains("/whoami") || tap.contains("/resource") || tap.contains("/report")
}

async fn rfc8705_3_every_call_to_api_1_is_by_the_apps_certificate(mode: &str) {
    let platform = by_certificate(mode).await;
    for (site, client) in [(Site::App1, "app1-mtls"), (Site::App2, "app2-mtls")] {
        let app = platform.url(site);
        let mut bound = Vec::new();
        for person in [ALICE, BOB] {
            let mut cli = platform.cli();
            sign_in_to(&mut cli, &app, person).await;
            let who = told(&mut cli, "/api1/whoami").await;
            assert_eq!(
                (&who["sub"], &who["client_id"]),
                (&json!(client), &json!(client))
            );
            let thumbprint = who["cnf"]["x5t#S256"].as_str();
            bound.push(thumbprint.unwrap_or_else(|| panic!("{who}")).to_owned());
            let order = json!({"item": "tea-pot", "quantity": 1});
            let placed = cli.fetch_post("/api1/data", &order).await;
            assert_eq!(placed.status, 201, "{mode}: {}", placed.body);
            told(&mut cli, "/api1/report").await;
            // API-2 gets the user's own token.
            assert_ne!(told(&mut cli, "/api2/whoami").await["sub"], client);
        }
        assert_eq!(bound[0], bound[1], "one certificate for all sessions");
    }
    assert!(!sent_without_tls(&platform), "{mode}");
    let tokens = platform.tap(Site::Idp).requests();
    assert!(!tokens.contains("client_credentials"), "{mode}");
}

async fn the_bound_token_is_renewed_and_no_call_outlives_the_login(mode: &str) {
    let platform = by_certificate(mode).await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    for _ in 0..3 {
        told(&mut cli, "/api1/whoami").await;
        platform.advance(ACCESS_TOKEN);
    }
    told(&mut cli, "/api1/whoami").await;
    calls_end_with_the_login(&platform, &mut cli, &["/api1/whoami"]).await;
}

in_modes!([stateful stateless hybrid cached] [
    rfc8705_3_every_call_to_api_1_is_by_the_apps_certificate
    the_bound_token_is_renewed_and_no_call_outlives_the_login
]);

#[tokio::test(flavor = "multi_thread")]
async fn a_login_chooses_the_certificate_for_api_1_and_not_for_api_2() {
    let platform = Platform::start_with_bff(&["--bff-session-mode-choice", "on"]).await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    assert_eq!(told(&mut cli, "/api1/whoami").await["cnf"], Value::Null);
    cli.goto(&format!("{app}/login?api1_credential=mtls")).await;
    let who = told(&mut cli, "/api1/whoami").await;
    assert_eq!(who["sub"], "app1-mtls");
    assert!(who["cnf"]["x5t#S256"].is_string(), "{who}");
    let page = cli.goto(&app).await.to_string();
    assert!(page.contains("by its certificate"), "{page}");
    let refused = cli.goto(&format!("{app}/login?api2_credential=mtls")).await;
    assert_eq!(refused.status(), 400, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_ones_own_come_from_files() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::open(Some(home.path().to_owned())).unwrap();
    let now = SystemClock.now();
    let ca = Authority::load(&state, now, &OsRandom).unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    let own = ca.client("app1-mtls", &[], now).unwrap();
    std::fs::write(at("own.pem"), own.bundle()).unwrap();
    let hosts = ["idp.localhost", "api1.localhost"].map(str::to_owned);
    let ports = ca.server(&hosts, now).unwrap();
    std::fs::write(at("ports.pem"), ports.bundle()).unwrap();
    let (ports, ca, client) = (at("ports.pem"), at("ca.pem"), at("own.pem"));
    let port = ["--mtls-certificate-file", &ports, "--mtls-key-file", &ports];
    let provider = [&port[..], &["--mtls-client-ca-file", &ca]].concat();
    let app = [
        "--bff-api1-credential",
        "mtls",
        "--app1-mtls-certificate-file",
        &client,
        "--mtls-ca-file",
        &ca,
    ];
    let platform = Platform::start_with_idp_app1_and_api1(&provider, &app, &port).await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    let who = told(&mut cli, "/api1/whoami").await;
    let thumbprint = kit::x509::thumbprint(&own.certificate);
    assert_eq!(who["cnf"]["x5t#S256"], thumbprint);
}

#[test]
fn an_app_without_a_certificate_and_api_2_are_refused_at_the_start_with_a_sentence() {
    for (flags, expected) in [
        (
            &["--bff-api1-credential", "mtls"][..],
            "BFF_API1_CREDENTIAL: mtls needs the app's certificate: APP1_MTLS_CERTIFICATE_FILE",
        ),
        (
            &["--bff-api1-credential", "mtls", "--mtls", "off"],
            "BFF_API1_CREDENTIAL: mtls needs the app's certificate",
        ),
        (
            &["--bff-api2-credential", "mtls"],
            "BFF_API2_CREDENTIAL: mtls: https://api-2 has no mTLS port",
        ),
        (
            &[
                "--bff-api1-credential",
                "mtls",
                "--app1-mtls-certificate-file",
                "/nowhere.pem",
            ],
            "APP1_MTLS_CERTIFICATE_FILE: /nowhere.pem: ",
        ),
        (
            &[
                "--bff-api1-credential",
                "mtls",
                "--app1-mtls-key-file",
                "/nowhere.pem",
            ],
            "APP1_MTLS_KEY_FILE: needs APP1_MTLS_CERTIFICATE_FILE",
        ),
        (
            &["--api1-mtls-url", "http://api1.localhost:8484"],
            "API1_MTLS_URL: ",
        ),
    ] {
        let (said, code) = Child::run_to_end(&binary("app1-bff"), flags, &[], SOON);
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
