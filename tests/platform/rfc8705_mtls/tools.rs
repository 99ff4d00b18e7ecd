//! Programs that people use: `sso-lab batch`, and the commands with openssl and curl that
//! docs/mtls.md shows.

use std::{path::Path, time::Duration};

use kit::config::Site;
use reqwest::Method;
use testkit::{Child, ClientAuth, Platform, binary};
use tests::own_addresses;

use super::lab_certificate;

/// What a run may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(90);
const GUIDE: &str = include_str!("../../../docs/mtls.md");

fn run(program: &Path, flags: &[&str], environment: &[(String, String)]) -> (String, Option<i32>) {
    let run = || Child::run_to_end(program, flags, environment, SOON);
    tokio::task::block_in_place(run)
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_works_with_a_certificate_of_the_labs_ca_or_with_one_in_files() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let orders = "{\"item\": \"playing-card\", \"quantity\": 1}\n".repeat(4);
    std::fs::write(at("orders.jsonl"), orders).unwrap();
    let state = platform.state_dir().to_str().unwrap();
    let (ca, file) = (format!("{state}/ca.pem"), at("orders.jsonl"));
    let issued = lab_certificate(&platform, "batch-mtls");
    std::fs::write(at("own.pem"), issued.certificate).unwrap();
    std::fs::write(at("own.key"), issued.key).unwrap();
    let (certificate, key) = (at("own.pem"), at("own.key"));
    let own = ["batch", "--client-id", "batch-mtls"];
    let by_state = ["--state-dir", state, &file];
    let by_files = [
        "--client-certificate-file",
        &certificate,
        "--client-key-file",
        &key,
        "--ca-file",
        &ca,
        &file,
    ];
    let program = binary("sso-lab");
    for flags in [&by_state[..], &by_files] {
        let flags = [&own, flags].concat();
        let (output, code) = run(&program, &flags, &own_addresses(&platform));
        assert_eq!(code, Some(0), "{output}");
        assert!(
            output.contains(" s: 4 done, 0 failed, 0 unknown."),
            "{output}"
        );
    }
    // Nothing of it went over the ports without certificates.
    assert!(!platform.tap(Site::Idp).requests().contains("POST /token"));
    assert!(
        !platform
            .tap(Site::Api1)
            .requests()
            .contains("POST /resource")
    );
    let (output, code) = run(&program, &own, &own_addresses(&platform));
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("batch-mtls needs its certificate"),
        "{output}"
    );
}

/// The commands of the guide, with the addresses and the state directory of `platform`.
fn guides_commands(platform: &Platform) -> String {
    let (_, rest) = GUIDE.split_once("```sh\nstate=").unwrap();
    let (commands, _) = rest.split_once("\n```").unwrap();
    let commands = format!("state={commands}");
    [
        (
            "state=.state",
            format!("state={}", platform.state_dir().display()),
        ),
        ("https://idp.localhost:8481", platform.mtls_url(Site::Idp)),
        ("https://api1.localhost:8484", platform.mtls_url(Site::Api1)),
        ("http://api1.localhost:8084", platform.url(Site::Api1)),
    ]
    .into_iter()
    .fold(commands, |text, (shown, real)| {
        assert!(text.contains(shown), "{shown} in {text}");
        text.replace(shown, &real)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_commands_with_openssl_and_curl_do_what_it_says() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("guide.sh");
    let text = format!(
        "set -euo pipefail\ncd {}\n{}\n",
        folder.path().display(),
        guides_commands(&platform)
    );
    std::fs::write(&script, text).unwrap();
    // The provider's clock stands still, and openssl's certificate begins to be valid now.
    platform.advance(Duration::from_secs(60));
    let (output, code) = run(Path::new("bash"), &[script.to_str().unwrap()], &[]);
    assert_eq!(code, Some(0), "{output}");
    let lines: Vec<_> = output.lines().collect();
    let has = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(has("subject=CN=batch-mtls"), "{output}");
    assert!(has("\"client_id\":\"batch-mtls\""), "{output}");
    // The thumbprint by openssl is the token's.
    let printed = lines
        .iter()
        .find_map(|line| line.strip_prefix("thumbprint "));
    let printed = printed.unwrap_or_else(|| panic!("{output}"));
    assert!(has(&format!("\"x5t#S256\":\"{printed}\"")), "{output}");
    assert!(has("401"), "{output}");
    assert!(has("Verify return code: 0 (ok)"), "{output}");
    // The service asks for a certificate, and goes on without one.
    let machine = platform.mtls_machine(ClientAuth::public("batch-mtls"), None);
    let url = format!("{}/readyz", platform.mtls_url(Site::Api1));
    assert_eq!(machine.call_unsigned(Method::GET, &url).await.status, 200);
}
