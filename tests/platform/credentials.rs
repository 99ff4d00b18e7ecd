//! How an app gets its credentials for the APIs: each method, with sessions in each mode,
//! over HTTP to API-1 and over gRPC to API-2.

use std::time::Duration;

use kit::config::Site;
use serde_json::{Value, json};
use testkit::{HeadlessBrowser, Platform};
use tests::{
    ALICE, BOB, Person, in_modes,
    logout::calls_end_with_the_login,
    session_at, sign_in, sign_in_to,
    words::{API1, API2},
};

const ALICES_SUB: &str = "u-7f3c1e0a52";
const BOBS_SUB: &str = "u-2b90d4c8e1";
/// How long access tokens live.
const ACCESS_TOKEN: Duration = Duration::from_secs(900);

/// The methods whose credential is an access token, and who then acts for the user.
const METHODS: [&str; 4] = [
    "refresh",
    "token_exchange",
    "client_credentials",
    "jwt_bearer",
];

/// Where a login may choose, in `mode`.
async fn with_choice(mode: &str) -> Platform {
    let flags = [
        "--bff-session-mode",
        mode,
        "--bff-session-mode-choice",
        "on",
    ];
    Platform::start_with_bff(&flags).await
}

/// Signs in to App 1 with `method` for both APIs.
async fn choose(cli: &mut HeadlessBrowser, app: &str, person: Person, method: &str) {
    let login = format!("{app}/login?api1_credential={method}&api2_credential={method}");
    cli.goto(&login).await;
    if cli.page().asks_for("username") {
        sign_in(cli, person).await;
    }
    assert!(cli.page().url().as_str().starts_with(app), "{}", cli.page());
}

async fn told(cli: &mut HeadlessBrowser, path: &str) -> Value {
    let answer = cli.fetch_get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json().unwrap()
}

/// What an API knows by `method` about the user `sub`: the subject, the client and the
/// actor of the token.
fn expected(method: &str, sub: &str) -> (String, String, Value) {
    let (sub, client, act) = match method {
        "refresh" => (sub, "app1", Value::Null),
        "token_exchange" => (sub, "app1", json!({"sub": "app1"})),
        "client_credentials" => ("app1-machine", "app1-machine", Value::Null),
        _ => (sub, "app1-machine", Value::Null),
    };
    (sub.to_owned(), client.to_owned(), act)
}

/// What both APIs say that they know.
async fn both_know(cli: &mut HeadlessBrowser, method: &str, sub: &str) {
    for (path, audience) in [("/api1/whoami", API1), ("/api2/whoami", API2)] {
        let said = told(cli, path).await;
        let (sub, client, act) = expected(method, sub);
        assert_eq!(said["sub"], sub, "{method} {path}: {said}");
        assert_eq!(said["client_id"], client, "{method} {path}: {said}");
        assert_eq!(said["act"], act, "{method} {path}: {said}");
        let aud = match &said["aud"] {
            Value::Array(one) => &one[0],
            one => one,
        };
        assert_eq!(aud, audience, "{method} {path}");
    }
}

async fn every_call_works_by_each_method(mode: &str) {
    let platform = with_choice(mode).await;
    let app = platform.url(Site::App1);
    for method in METHODS {
        let mut cli = platform.cli();
        choose(&mut cli, &app, ALICE, method).await;
        assert_eq!(session_at(&mut cli, &app).await["mode"], mode);
        both_know(&mut cli, method, ALICES_SUB).await;
        let order = json!({"item": "tea-pot", "quantity": 1});
        for path in ["/api1/data", "/api2/data"] {
            let placed = cli.fetch_post(path, &order).await;
            assert_eq!(placed.status, 201, "{method} {path}: {}", placed.body);
        }
        let report = told(&mut cli, "/api1/report").await;
        assert!(
            report["orders"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        );
    }
}

/// The credentials that reached API-1 since the last look.
fn seen_at_api1(platform: &Platform) -> Vec<String> {
    let tap = platform.tap(Site::Api1);
    let requests = tap.requests();
    tap.forget();
    let lines = requests.lines();
    let bearer = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization")
            .then(|| value.trim().to_owned())
    };
    lines.filter_map(bearer).collect()
}

async fn two_users_never_share_a_token_that_names_a_user(mode: &str) {
    let platform = with_choice(mode).await;
    let app = platform.url(Site::App1);
    for method in METHODS {
        let (mut alice, mut bob) = (platform.cli(), platform.cli());
        choose(&mut alice, &app, ALICE, method).await;
        choose(&mut bob, &app, BOB, method).await;
        seen_at_api1(&platform);
        for _ in 0..2 {
            both_know(&mut alice, method, ALICES_SUB).await;
            both_know(&mut bob, method, BOBS_SUB).await;
        }
        let seen = seen_at_api1(&platform);
        assert_eq!(seen.len(), 4, "{method}");
        assert_eq!((&seen[0], &seen[1]), (&seen[2], &seen[3]), "{method}: kept");
        let is_the_apps = method == "client_credentials";
        assert_eq!(seen[0] == seen[1], is_the_apps, "{method}");
    }
}

async fn signing_out_anywhere_ends_the_calls_of_each_method(mode: &str) {
    let platform = with_choice(mode).await;
    let app = platform.url(Site::App1);
    for method in METHODS {
        let mut cli = platform.cli();
        choose(&mut cli, &app, ALICE, method).await;
        both_know(&mut cli, method, ALICES_SUB).await;
        let paths = ["/api1/whoami", "/api2/whoami"];
        calls_end_with_the_login(&platform, &mut cli, &paths).await;
    }
}

async fn a_renewal_of_each_method_keeps_to_the_session(mode: &str) {
    let platform = with_choice(mode).await;
    let app = platform.url(Site::App1);
    for method in METHODS {
        let mut cli = platform.cli();
        choose(&mut cli, &app, ALICE, method).await;
        for _ in 0..3 {
            both_know(&mut cli, method, ALICES_SUB).await;
            platform.advance(ACCESS_TOKEN);
        }
        both_know(&mut cli, method, ALICES_SUB).await;
        assert!(
            !platform.tap(Site::Api1).answers().contains(" 401 "),
            "{method}"
        );
        platform.tap(Site::Api1).forget();
    }
}

in_modes!([stateful stateless hybrid cached] [
    every_call_works_by_each_method
    two_users_never_share_a_token_that_names_a_user
    signing_out_anywhere_ends_the_calls_of_each_method
    a_renewal_of_each_method_keeps_to_the_session
]);

#[tokio::test(flavor = "multi_thread")]
async fn the_setting_for_each_api_counts_by_itself_and_for_both_apps() {
    let flags = [
        "--bff-api1-credential",
        "token_exchange",
        "--bff-api2-credential",
        "client_credentials",
    ];
    let platform = Platform::start_with_bff(&flags).await;
    for (site, client) in [(Site::App1, "app1"), (Site::App2, "app2")] {
        let mut cli = platform.cli();
        sign_in_to(&mut cli, &platform.url(site), BOB).await;
        let first = told(&mut cli, "/api1/whoami").await;
        assert_eq!(first["sub"], BOBS_SUB);
        assert_eq!(first["act"], json!({ "sub": client }));
        let second = told(&mut cli, "/api2/whoami").await;
        assert_eq!(second["sub"], format!("{client}-machine"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_actors_begins_with_the_app() {
    let flags = ["--bff-api1-credential", "token_exchange"];
    let platform = Platform::start_with_bff(&flags).await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    platform.tap(Site::Api2).forget();
    told(&mut cli, "/api1/report").await;
    let requests = platform.tap(Site::Api2).requests();
    let (_, token) = requests.split_once("earer ").unwrap();
    let token = token.split_whitespace().next().unwrap();
    let claims = testkit::UnverifiedClaims::of(token).claims;
    let act = json!({"sub": "api-1", "act": {"sub": "app1"}});
    assert_eq!((&claims["sub"], &claims["act"]), (&json!(ALICES_SUB), &act));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_what_its_login_chose_and_another_choice_begins_another() {
    let platform = with_choice("stateful").await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    choose(&mut cli, &app, ALICE, "token_exchange").await;
    let first = cli
        .jar()
        .get("app1.localhost", "__Host-session_id")
        .unwrap()
        .value
        .clone();
    choose(&mut cli, &app, ALICE, "token_exchange").await;
    let same = cli
        .jar()
        .get("app1.localhost", "__Host-session_id")
        .unwrap()
        .value
        .clone();
    assert_eq!(first, same);
    choose(&mut cli, &app, ALICE, "refresh").await;
    let other = cli
        .jar()
        .get("app1.localhost", "__Host-session_id")
        .unwrap()
        .value
        .clone();
    assert_ne!(first, other);
    both_know(&mut cli, "refresh", ALICES_SUB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_choice_no_login_chooses() {
    let platform = Platform::start().await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    let refused = cli
        .goto(&format!("{app}/login?api1_credential=token_exchange"))
        .await;
    assert_eq!(refused.status(), 400, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_exchanges_the_tokens_of_its_own_sessions_alone() {
    use crate::exchanging::{Exchanger, alices_token};
    let platform = Platform::start().await;
    // Alice's token of the client `demo_rp`.
    let foreign = alices_token(&platform, tests::words::EVERYTHING).await;
    let app1 = Exchanger {
        platform: &platform,
        client_id: "app1",
        secret: "app1-secret",
    };
    for audience in [API1, API2] {
        let refused = app1.exchange(&foreign, audience, &[]).await.unwrap_err();
        assert_eq!(refused, "invalid_target");
    }
}
