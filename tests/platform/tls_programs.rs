//! The programs with `--tls`: their own certificates, files of one's own, and other
//! programs' clients (openssl, curl).

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use kit::{
    admission::{Admission, Limits},
    clock::{Clock as _, SystemClock, Timestamp},
    config::Site,
    net::Trust,
    random::OsRandom,
    tls::{Acceptor, Authority, ClientCertificates, Identity, Protocol},
};
use testkit::{Child, binary, free_offset};
use tests::{all_in_one, offset_of};
use tokio::net::TcpListener;

/// What a good start may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);

fn start(program: &str, flags: &[&str], environment: &[(String, String)], folder: &Path) -> Child {
    let log = folder.join(format!("{program}.log"));
    let no_redis = ("REDIS_URL".to_owned(), String::new());
    let environment = [&[no_redis], environment].concat();
    Child::spawn(&binary(program), flags, &environment, log)
}

/// The output and the exit code of another program of this machine.
fn run(program: &str, flags: &[&str]) -> (String, Option<i32>) {
    tokio::task::block_in_place(|| Child::run_to_end(Path::new(program), flags, &[], SOON))
}

fn command(flags: &[&str]) -> (String, Option<i32>) {
    tokio::task::block_in_place(|| Child::run_to_end(&binary("sso-lab"), flags, &[], SOON))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_over_tls_serves_other_programs_and_its_own_commands() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let (child, addresses) = all_in_one(folder.path(), &["--tls", "--state-dir", &state]).await;
    let offset = offset_of(&addresses);
    let table = child.output();
    let issuer = addresses.url(Site::Idp);
    assert!(table.contains(&issuer), "{table}");
    let ca = format!("{state}/ca.pem");
    assert!(table.contains(&ca), "{table}");

    // The commands find the CA in the state directory.
    let at = ["--tls", "--port-offset", &offset.to_string()].map(ToOwned::to_owned);
    let at: Vec<_> = at.iter().map(String::as_str).collect();
    let kept = ["--state-dir", &state];
    let (said, code) = command(&[&["check"], &at[..], &kept].concat());
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = command(&[&["check", "--password", ""], &at[..]].concat());
    assert_eq!(code, Some(1), "whom nobody trusts: {said}");
    assert!(said.contains("certificate"), "{said}");
    let (said, code) = command(&[&["check"], &at[..], &["--ca-file", &ca]].concat());
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = command(&[&["sessions", "list"], &at[..], &kept].concat());
    assert_eq!(code, Some(0), "{said}");
    let orders = folder.path().join("orders.jsonl");
    fs::write(&orders, "{\"item\": \"chess-set\", \"quantity\": 1}\n").unwrap();
    let orders = orders.display().to_string();
    let (said, code) = command(&[&["batch"], &at[..], &kept, &[&orders]].concat());
    assert_eq!(code, Some(0), "{said}");

    // Other programs, with the CA's certificate.
    let url = format!("{issuer}/.well-known/openid-configuration");
    let (said, code) = run("/usr/bin/curl", &["-sf", "--cacert", &ca, &url]);
    assert!(code == Some(0) && said.contains(&issuer), "{code:?} {said}");
    let (_, code) = run("/usr/bin/curl", &["-sf", &url]);
    assert_eq!(code, Some(60), "curl's code for an untrusted certificate");
    let plain = url.replace("https://", "http://");
    let (said, code) = run("/usr/bin/curl", &["-s", "-m", "20", &plain]);
    assert_eq!(code, Some(0));
    assert_eq!(said, "This port expects https, not http.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9325_3_1_1_tls_1_2_and_1_3_are_offered_and_nothing_older() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let flags = ["--tls", "--state-dir", &state];
    let (_child, addresses) = all_in_one(folder.path(), &flags).await;
    let offset = offset_of(&addresses);
    let ca = format!("{state}/ca.pem");
    for (port, name, protocol) in [
        (8081, "idp.localhost", "http/1.1"),
        (9081, "idp.localhost", "h2"),
        (8082, "localhost", "http/1.1"),
    ] {
        let at = format!("127.0.0.1:{}", port + offset);
        let shaken = |version: &str| {
            let flags = [
                "s_client",
                "-connect",
                &at,
                "-servername",
                name,
                "-verify_hostname",
                name,
                "-verify_return_error",
                "-CAfile",
                &ca,
                "-alpn",
                protocol,
                version,
            ];
            run("/usr/bin/openssl", &flags)
        };
        for version in ["-tls1_2", "-tls1_3"] {
            let (said, code) = shaken(version);
            assert_eq!(code, Some(0), "{version}: {said}");
            assert!(
                said.contains("Verify return code: 0 (ok)"),
                "{version}: {said}"
            );
            assert!(
                said.contains(&format!("ALPN protocol: {protocol}")),
                "{version}: {said}"
            );
        }
        let (said, code) = shaken("-tls1_1");
        assert_eq!(code, Some(1), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_at_localhost_is_possible_by_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let offset = free_offset(1);
    let (offset_text, state) = (offset.to_string(), folder.path().join("state"));
    let issuer = format!("https://localhost:{}", 8081 + offset);
    let state = state.display().to_string();
    let flags = [
        "up",
        "--tls",
        "--port-offset",
        &offset_text,
        "--state-dir",
        &state,
        "--issuer",
        &issuer,
    ];
    let mut child = start("sso-lab", &flags, &[], folder.path());
    child.until_output("wonderland", SOON).await;
    let check = [
        "check",
        "--tls",
        "--port-offset",
        &offset_text,
        "--state-dir",
        &state,
        "--issuer",
        &issuer,
    ];
    let (said, code) = command(&check);
    assert_eq!(code, Some(0), "{said}");
}

/// The certificate and the key of `issued`, and their CA's, as files in `folder`.
fn own_files(folder: &Path, names: &[&str]) -> [PathBuf; 3] {
    let ca = Authority::new(SystemClock.now(), &OsRandom).unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let issued = ca.server(&names, SystemClock.now()).unwrap();
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    [
        put("tls.crt", issued.certificate_pem()),
        put("tls.key", issued.key_pem()),
        put("other-ca.pem", ca.pem()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_files_of_ones_own_serve_a_domain_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key, ca] =
        own_files(folder.path(), &["*.sso.example"]).map(|path| path.display().to_string());
    let flags = [
        "--tls",
        "--domain",
        "sso.example",
        "--demo-credentials",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
    ];
    // Ready: the services reached each other inside the process.
    let (_child, addresses) = all_in_one(folder.path(), &flags).await;
    let port = addresses.port(Site::App1);
    let resolve = format!("app1.sso.example:{port}:127.0.0.1");
    let url = format!("https://app1.sso.example:{port}/login");
    let (said, code) = run(
        "/usr/bin/curl",
        &["-si", "--cacert", &ca, "--resolve", &resolve, &url],
    );
    assert_eq!(code, Some(0), "{said}");
    let said = said.to_ascii_lowercase();
    let issuer = format!(
        "location: https://idp.sso.example:{}/authorize?",
        addresses.port(Site::Idp)
    );
    assert!(said.contains(&issuer), "{said}");
    assert!(
        said.contains("strict-transport-security: max-age=31536000"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_files_are_named_all_at_once_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, ..] = own_files(folder.path(), &["a.example"]);
    let other = tempfile::tempdir().unwrap();
    let [_, key, _] = own_files(other.path(), &["a.example"]);
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    let refused = |certificate: &str, key: &str| {
        let flags = [
            "up",
            "--tls",
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
        ];
        let (said, code) = command(&flags);
        assert_eq!(code, Some(2), "{said}");
        said
    };
    let said = refused("/nowhere/a", "/nowhere/b");
    for line in ["TLS_CERT_FILE: /nowhere/a: ", "TLS_KEY_FILE: /nowhere/b: "] {
        assert!(said.contains(line), "{said}");
    }
    let said = refused(&certificate, &key);
    assert!(
        said.contains("TLS_KEY_FILE: ") && said.contains("not the key of"),
        "{said}"
    );
    let (said, code) = command(&["up", "--tls", "--public-scheme", "http"]);
    assert!(
        code == Some(2) && said.contains("PUBLIC_SCHEME: "),
        "{said}"
    );
}

/// A server with a certificate for `name`, issued at `issued`; its port.
async fn served(ca: &Authority, name: &str, issued: Timestamp) -> u16 {
    let identity = Identity::issued(ca, &[name.to_owned()], issued).unwrap();
    let tls = Acceptor::new(identity, Protocol::Http, ClientCertificates::Ignored).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let admission = Admission::new(Limits::default());
        while let Ok((io, peer)) = listener.accept().await {
            let connection = admission.connect(peer.ip(), false).unwrap();
            // The client ends it.
            let _ = tls.accept(io, &connection).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_a_log_line_with_the_cause() {
    let (now, long_ago) = (SystemClock.now(), Duration::from_hours(400 * 24));
    let ours = Authority::new(now - long_ago, &OsRandom).unwrap();
    let foreign = Authority::new(now, &OsRandom).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, ours.pem()).unwrap();
    let wrong = [
        (
            served(&ours, "other.localhost", now).await,
            "not valid for name",
        ),
        (
            served(&ours, "idp.localhost", now - long_ago).await,
            "expired",
        ),
        (
            served(&foreign, "idp.localhost", now).await,
            "UnknownIssuer",
        ),
    ];
    for (port, cause) in wrong {
        let offset = free_offset(1).to_string();
        let environment = [
            ("CA_FILE".to_owned(), ca.display().to_string()),
            (
                "IDP_INTERNAL_URL".to_owned(),
                format!("https://idp.localhost:{port}"),
            ),
        ];
        let flags = ["--port-offset", &offset];
        let mut child = start("api-2", &flags, &environment, folder.path());
        child
            .until_output("its certificate is not trusted: ", SOON)
            .await;
        let said = child.output();
        assert!(said.contains(cause), "{cause}: {said}");
    }
    let trust = Trust::default().with_root(ours.certificate());
    let port = served(&ours, "idp.localhost", now).await;
    let met = trust
        .tls(&[b"http/1.1"])
        .connect("idp.localhost", port)
        .await;
    assert!(met.is_ok(), "{met:?}");
}
