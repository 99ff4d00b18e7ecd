//! The programs themselves: how they start, refuse to, and end.

use std::{net::TcpListener, path::Path, time::Duration};

use testkit::{Child, HeadlessBrowser, RedisServer, binary, free_offset};
use tests::{ALICE, all_in_one, offset_of, session_at, sign_in_to, wait::comes_true};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// What a bad start may take.
const AT_ONCE: Duration = Duration::from_secs(5);
/// What a good one may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(30);

fn run(program: &str, flags: &[&str], folder: &Path) -> Child {
    Child::spawn(
        &binary(program),
        flags,
        &[("REDIS_URL".to_owned(), String::new())],
        folder.join("log"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_is_ready_when_it_prints_its_table_and_sigterm_ends_it_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, addresses) = all_in_one(folder.path(), &[]).await;
    let offset = offset_of(&addresses);
    let table = child.output();
    let http = kit::net::http_client();
    for (label, port) in [
        ("lab", 8080),
        ("idp", 8081),
        ("app1", 8082),
        ("app2", 8083),
        ("api1", 8084),
        ("api2", 8085),
    ] {
        let url = format!("http://{label}.localhost:{}", port + offset);
        assert!(table.contains(&url), "{url} is not in {table}");
        let ready = http.get(format!("{url}/readyz")).send().await.unwrap();
        assert_eq!(ready.status(), 200, "{url}");
    }
    assert!(
        ["alice", "bob", "builder"]
            .iter()
            .all(|word| table.contains(word)),
        "{table}"
    );
    assert!(!table.contains("carol"), "{table}");
    child.terminate();
    let status = child.wait(Duration::from_secs(15)).expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", child.output());
}

#[test]
fn a_taken_port_is_one_clear_line_and_exit_code_2_within_5_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let offset = free_offset(1);
    let taken = TcpListener::bind(("127.0.0.1", 8083 + offset)).unwrap();
    for program in ["sso-lab", "app2-bff"] {
        let mut child = run(
            program,
            &["--port-offset", &offset.to_string()],
            folder.path(),
        );
        let status = child.wait(AT_ONCE).expect("it ends within 5 s");
        assert_eq!(status.code(), Some(2), "{}", child.output());
        let port = taken.local_addr().unwrap().port().to_string();
        let lines: Vec<_> = child.output().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 1, "{program}: {lines:#?}");
        assert!(
            lines[0].contains(&port) && lines[0].contains("taken"),
            "{program}: {lines:#?}"
        );
    }
}

#[test]
fn another_program_at_either_loopback_address_is_named_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let offset = free_offset(1);
    for address in ["127.0.0.1", "::1"] {
        let Ok(taken) = TcpListener::bind((address, 8082 + offset)) else {
            continue; // A machine without IPv6 has no such program.
        };
        for program in ["sso-lab", "app1-bff"] {
            let flags = ["--port-offset", &offset.to_string()];
            let mut child = run(program, &flags, folder.path());
            let status = child.wait(AT_ONCE).expect("it ends within 5 s");
            assert_eq!(status.code(), Some(2), "{}", child.output());
            let named = format!("{} (app1): already taken", taken.local_addr().unwrap());
            assert!(child.output().contains(&named), "{}", child.output());
        }
    }
}

#[test]
fn a_bad_configuration_is_a_line_for_each_error_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [
        "--bind",
        "nowhere",
        "--workers",
        "0",
        "--domain",
        "example.com",
        "--log-format",
        "loud",
        "--redis-url",
        "ftp://redis",
    ];
    for program in [
        "sso-lab", "idp", "app1-bff", "app2-bff", "api-1", "api-2", "lab",
    ] {
        let mut child = run(program, &wrong, folder.path());
        let status = child.wait(AT_ONCE).expect("it ends within 5 s");
        assert_eq!(status.code(), Some(2), "{program}: {}", child.output());
        let output = child.output();
        for key in [
            "BIND",
            "WORKERS",
            "PUBLIC_SCHEME",
            "LOG_FORMAT",
            "REDIS_URL",
        ] {
            assert_eq!(
                output.lines().filter(|line| line.contains(key)).count(),
                1,
                "{program}, {key}: {output}"
            );
        }
    }
}

#[test]
fn help_lists_every_setting_with_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    for program in [
        "sso-lab", "idp", "app1-bff", "app2-bff", "api-1", "api-2", "lab",
    ] {
        let mut child = run(program, &["--help"], folder.path());
        assert_eq!(
            child.wait(AT_ONCE).and_then(|status| status.code()),
            Some(0)
        );
        let help = child.output();
        for word in [
            "--port-offset",
            "PORT_OFFSET",
            "--state-dir",
            "STATE_DIR",
            "REDIS_URL",
            "DOMAIN",
            "DRAIN_NOTICE",
            "DRAIN_TIMEOUT",
            "TLS_CERT_FILE",
        ] {
            assert!(help.contains(word), "{program}: {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_up_yet_is_awaited_and_logged() {
    const ALL: [(&str, u16); 5] = [
        ("idp", 8081),
        ("app1-bff", 8082),
        ("app2-bff", 8083),
        ("api-1", 8084),
        ("api-2", 8085),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut redis = testkit::RedisServer::start();
    redis.stop();
    let offset = free_offset(1);
    let environment = [("REDIS_URL".to_owned(), redis.url())];
    let state = folder.path().join("state").display().to_string();
    let flags = [
        format!("--port-offset={offset}"),
        format!("--state-dir={state}"),
    ];
    let start = |program| {
        let log = folder.path().join(program);
        Child::spawn(&binary(program), &flags, &environment, log)
    };
    let mut children = ALL.map(|(program, port)| (start(program), port + offset));
    let http = kit::net::http_client();
    let get = async |port: u16, path: &str| {
        let url = format!("http://127.0.0.1:{port}{path}");
        let answer = http.get(&url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (child, port) in &mut children {
        child.until_output("waiting for", SOON).await;
        let (status, why) = get(*port, "/readyz").await;
        assert!(status == 503 && why.contains("store"), "{port}: {why}");
        assert_eq!(get(*port, "/healthz").await.0, 200, "{port}");
    }
    for port in [9081, 9085] {
        let said = health(port + offset).await;
        assert_eq!(said, ServingStatus::NotServing, "{port}");
    }
    redis.restart();
    for (_, port) in &children {
        let is_ready = async || get(*port, "/readyz").await.0 == 200;
        let in_time = comes_true(SOON, is_ready).await;
        assert!(in_time, "{port}: not ready once Redis was there");
    }
    for port in [9081, 9085] {
        let serves = async || health(port + offset).await == ServingStatus::Serving;
        assert!(comes_true(SOON, serves).await, "{port}: does not serve");
    }
    for (child, _) in &children {
        child.terminate();
    }
    for (child, port) in &mut children {
        let ended = child.wait(Duration::from_secs(15));
        assert_eq!(ended.and_then(|status| status.code()), Some(0), "{port}");
    }
}

/// What the gRPC server at `port` says about itself.
async fn health(port: u16) -> ServingStatus {
    let channel = kit::net::Trust::default()
        .grpc_channel(&format!("http://127.0.0.1:{port}"))
        .unwrap();
    let asked = HealthCheckRequest::default();
    let answer = HealthClient::new(channel).check(asked).await.unwrap();
    answer.get_ref().status()
}

/// Two platforms of the same test run must not be given each other's ports.
#[test]
fn no_two_offsets_share_a_port() {
    use kit::config::{Addresses, Site};
    let ports = |offset: u16| {
        let addresses = Addresses::new("http", "localhost", offset);
        let of = |site: &Site| [Some(addresses.port(*site)), addresses.grpc_port(*site)];
        let all: Vec<u16> = Site::ALL.iter().flat_map(of).flatten().collect();
        all.into_iter()
            .flat_map(|port| [port, port + 100, port + 200])
            .collect::<Vec<_>>()
    };
    let offsets: Vec<u16> = (0..12).map(|_| free_offset(2)).collect();
    let mut all: Vec<u16> = offsets.iter().flat_map(|offset| ports(*offset)).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "{offsets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_and_a_state_directory_sessions_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start();
    let offset = free_offset(1);
    let state = folder.path().join("state");
    let (offset_text, url) = (offset.to_string(), redis.url());
    let flags = [
        "up",
        "--port-offset",
        &offset_text,
        "--redis-url",
        &url,
        "--state-dir",
        state.to_str().unwrap(),
    ];
    let app1 = format!("http://app1.localhost:{}", 8082 + offset);
    let mut cli = HeadlessBrowser::new();
    for run_number in 0..2 {
        let mut child = run("sso-lab", &flags, folder.path());
        child.until_output("wonderland", SOON).await;
        if run_number == 0 {
            sign_in_to(&mut cli, &app1, ALICE).await;
        }
        let session = session_at(&mut cli, &app1).await;
        assert_eq!(
            session["authenticated"], true,
            "run {run_number}: {session}"
        );
        assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
        child.terminate();
        let status = child.wait(Duration::from_secs(15)).expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", child.output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_domain_is_https_and_issuer_and_links_follow() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--domain", "sso.example", "--public-scheme", "https"];
    let flags = [&flags[..], &["--demo-credentials"]].concat();
    let (child, addresses) = all_in_one(folder.path(), &flags).await;
    let table = child.output();
    assert!(table.contains("https://app1.sso.example"), "{table}");
    let offset = offset_of(&addresses);
    let http = kit::net::http_client();
    let at = |port: u16, path: &str| http.get(format!("http://127.0.0.1:{}{path}", port + offset));
    let document = at(8081, "/.well-known/openid-configuration")
        .send()
        .await
        .unwrap();
    let document: serde_json::Value =
        serde_json::from_str(&document.text().await.unwrap()).unwrap();
    assert_eq!(document["issuer"], "https://idp.sso.example");
    let login = at(8082, "/login").send().await.unwrap();
    let target = login.headers()["location"].to_str().unwrap().to_owned();
    assert!(
        target.starts_with("https://idp.sso.example/authorize?"),
        "{target}"
    );
    assert!(
        target.contains("redirect_uri=https%3A%2F%2Fapp1.sso.example%2Fcallback"),
        "{target}"
    );
}
