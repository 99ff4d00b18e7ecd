//! Peers, collectors and the command line over https, with a CA that the system
//! does not know (`CA_FILE`).

use std::time::Duration;

use kit::{config::Site, net::Trust};
use testkit::{Child, HeadlessBrowser, Otlp, Plan, Processes, Protocol, TlsFront, binary};
use tests::{ALICE, session_at, sign_in_to, wait::comes_true};

const SOON: Duration = Duration::from_secs(60);

/// The output and the exit code of `sso-lab` with these flags.
fn command(flags: &[&str]) -> (String, Option<i32>) {
    tokio::task::block_in_place(|| Child::run_to_end(&binary("sso-lab"), flags, &[], SOON))
}

#[tokio::test(flavor = "multi_thread")]
async fn ca_file_is_trusted_by_every_service_for_all_that_it_calls_over_https() {
    let state = tempfile::tempdir().unwrap();
    let key = state.path().join("operator.key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let key = key.to_str().unwrap();
    // Ready: discovery and JWKS were had over https.
    let platform = Processes::start(&Plan {
        over_tls: true,
        environment: vec![own("IDP_OPERATOR_KEY_FILE", key)],
        ..Plan::default()
    })
    .await;
    let mut cli = HeadlessBrowser::new();
    use_both_apps(&platform, &mut cli).await;

    let operator = Operator {
        key: key.to_owned(),
        idp: platform.front().url("idp.localhost"),
        ca: platform.ca_file().display().to_string(),
    };
    operator.reaches_the_provider_with_the_ca_alone();
    check_needs_the_ca(&platform, &operator.ca);

    // The end of all sessions is told to the apps over https.
    operator.ends_sessions_of_alice();
    for site in [Site::App1, Site::App2] {
        let app = platform.url(site);
        let has_ended = async || session_at(&mut cli, &app).await["authenticated"] != true;
        assert!(comes_true(SOON, has_ended).await, "{site:?}");
    }
}

/// A code's redemption at both apps, and all that the APIs call, exchange among it.
async fn use_both_apps(platform: &Processes, cli: &mut HeadlessBrowser) {
    for site in [Site::App1, Site::App2] {
        let app = platform.url(site);
        sign_in_or_go_on(cli, &app).await;
        for path in ["/api1/data", "/api1/report", "/api2/data"] {
            let answer = cli.fetch_get(path).await;
            assert_eq!(answer.status, 200, "{site:?} {path}: {answer:?}");
        }
        let order = serde_json::json!({"item": "chess-set", "quantity": 1});
        let placed = cli.fetch_post("/api1/data", &order).await;
        assert_eq!(placed.status, 201, "{site:?}: {placed:?}");
    }
}

/// The operator's command line, which speaks gRPC.
struct Operator {
    /// The file of the key.
    key: String,
    /// Where the provider is.
    idp: String,
    /// The file of the CA.
    ca: String,
}

impl Operator {
    /// The output and the exit code of `sso-lab sessions` with these flags.
    fn sessions(&self, flags: &[&str]) -> (String, Option<i32>) {
        let at = [
            "--operator-key-file",
            &self.key,
            "--idp-grpc-url",
            &self.idp,
        ];
        command(&[&["sessions"], flags, &at].concat())
    }

    fn reaches_the_provider_with_the_ca_alone(&self) {
        let (said, code) = self.sessions(&["list"]);
        assert_eq!(code, Some(1), "whom nobody trusts is not reached: {said}");
        let (said, code) = self.sessions(&["list", "--ca-file", &self.ca]);
        assert!(code == Some(0) && said.contains("alice"), "{said}");
    }

    fn ends_sessions_of_alice(&self) {
        let end = ["revoke", "--user", "alice", "--ca-file", &self.ca];
        let (said, code) = self.sessions(&end);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// `sso-lab check` speaks HTTP.
fn check_needs_the_ca(platform: &Processes, ca: &str) {
    let idp = platform.front().url("idp.localhost");
    let port = platform.addresses().port(Site::Idp);
    let offset = (port - 8081).to_string();
    let connect = format!("idp.localhost:{port}={idp}");
    let check = [
        "check",
        "--port-offset",
        &offset,
        "--connect",
        &connect,
        "--password",
        "",
    ];
    let (said, code) = command(&check);
    assert_eq!(code, Some(1), "{said}");
    let (said, code) = command(&[&check[..], &["--ca-file", ca]].concat());
    assert_eq!(code, Some(0), "{said}");
}

/// The provider's session serves the second app.
async fn sign_in_or_go_on(cli: &mut HeadlessBrowser, app: &str) {
    cli.goto(&format!("{app}/login")).await;
    if !cli.page().url().as_str().starts_with(app) {
        sign_in_to(cli, app, ALICE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_an_untrusted_or_mismatched_certificate_is_not_called() {
    let front = TlsFront::start(&["idp.localhost"]).await;
    let trust = Trust::in_pem(front.ca().as_bytes()).unwrap();
    for (trust, name, is_fine) in [
        (&trust, "idp.localhost", true),
        (&trust, "app1.localhost", false),
        (&Trust::default(), "idp.localhost", false),
    ] {
        let port = front.url(name).rsplit(':').next().unwrap().parse().unwrap();
        let connected = trust.tls(&[b"h2"]).connect(name, port).await;
        assert_eq!(connected.is_ok(), is_fine, "{name}: {connected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_by_grpc_goes_over_https_to_a_collector_that_ca_file_trusts() {
    let front = TlsFront::start(&["collector.localhost"]).await;
    let otlp = Otlp::start().await;
    let collector = otlp
        .endpoint()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    front.lead("collector.localhost", Protocol::Grpc, collector);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    // As an editor saves it.
    std::fs::write(&ca, format!("\u{feff}{}", front.ca().replace('\n', "\r\n"))).unwrap();
    let platform = Processes::start(&Plan {
        otlp_endpoint: Some(front.url("collector.localhost")),
        environment: vec![("CA_FILE".to_owned(), ca.display().to_string())],
        ..Plan::default()
    })
    .await;
    HeadlessBrowser::new().goto(&platform.url(Site::Api2)).await;
    let spans = otlp.until(SOON, |spans| !spans.is_empty()).await;
    assert!(!spans.is_empty(), "{:#?}", platform.output());
}
