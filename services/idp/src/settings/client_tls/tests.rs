//! The settings of clients with certificates, read and refused.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kit::{
    clock::{Clock as _, SystemClock},
    config::Addresses,
    random::OsRandom,
    tls::{Authority, Issued},
};
use serde_json::json;

use super::{
    super::{DEFAULT, Settings},
    CertificateSource, MAX_CERTIFICATES, of_jwks,
};

const AUTH: &str = "auth = [\"tls_client_auth\"]\ntls_client_auth_subject_dn = \"CN=batch-mtls\"";

/// The built-in configuration, with `lines` instead of batch-mtls's authentication.
fn with(lines: &str) -> Result<Settings, Vec<String>> {
    assert!(DEFAULT.contains(AUTH));
    let text = DEFAULT.replace(AUTH, lines);
    Settings::parse("test.toml", &text, &Addresses::default(), None)
        .map_err(|problems| problems.lines().to_vec())
}

/// The one error about batch-mtls.
fn error(lines: &str) -> String {
    let errors = with(lines).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors[0].strip_prefix("test.toml: clients[batch-mtls].");
    error.unwrap_or_else(|| panic!("{errors:?}")).to_owned()
}

fn issued() -> Issued {
    let now = SystemClock.now();
    let lab = Authority::new(now, &OsRandom).unwrap();
    lab.client("batch", &[], now).unwrap()
}

#[test]
fn rfc8705_2_1_2_exactly_one_name_is_expected() {
    let method = "auth = [\"tls_client_auth\"]";
    for name in [
        "subject_dn = \"CN=batch,O=Example\"",
        "san_dns = \"batch.example\"",
        "san_uri = \"urn:batch\"",
        "san_ip = \"2001:db8::1\"",
        "san_email = \"batch@example.org\"",
    ] {
        let settings = with(&format!("{method}\ntls_client_auth_{name}")).unwrap();
        let client = settings.client("batch-mtls").unwrap();
        assert!(client.tls.name.is_some() && client.tls.bound_tokens);
        let other = format!("auth = [\"none\"]\ntls_client_auth_{name}");
        let errors = with(&other).unwrap_err().join("\n");
        assert!(errors.contains("needs the method tls_client_auth"));
    }
    assert!(error(method).starts_with("auth: tls_client_auth needs exactly one of "));
    let two = "tls_client_auth_san_dns = \"a\"\ntls_client_auth_san_ip = \"::1\"";
    let error_of_two = error(&format!("{method}\n{two}"));
    let expected = "tls_client_auth_san_ip: set beside tls_client_auth_san_dns; exactly one";
    assert!(error_of_two.starts_with(expected), "{error_of_two}");
    for (name, what) in [
        ("subject_dn = \"batch\"", "RFC 4514"),
        ("san_dns = \"*.example\"", "without wildcards"),
        ("san_uri = \"batch\"", "URI"),
        ("san_ip = \"localhost\"", "IPv6 address"),
        ("san_email = \"batch\"", "e-mail"),
    ] {
        let error = error(&format!("{method}\ntls_client_auth_{name}"));
        assert!(error.contains(what), "{name}: {error}");
    }
}

const SELF_SIGNED: &str = "auth = [\"self_signed_tls_client_auth\"]";

#[test]
fn rfc8705_2_2_2_a_certificate_is_registered_in_x5c_or_in_a_file() {
    let issued = issued();
    let der = issued.certificate.to_vec();
    // A key that signs no assertion will do: only its certificate counts.
    let jwks = json!({ "keys": [{ "kty": "EC", "x5c": [STANDARD.encode(&der)] }] });
    let home = tempfile::tempdir().unwrap();
    let files = [
        ("c.pem", issued.certificate_pem()),
        ("c.json", jwks.to_string()),
    ];
    let [pem, json] = files.map(|(name, text)| {
        let file = home.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    });
    let x5c = format!(
        "{{ keys = [{{ kty = \"EC\", x5c = [{:?}] }}] }}",
        STANDARD.encode(&der)
    );
    for lines in [
        format!("tls_client_certificate_file = {pem:?}"),
        format!("jwks_file = {json:?}"),
        format!("jwks = {x5c}"),
    ] {
        let settings = with(&format!("{SELF_SIGNED}\n{lines}")).unwrap();
        let client = settings.client("batch-mtls").unwrap();
        let registered = client.tls.registered.clone().unwrap();
        let read = registered.read().unwrap();
        assert_eq!(read, std::slice::from_ref(&der), "{lines}");
    }
    // In the state directory, it may not exist yet.
    let later = "tls_client_certificate_file = \"later.pem\"";
    assert!(with(&format!("{SELF_SIGNED}\n{later}")).is_ok());
    let unused = error(&format!("{AUTH}\ntls_client_certificate_file = {pem:?}"));
    assert!(unused.ends_with("needs the method self_signed_tls_client_auth"));
}

#[test]
fn rfc8705_2_2_2_a_certificate_that_is_missing_or_cannot_be_read_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let wrong = "c2VjcmV0LWtleQ==";
    std::fs::write(home.path().join("wrong.pem"), issued().key_pem()).unwrap();
    let key = home.path().join("wrong.pem").display().to_string();
    for (lines, expected) in [
        (
            "",
            "tls_client_certificate_file: self_signed_tls_client_auth needs",
        ),
        ("jwks = { keys = [] }", "jwks: it has 0 certificates"),
        (
            &format!("jwks = {{ keys = [{{ x5c = [{wrong:?}] }}] }}"),
            "jwks: certificate 1 cannot be read",
        ),
        (
            "jwks = { keys = [{ x5c = [\"?\"] }] }",
            "jwks: not a JWKS with certificates",
        ),
        (
            "tls_client_certificate_file = \"/nowhere.pem\"",
            "tls_client_certificate_file: /nowhere.pem: ",
        ),
        (
            &format!("tls_client_certificate_file = {key:?}"),
            "tls_client_certificate_file: it has 0 certificates",
        ),
    ] {
        let error = error(&format!("{SELF_SIGNED}\n{lines}"));
        assert!(error.starts_with(expected), "{lines}: {error}");
        assert!(!error.contains(wrong), "{error}");
    }
}

#[test]
fn an_error_about_a_damaged_file_shows_no_part_of_it() {
    let secret = "x".repeat(2000);
    let file = tempfile::NamedTempFile::new().unwrap();
    let damaged = format!("-----BEGIN {secret}-----\nAAAA\n-----END CERTIFICATE-----\n");
    std::fs::write(file.path(), damaged).unwrap();
    let error = CertificateSource::Pem(file.path().to_owned()).read();
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("not PEM (RFC 7468)"), "{error}");
}

#[test]
fn a_key_that_signs_assertions_is_still_needed_beside_a_certificate() {
    let both = "auth = [\"private_key_jwt\", \"self_signed_tls_client_auth\"]";
    let x5c = STANDARD.encode(&issued().certificate);
    let jwks = format!("jwks = {{ keys = [{{ kty = \"EC\", x5c = [{x5c:?}] }}] }}");
    let error = error(&format!("{both}\n{jwks}"));
    assert!(
        error.starts_with("jwks: it has no public key for ES256"),
        "{error}"
    );
}

#[test]
fn fuzz_registered_certificates() {
    let der = issued().certificate.to_vec();
    let key = json!({ "kty": "EC", "x5c": [STANDARD.encode(&der), "AAAA"] });
    let jwks = json!({ "keys": [key, { "kty": "EC" }] }).to_string();
    let pem = issued().bundle();
    let file = tempfile::NamedTempFile::new().unwrap();
    fuzz::run(&[jwks.as_bytes(), pem.as_bytes()], |bytes| {
        if let Ok(all) = of_jwks(bytes) {
            assert!(all.iter().all(|der| der.len() < bytes.len()));
        }
        std::fs::write(file.path(), bytes).unwrap();
        let source = CertificateSource::Pem(file.path().to_owned());
        match source.read() {
            Ok(all) => assert!((1..=MAX_CERTIFICATES).contains(&all.len())),
            Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
        }
    });
}
