//! Certificate-bound tokens (RFC 8705 §3).

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, ClientAuth, Machine, Platform, TestCertificate, UnverifiedClaims};
use tests::{Party, words::API1};

use super::{FOR_ITSELF, lab_certificate};
use crate::receiver::{BUILT_IN, file};

/// `GET /whoami` of API-1's port for mTLS.
async fn whoami(platform: &Platform, machine: &Machine, token: &str) -> Answer {
    let url = format!("{}/whoami", platform.mtls_url(Site::Api1));
    machine.call(Method::GET, &url, token).await
}

fn bound_to(own: &TestCertificate) -> Value {
    json!({ "x5t#S256": own.thumbprint() })
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_3_a_stolen_token_is_of_no_use_without_its_certificate() {
    let platform = Platform::start().await;
    let own = lab_certificate(&platform, "batch-mtls");
    let auth = || ClientAuth::public("batch-mtls");
    let machine = platform.mtls_machine(auth(), Some(&own));
    let answer = machine.token(&FOR_ITSELF).await.granted();
    assert_eq!(answer.text("token_type"), "Bearer");
    let token = answer.text("access_token");
    // §3.1.
    assert_eq!(UnverifiedClaims::of(&token).claims["cnf"], bound_to(&own));
    let knows = whoami(&platform, &machine, &token).await.granted().json();
    assert_eq!(
        (&knows["sub"], &knows["cnf"]),
        (&json!("batch-mtls"), &bound_to(&own))
    );

    let thief = lab_certificate(&platform, "batch-mtls");
    let on_plain = format!("{}/whoami", platform.url(Site::Api1));
    let with_another = platform.mtls_machine(auth(), Some(&thief));
    let without = platform.mtls_machine(auth(), None);
    let refused = [
        (
            whoami(&platform, &with_another, &token).await,
            "another certificate",
        ),
        (
            whoami(&platform, &without, &token).await,
            "connections by mTLS alone",
        ),
        (
            without.call(Method::GET, &on_plain, &token).await,
            "connections by mTLS alone",
        ),
    ];
    for (answer, why) in refused {
        assert_eq!(answer.status, 401, "{}", answer.body);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains(why), "{why}: {challenge}");
    }
    // A bearer token is as good there as on the other port.
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let bearer = batch
        .token(&FOR_ITSELF)
        .await
        .granted()
        .text("access_token");
    whoami(&platform, &with_another, &bearer).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_3_2_introspection_tells_the_binding() {
    let platform = Platform::start().await;
    let own = lab_certificate(&platform, "batch-mtls");
    let machine = platform.mtls_machine(ClientAuth::public("batch-mtls"), Some(&own));
    let token = machine
        .token(&FOR_ITSELF)
        .await
        .granted()
        .text("access_token");
    let api = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    let answer = api.introspect(&token, "application/json").await.granted();
    let answer = answer.json();
    assert_eq!(
        (&answer["active"], &answer["cnf"]),
        (&json!(true), &bound_to(&own))
    );
    assert_eq!(answer["token_type"], "Bearer");
}

/// RFC 8705 §3.2, RFC 7662: an opaque token is bound like a JWT, and the API learns of the
/// binding by introspection. The cache keeps the answer, and not the verdict on a sender.
#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_3_2_an_opaque_token_is_bound_and_checked_at_the_api_too() {
    let title = "title = \"Orders\"";
    assert!(BUILT_IN.contains(title));
    let opaque = format!("{title}\naccess_token_format = \"opaque\"");
    let config = file(&BUILT_IN.replace(title, &opaque));
    let idp_flags = ["--config", config.path().to_str().unwrap()];
    let introspecting = ["--api1-tokens=introspection", "--introspection-cache=60s"];
    let platform = Platform::start_with_apis(&idp_flags, &introspecting, &[]).await;
    let own = lab_certificate(&platform, "batch-mtls");
    let auth = || ClientAuth::public("batch-mtls");
    let machine = platform.mtls_machine(auth(), Some(&own));
    let token = machine.token(&FOR_ITSELF).await.granted();
    let token = token.text("access_token");
    assert!(!token.contains('.'), "a JWT");
    let api = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    let told = api.introspect(&token, "application/json").await.granted();
    assert_eq!(told.json()["cnf"], bound_to(&own));
    let thief = lab_certificate(&platform, "batch-mtls");
    let thief = platform.mtls_machine(auth(), Some(&thief));
    let plain = format!("{}/whoami", platform.url(Site::Api1));
    // Before anything is in the cache, and after the owner's call.
    for _ in 0..2 {
        let stolen = [
            whoami(&platform, &thief, &token).await,
            thief.call(Method::GET, &plain, &token).await,
        ];
        for answer in stolen {
            assert_eq!(answer.status, 401, "{}", answer.body);
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
        let knows = whoami(&platform, &machine, &token).await.granted().json();
        assert_eq!(knows["cnf"], bound_to(&own));
    }
}

/// The built-in configuration, with the tokens of `client` bound.
async fn binding(client: &str) -> Platform {
    let id = format!("client_id = \"{client}\"\n");
    assert!(BUILT_IN.contains(&id));
    let bound = format!("{id}tls_client_certificate_bound_access_tokens = true\n");
    let config = file(&BUILT_IN.replace(&id, &bound));
    Platform::start_with(&["--config", config.path().to_str().unwrap()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_3_a_client_with_a_secret_may_bind_its_tokens_too() {
    let platform = binding("batch").await;
    let auth = || ClientAuth::basic("batch", "batch-secret");
    // Nobody has to vouch for the certificate: it only stands for its key.
    let own = TestCertificate::self_signed("any");
    let machine = platform.mtls_machine(auth(), Some(&own));
    let token = machine
        .token(&FOR_ITSELF)
        .await
        .granted()
        .text("access_token");
    assert_eq!(UnverifiedClaims::of(&token).claims["cnf"], bound_to(&own));
    whoami(&platform, &machine, &token).await.granted();
    // Without a certificate there is no token, rather than one for every bearer.
    let url = platform.mtls_url(Site::Idp);
    for machine in [
        platform.machine(auth()),
        platform.mtls_machine(auth(), None),
    ] {
        let answer = machine.token(&FOR_ITSELF).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
        assert!(
            answer.text("error_description").contains(&url),
            "{}",
            answer.body
        );
    }
    // API-1's exchange of such a token is a token of API-1.
    let order = format!("{}/resource", platform.mtls_url(Site::Api1));
    let item = json!({"item": "tea-pot", "quantity": 1});
    let placed = machine.call_json(Method::POST, &order, &token, &item).await;
    assert_eq!(placed.status, 201, "{}", placed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_4_a_public_clients_refresh_token_is_bound_as_well() {
    let platform = binding("my_spa").await;
    let own = TestCertificate::self_signed("device");
    let auth = || ClientAuth::public("my_spa");
    let mut party = Party::my_spa(&platform);
    party.machine = platform.mtls_machine(auth(), Some(&own));
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let (token, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    assert_eq!(UnverifiedClaims::of(&token).claims["cnf"], bound_to(&own));
    // A thief has other certificates, or none.
    let other = TestCertificate::self_signed("device");
    let thief = platform.mtls_machine(auth(), Some(&other));
    let refused = thief.refresh(&refresh, &[]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let refused = platform.machine(auth()).refresh(&refresh, &[]).await;
    assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
    // Neither used it up.
    let renewed = party.machine.refresh(&refresh, &[("resource", API1)]).await;
    let renewed = renewed.granted().text("access_token");
    assert_eq!(UnverifiedClaims::of(&renewed).claims["cnf"], bound_to(&own));

    // Userinfo takes the token with its certificate alone.
    let userinfo = format!("{}/userinfo", platform.mtls_url(Site::Idp));
    let answer = party.machine.call(Method::GET, &userinfo, &renewed).await;
    assert!(answer.granted().json()["sub"].is_string());
    let plain = format!("{}/userinfo", platform.issuer());
    for (machine, url) in [(&thief, &userinfo), (&party.machine, &plain)] {
        let answer = machine.call(Method::GET, url, &renewed).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_7_1_a_confidential_client_may_change_its_certificate() {
    let platform = binding("demo_rp").await;
    let auth = || ClientAuth::basic("demo_rp", "demo-rp-secret");
    let (first, next) = (
        TestCertificate::self_signed("a"),
        TestCertificate::self_signed("b"),
    );
    let mut party = Party::demo_rp(&platform);
    party.machine = platform.mtls_machine(auth(), Some(&first));
    let refresh = party
        .tokens(&mut party.cli(), &[])
        .await
        .text("refresh_token");
    let machine = platform.mtls_machine(auth(), Some(&next));
    let renewed = machine.refresh(&refresh, &[]).await.granted();
    let claims = UnverifiedClaims::of(&renewed.text("access_token")).claims;
    assert_eq!(claims["cnf"], bound_to(&next));
}
