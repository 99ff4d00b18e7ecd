//! Mutual TLS (RFC 8705): client authentication by certificate, through real TLS sockets.

mod bound_tokens;
mod tools;

use std::path::Path;

use kit::config::Site;
use testkit::{
    Answer, ClientAuth, Platform, TestCa, TestCertificate, client_certificate,
    rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd},
};
use tests::words::API1;

use crate::receiver::{BUILT_IN, file};

/// The built-in configuration and a client for each name that a certificate can have.
fn with_clients(folder: &Path) -> String {
    let registered = folder.join("registered.pem");
    let methods = [
        (
            "by-dn",
            "tls_client_auth_subject_dn = \"CN=by-dn\"".to_owned(),
        ),
        (
            "by-dns",
            "tls_client_auth_san_dns = \"batch.example\"".to_owned(),
        ),
        (
            "by-uri",
            "tls_client_auth_san_uri = \"urn:batch\"".to_owned(),
        ),
        ("by-ip", "tls_client_auth_san_ip = \"192.0.2.1\"".to_owned()),
        (
            "by-email",
            "tls_client_auth_san_email = \"batch@example.org\"".to_owned(),
        ),
        (
            "by-file",
            format!("tls_client_certificate_file = \"{}\"", registered.display()),
        ),
    ];
    let clients = methods.map(|(id, line)| {
        let method = match id {
            "by-file" => "self_signed_tls_client_auth",
            _ => "tls_client_auth",
        };
        format!(
            "\n[[clients]]\nclient_id = \"{id}\"\nname = \"{id}\"\nauth = [\"{method}\"]\n{line}\n\
             grants = [\"client_credentials\"]\naudiences = [\"https://api-1\"]\n"
        )
    });
    format!("{BUILT_IN}{}", clients.concat())
}

/// A certificate that the lab's CA issues to the client `name`.
pub fn lab_certificate(platform: &Platform, name: &str) -> TestCertificate {
    TestCertificate::of_client(&platform.lab_ca(), name)
}

/// All services, with clients of `ca`.
struct Scene {
    ca: TestCa,
    platform: Platform,
    folder: tempfile::TempDir,
}

impl Scene {
    /// With the certificate `registered` of the client `by-file`.
    async fn start(registered: &TestCertificate) -> Self {
        let (ca, folder) = (TestCa::new(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("registered.pem"), &registered.certificate).unwrap();
        std::fs::write(at("ca.pem"), ca.pem()).unwrap();
        let config = file(&with_clients(folder.path()));
        let flags = [
            "--config",
            config.path().to_str().unwrap(),
            "--mtls-client-ca-file",
            at("ca.pem").to_str().unwrap(),
        ]
        .map(str::to_owned);
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        Self {
            platform: Platform::start_with(&flags).await,
            ca,
            folder,
        }
    }

    /// A token request of `client_id` on the mTLS port.
    async fn token(&self, client_id: &str, own: Option<&TestCertificate>) -> Answer {
        let machine = self
            .platform
            .mtls_machine(ClientAuth::public(client_id), own);
        machine.token(&FOR_ITSELF).await
    }

    /// What the provider says to a request that it refuses with `invalid_client`.
    async fn refused(&self, client_id: &str, own: Option<&TestCertificate>) -> String {
        let answer = self.token(client_id, own).await;
        let refusal = answer.refusal();
        assert_eq!(
            refusal,
            (401, "invalid_client".to_owned()),
            "{}",
            answer.body
        );
        answer.text("error_description")
    }
}

const FOR_ITSELF: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("resource", API1)];

fn san(kind: fn(testkit::rcgen::string::Ia5String) -> SanType, text: &str) -> Vec<SanType> {
    vec![kind(text.try_into().unwrap())]
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_2_1_a_certificate_of_a_trusted_authority_with_the_registered_name() {
    let scene = Scene::start(&TestCertificate::self_signed("other")).await;
    let ca = &scene.ca;
    for (client_id, own) in [
        ("by-dn", ca.client("by-dn", Vec::new())),
        (
            "by-dns",
            ca.client("x", san(SanType::DnsName, "Batch.example")),
        ),
        ("by-uri", ca.client("x", san(SanType::URI, "urn:batch"))),
        (
            "by-ip",
            ca.client("x", vec![SanType::IpAddress([192, 0, 2, 1].into())]),
        ),
        (
            "by-email",
            ca.client("x", san(SanType::Rfc822Name, "batch@EXAMPLE.org")),
        ),
    ] {
        let answer = scene.token(client_id, Some(&own)).await.granted();
        assert_eq!(answer.text("token_type"), "Bearer", "{client_id}");
        // Of another client, the same certificate is not that name.
        let other = if client_id == "by-uri" {
            "by-dns"
        } else {
            "by-uri"
        };
        let why = scene.refused(other, Some(&own)).await;
        assert!(
            why.contains("the name that is registered"),
            "{client_id}: {why}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_2_1_every_other_certificate_is_refused_and_says_why() {
    let registered = TestCertificate::self_signed("by-dn");
    let scene = Scene::start(&registered).await;
    let (ca, other) = (&scene.ca, TestCa::new());
    let mut expired = client_certificate("by-dn");
    expired.not_after = date_time_ymd(2021, 1, 1);
    let mut future = client_certificate("by-dn");
    future.not_before = date_time_ymd(2090, 1, 1);
    let mut server = client_certificate("by-dn");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let url = scene.platform.mtls_url(Site::Idp);
    for (own, expected) in [
        (
            Some(other.client("by-dn", Vec::new())),
            "no certificate authority that is trusted",
        ),
        (
            Some(registered.clone()),
            "no certificate authority that is trusted",
        ),
        (Some(ca.issue(&expired)), "expired"),
        (Some(ca.issue(&future)), "not valid yet"),
        (Some(ca.issue(&server)), "not for client authentication"),
        (
            Some(ca.client("by-dns", Vec::new())),
            "its subject is CN=by-dns",
        ),
        (None, url.as_str()),
    ] {
        let why = scene.refused("by-dn", own.as_ref()).await;
        assert!(why.contains(expected), "{expected}: {why}");
    }
    // On the other port nobody is asked for a certificate.
    let plain = scene.platform.machine(ClientAuth::public("by-dn"));
    let answer = plain.token(&FOR_ITSELF).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
    assert!(
        answer.text("error_description").contains(&url),
        "{}",
        answer.body
    );
    // A certificate is no method of a client that has a secret.
    let own = ca.client("batch", Vec::new());
    let why = scene.refused("batch", Some(&own)).await;
    assert!(why.contains("has to authenticate"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_with_wrong_certificates_are_slowed() {
    let scene = Scene::start(&TestCertificate::self_signed("x")).await;
    let wrong = TestCa::new().client("by-dn", Vec::new());
    for _ in 0..10 {
        scene.refused("by-dn", Some(&wrong)).await;
    }
    let own = scene.ca.client("by-dn", Vec::new());
    let answer = scene.token("by-dn", Some(&own)).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_2_2_a_registered_certificate_authenticates_whoever_issued_it() {
    let (first, next) = (
        TestCertificate::self_signed("x"),
        TestCa::new().client("x", Vec::new()),
    );
    let scene = Scene::start(&first).await;
    let file = scene.folder.path().join("registered.pem");
    scene.token("by-file", Some(&first)).await.granted();
    let why = scene.refused("by-file", Some(&next)).await;
    assert!(why.contains("not registered for the client"), "{why}");
    // A rotation: both count for a while, then the new one alone.
    let second = std::time::Duration::from_secs(2);
    let both = format!("{}{}", first.certificate, next.certificate);
    std::fs::write(&file, both).unwrap();
    scene.platform.advance(second);
    for own in [&first, &next] {
        scene.token("by-file", Some(own)).await.granted();
    }
    std::fs::write(&file, &next.certificate).unwrap();
    scene.platform.advance(second);
    scene.refused("by-file", Some(&first)).await;
    scene.token("by-file", Some(&next)).await.granted();
    // Its authority is trusted for other clients alone.
    let issued = scene.ca.client("by-file", Vec::new());
    scene.refused("by-file", Some(&issued)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_2_2_an_expired_certificate_is_refused_although_it_is_registered() {
    let mut params = client_certificate("x");
    params.not_after = date_time_ymd(2021, 1, 1);
    let expired = TestCa::new().issue(&params);
    let scene = Scene::start(&expired).await;
    let why = scene.refused("by-file", Some(&expired)).await;
    assert!(why.contains("expired"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mtls_port_has_no_page_for_browsers() {
    let platform = Platform::start().await;
    let machine = platform.mtls_machine(ClientAuth::public("batch-mtls"), None);
    for page in [
        "/authorize",
        "/sign-in",
        "/account",
        "/device",
        "/",
        "/metrics",
    ] {
        assert_eq!(machine.get(page).await.status, 404, "{page}");
    }
    assert_eq!(machine.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_ports_nothing_of_mtls_is_advertised() {
    let platform = Platform::start_with(&["--mtls", "off"]).await;
    let plain = platform.machine(ClientAuth::public("batch-mtls"));
    let metadata = plain.get("/.well-known/openid-configuration").await.json();
    for name in [
        "mtls_endpoint_aliases",
        "tls_client_certificate_bound_access_tokens",
    ] {
        assert!(metadata.get(name).is_none(), "{name}");
    }
    let methods = metadata["token_endpoint_auth_methods_supported"].to_string();
    assert!(!methods.contains("tls_client_auth"), "{methods}");
    let answer = plain.token(&FOR_ITSELF).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
}
