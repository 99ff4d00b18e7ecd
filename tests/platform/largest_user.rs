//! All that a user may have at most goes through a login and every call, in the
//! modes that carry tokens in cookies, and over gRPC.

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes};
use tests::{ALICE, in_modes, modes::in_mode, session_at, sign_in_to};

/// As much as the provider's configuration lets a user have.
fn largest() -> Vec<(&'static str, &'static str)> {
    let roles: Vec<_> = (0..20).map(|n| format!("{n:0125}")).collect();
    let roles = format!("roles = {roles:?}");
    let json = roles.len() - "roles = ".len() - (roles.matches(", ").count());
    assert_eq!(
        json, 2561,
        "20 of 128 bytes with quotes and commas, and brackets"
    );
    let roles = roles.replacen("0000", "000", 1);
    let name = format!("name = \"{}\"", "\u{1F600}".repeat(512));
    let email = format!("email = \"{}@example.com\"", "e".repeat(242));
    let sub = format!("sub = \"{}\"", "s".repeat(255));
    vec![
        ("roles = [\"manager\"]", roles.leak()),
        ("name = \"Alice Liddell\"", name.leak()),
        ("email = \"alice@example.com\"", email.leak()),
        ("sub = \"u-7f3c1e0a52\"", sub.leak()),
    ]
}

async fn the_largest_user_signs_in_and_calls_everything(mode: &str) {
    let plan = Plan {
        idp_config: largest(),
        ..Plan::default()
    };
    for algorithm in ["ES256", "RS256"] {
        let mut plan = in_mode(mode, plan.clone());
        let setting = ("IDP_SIGNING_ALG".to_owned(), algorithm.to_owned());
        plan.environment.push(setting);
        let platform = Processes::start(&plan).await;
        for site in [Site::App1, Site::App2] {
            let app = platform.url(site);
            let mut cli = HeadlessBrowser::new();
            sign_in_to(&mut cli, &app, ALICE).await;
            let session = session_at(&mut cli, &app).await;
            assert_eq!(session["authenticated"], true, "{algorithm}: {session}");
            // A report takes an exchange over HTTP, an order one over gRPC.
            for path in ["/api1/data", "/api1/report", "/api2/data"] {
                let answer = cli.fetch_get(path).await;
                assert_eq!(answer.status, 200, "{algorithm} {path}: {}", answer.body);
            }
            let order = r#"{"item":"chess-set","quantity":1}"#;
            let headers = [("x-csrf", "1"), ("content-type", "application/json")];
            let url = format!("{app}/api1/data");
            let answer = cli.raw(reqwest::Method::POST, &url, &headers, order).await;
            assert_eq!(answer.status, 201, "{algorithm}: {}", answer.body);
        }
    }
}

in_modes!([hybrid stateless] [
    the_largest_user_signs_in_and_calls_everything
]);
