//! Secrets and passwords that everybody knows serve localhost alone.

use std::time::Duration;

use kit::net::http_client;
use testkit::{Child, binary, free_offset};

const SOON: Duration = Duration::from_secs(60);
const PUBLIC: [&str; 4] = ["--domain", "sso.example.com", "--public-scheme", "https"];

/// The exit code of `program` outside localhost, and what it said.
fn run(program: &str, flags: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let flags = [&PUBLIC[..], flags].concat();
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (said, code) = Child::run_to_end(&binary(program), &flags, &environment, SOON);
    (code, said)
}

#[test]
fn every_binary_refuses_known_secrets_and_passwords_outside_localhost() {
    let (code, said) = run("idp", &[], &[("REDIS_URL", "")]);
    assert_eq!(code, Some(2), "{said}");
    for key in [
        "clients[app1].secret",
        "clients[api-1].secret",
        "clients[batch].secret",
        "clients[demo_rp].secret",
        "users[alice].password_hash",
        "users[bob].password_hash",
    ] {
        assert_eq!(said.matches(key).count(), 1, "{key}: {said}");
    }
    assert!(
        !said.contains("-secret:") && !said.contains("$argon2id"),
        "{said}"
    );
    for (program, name, secret) in [
        ("app1-bff", "APP1_CLIENT_SECRET", "app1-secret"),
        ("api-1", "API1_CLIENT_SECRET", "api-1-secret"),
        ("app1-bff", "APP1_CLIENT_SECRET", "x"),
        ("api-1", "API1_CLIENT_SECRET", "fifteen-letters"),
    ] {
        let (code, said) = run(program, &[], &[(name, secret), ("REDIS_URL", "")]);
        assert_eq!(
            (code, said.contains(name)),
            (Some(2), true),
            "{secret}: {said}"
        );
    }
    let (code, said) = run("sso-lab", &["--lab"], &[("REDIS_URL", "")]);
    assert_eq!(code, Some(2), "a lab is no reason: {said}");
    assert!(said.contains("users[alice].password_hash"), "{said}");
}

#[test]
fn a_new_hash_of_a_demo_password_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("idp.toml");
    let default = idp::settings::DEFAULT;
    let (rest, _) = default.split_once("[[users]]").unwrap();
    let hash = |password| idp::hash_password(password, &kit::random::OsRandom).unwrap();
    let users = ["wonderland", "builder", "chess", "a password of one's own"].map(|password| {
        format!(
            "[[users]]\nsub = \"{password}\"\nusername = \"{}\"\nname = \"n\"\nemail = \"e@example.com\"\npassword_hash = \"{}\"\n",
            password.split(' ').next().unwrap(),
            hash(password)
        )
    });
    let rest = rest.replace("-secret\"", "-secret-of-a-good-length\"");
    std::fs::write(&config, format!("{rest}{}", users.concat())).unwrap();
    let flags = ["--config", config.to_str().unwrap()];
    let (code, said) = run("idp", &flags, &[("REDIS_URL", "")]);
    assert_eq!(code, Some(2), "{said}");
    for known in ["wonderland", "builder", "chess"] {
        let key = format!("users[{known}].password_hash");
        assert!(said.contains(&key), "{key}: {said}");
    }
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_allows_demo_credentials_on_any_domain() {
    let folder = tempfile::tempdir().unwrap();
    let offset = free_offset(1);
    let offset_flag = format!("--port-offset={offset}");
    let flags = [&PUBLIC[..], &[&offset_flag, "--demo-credentials"]].concat();
    let environment = [("REDIS_URL".to_owned(), String::new())];
    let log = folder.path().join("log");
    let mut child = Child::spawn(&binary("sso-lab"), &flags, &environment, log);
    let ready = format!("http://127.0.0.1:{}/readyz", 8081 + offset);
    let in_time = tokio::time::timeout(SOON, async {
        while !http_client()
            .get(&ready)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            assert!(child.ended().is_none(), "it ended: {}", child.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(in_time.await.is_ok());
}
