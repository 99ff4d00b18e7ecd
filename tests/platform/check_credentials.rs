//! `sso-lab check` where the deployment has opaque tokens, and a client whose own certificate
//! is registered.

use testkit::{Plan, Processes, TestCertificate};

use crate::check::{BY_KEY, OPAQUE, SELF_SIGNED, check};

#[tokio::test(flavor = "multi_thread")]
async fn check_plays_opaque_tokens_and_a_self_signed_certificate_where_there_are_some() {
    let own = TestCertificate::self_signed("batch-mtls");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("own.pem"), format!("{}{}", own.certificate, own.key)).unwrap();
    let registered: &'static str = Box::leak(
        format!(
            "auth = [\"self_signed_tls_client_auth\"]\ntls_client_certificate_file = \"{}\"",
            path("own.crt")
        )
        .into_boxed_str(),
    );
    std::fs::write(path("own.crt"), &own.certificate).unwrap();
    let platform = Processes::start(&Plan {
        environment: vec![("API2_TOKENS".to_owned(), "introspection".to_owned())],
        idp_config: vec![
            (
                "auth = [\"tls_client_auth\"]\ntls_client_auth_subject_dn = \"CN=batch-mtls\"",
                registered,
            ),
            (
                "audience = \"https://api-2\"\ntitle = \"Inventory\"",
                "audience = \"https://api-2\"\ntitle = \"Inventory\"\naccess_token_format = \"opaque\"",
            ),
        ],
        ..Plan::default()
    })
    .await;
    let lab = platform.state_dir().join("ca.pem").display().to_string();
    let certificate = [
        "--client-certificate-file",
        &path("own.pem"),
        "--mtls-ca-file",
        &lab,
    ];
    let flags = [&["--password", "", "--timeout", "60s"], &certificate[..]].concat();
    let checked = check(&platform, &flags);
    assert_eq!(checked.code, Some(0), "{}", checked.output);
    let skipped = [OPAQUE[0], BY_KEY, "the flows of a signed-in user"];
    assert_eq!(checked.steps("skipped"), skipped, "{}", checked.output);
    assert_eq!(checked.line(SELF_SIGNED)["note"], "batch-mtls");
    let opaque = checked.line(OPAQUE[1])["note"].to_string();
    assert!(opaque.contains("batch, "), "{opaque}");

    // One that nobody registered is no reason to skip the step.
    let other = TestCertificate::self_signed("batch-mtls");
    std::fs::write(
        path("own.pem"),
        format!("{}{}", other.certificate, other.key),
    )
    .unwrap();
    let checked = check(&platform, &flags);
    checked.assert_failed(&[
        SELF_SIGNED,
        "api1: takes a bound token from the owner of its certificate alone",
    ]);
}
