//! The whole platform over TLS, by certificates of the lab's CA: browsers, the services
//! among each other, HTTP and gRPC.

use kit::config::Site;
use serde_json::json;
use sso_proto::inventory::{ListRequest, inventory_client::InventoryClient};
use testkit::{ClientAuth, Platform};
use tests::{ALICE, in_modes, logout::log_out_everywhere, session_at, sign_in_to};
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::exchanging::{Exchanger, alices_token};

async fn the_story(mode: &str) {
    let platform = Platform::start_over_tls(&["--bff-session-mode", mode]).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    assert!(app1.starts_with("https://app1.localhost:"), "{app1}");
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    // Single sign-on: no form at the second app.
    let page = cli.goto(&format!("{app2}/login")).await;
    assert_eq!(page.url().as_str(), format!("{app2}/"), "{page}");
    let order = json!({"item": "chess-set", "quantity": 1});
    for app in [&app1, &app2] {
        cli.goto(app).await;
        for path in ["/api1/data", "/api1/report", "/api2/data"] {
            let answer = cli.fetch_get(path).await;
            assert_eq!(answer.status, 200, "{app}{path}: {answer:?}");
        }
        let placed = cli.fetch_post("/api1/data", &order).await;
        assert_eq!(placed.status, 201, "{app}: {placed:?}");
    }
    log_out_everywhere(&mut cli, &app1).await;
    let session = session_at(&mut cli, &app2).await;
    assert_eq!(session["authenticated"], false, "by the back channel");
    cli.goto(&app2).await;
    assert_eq!(cli.fetch_get("/api1/data").await.status, 401);
}

in_modes!([stateful stateless hybrid cached] [the_story]);

#[tokio::test(flavor = "multi_thread")]
async fn issuer_metadata_and_redirect_uris_are_https() {
    let platform = Platform::start_over_tls(&[]).await;
    let machine = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let resource = [
        ("grant_type", "client_credentials"),
        ("resource", "https://api-1"),
    ];
    let token = machine.token(&resource).await.granted();
    assert_eq!(token.json()["token_type"], "Bearer");
    let mut cli = platform.cli();
    let document = format!("{}/.well-known/openid-configuration", platform.issuer());
    let document = cli.raw(reqwest::Method::GET, &document, &[], "").await;
    let document: serde_json::Value = document.json().unwrap();
    assert_eq!(document["issuer"], platform.issuer());
    let members = document.as_object().unwrap();
    let is_plain = |value: &serde_json::Value| value.to_string().contains("http://");
    let plain: Vec<_> = members
        .iter()
        .filter(|(_, value)| is_plain(value))
        .collect();
    assert!(plain.is_empty(), "{plain:?}");
    let app1 = platform.url(Site::App1);
    let page = cli.step(&format!("{app1}/login")).await;
    let location = page.location().expect("a redirect").to_string();
    assert!(location.starts_with(&platform.issuer()), "{location}");
    assert!(
        location.contains("redirect_uri=https%3A%2F%2Fapp1.localhost"),
        "{location}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_served_over_tls_to_those_who_trust_the_labs_ca() {
    let platform = Platform::start_over_tls(&[]).await;
    for site in [Site::Idp, Site::Api2] {
        let url = platform.grpc_url(site);
        assert!(url.starts_with("https://"), "{url}");
        let channel = platform.trust().grpc_channel(&url).unwrap();
        let asked = HealthCheckRequest::default();
        let answer = HealthClient::new(channel)
            .check(asked.clone())
            .await
            .unwrap();
        assert_eq!(answer.get_ref().status(), ServingStatus::Serving);
        let stranger = kit::net::Trust::default().grpc_channel(&url).unwrap();
        let refused = HealthClient::new(stranger).check(asked).await.unwrap_err();
        let causes: Vec<_> = kit::net::causes(&refused)
            .map(ToString::to_string)
            .collect();
        let said = causes.join(": ");
        assert!(said.contains("invalid peer certificate"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_exchanged_and_used_over_grpc_with_tls() {
    let platform = Platform::start_over_tls(&[]).await;
    let token = alices_token(&platform, "openid https://api-1/read").await;
    let exchanged = Exchanger::api1(&platform)
        .exchange(&token, "https://api-2", &[])
        .await
        .unwrap();
    assert_eq!(exchanged.claims.claims["iss"], platform.issuer());
    let channel = platform
        .trust()
        .grpc_channel(&platform.grpc_url(Site::Api2));
    let mut inventory = InventoryClient::new(channel.unwrap());
    let refused = inventory.list(ListRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut request = Request::new(ListRequest {});
    let bearer = format!("Bearer {}", exchanged.token).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let listed = inventory.list(request).await.unwrap();
    assert!(!listed.get_ref().items.is_empty());
}
