//! What people's files and environments bring: the kinds that every setting and
//! every file has in common.

use std::{fs, path::Path, process::Command, time::Duration};

use testkit::{Child, HeadlessBrowser, binary, free_offset};
use tests::{ALICE, BOB, session_at, sign_in_to};

/// What a start may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);

const BINARIES: [&str; 7] = [
    "sso-lab", "idp", "app1-bff", "app2-bff", "api-1", "api-2", "lab",
];

/// The output and the exit code of `program`, which ends by itself.
fn ended(program: &str, flags: &[&str], environment: &[(String, String)]) -> (String, Option<i32>) {
    Child::run_to_end(&binary(program), flags, environment, SOON)
}

/// Every variable that the help of `program` names, set to `nothing`.
fn nothing_in_each(program: &str, subcommand: &[&str], nothing: &str) -> Vec<(String, String)> {
    let (help, code) = ended(program, &[subcommand, &["--help"]].concat(), &[]);
    assert_eq!(code, Some(0), "{help}");
    let named = help.split("[env: ").skip(1);
    let mut all: Vec<_> = named
        .filter_map(|rest| rest.split(['=', ']']).next())
        .map(|name| (name.to_owned(), nothing.to_owned()))
        .collect();
    all.dedup();
    all
}

#[test]
fn an_environment_variable_set_to_nothing_counts_as_unset_for_every_setting_of_every_binary() {
    for (program, nothing) in BINARIES
        .iter()
        .flat_map(|name| ["", " \t "].map(|it| (*name, it)))
    {
        let nothing = nothing_in_each(program, &[], nothing);
        assert!(nothing.len() > 12, "{program}: {nothing:?}");
        // One flag is wrong, so that the program ends: nothing else is.
        let (said, code) = ended(program, &["--workers", "0"], &nothing);
        assert_eq!(code, Some(2), "{program}: {said}");
        assert_eq!(said.lines().count(), 1, "{program}: {said}");
        assert!(said.contains("WORKERS: "), "{program}: {said}");
        // Help lists them all the same.
        let (help, _) = ended(program, &["--help"], &nothing);
        assert!(help.contains("[env: STATE_DIR="), "{program}: {help}");
    }
    for (subcommand, wrong, key) in [
        (
            &["sessions", "list"][..],
            &[][..],
            "IDP_OPERATOR_KEY: needed",
        ),
        (&["check"], &["--timeout", "never"], "--timeout: "),
        (&["device", "login"], &["--save", "/nowhere/x"], "--save: "),
        (&["login"], &["--timeout", "never"], "--timeout: "),
        (&["batch"], &["--tries", "0"], "--tries: "),
    ] {
        let nothing = nothing_in_each("sso-lab", subcommand, " ");
        assert!(!nothing.is_empty(), "{subcommand:?}");
        let (said, code) = ended("sso-lab", &[subcommand, wrong].concat(), &nothing);
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{subcommand:?}: {said}");
        assert!(said.contains(key), "{said}");
    }
}

#[test]
fn an_empty_flag_is_refused_where_a_value_is_required() {
    for (flag, key) in [
        ("--domain", "DOMAIN"),
        ("--state-dir", "--state-dir"),
        ("--issuer", "IDP_ISSUER"),
        ("--operator-key", "IDP_OPERATOR_KEY"),
        ("--redis-sentinel-password", "REDIS_SENTINEL_PASSWORD"),
    ] {
        let (said, code) = ended("idp", &[flag, "", "--workers", "0"], &[]);
        assert_eq!(code, Some(2), "{flag}: {said}");
        assert!(said.contains(key), "{flag}: {said}");
    }
}

/// As an editor of another system saves it.
fn save_marked(path: &Path, text: &str) {
    let text = text.replace('\n', "\r\n");
    fs::write(path, format!("\u{feff}{text}")).unwrap();
}

fn mark(path: &Path) {
    save_marked(path, &fs::read_to_string(path).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc3629_6_a_byte_order_mark_in_a_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    fs::create_dir(path("state")).unwrap();
    save_marked(&path("password"), "Brillig 4 o'clock\n");
    let password = text("password");
    let flags = ["config", "hash-password", "--password-file", &password];
    let (hash, code) = tokio::task::block_in_place(|| ended("sso-lab", &flags, &[]));
    assert_eq!(code, Some(0), "{hash}");
    save_marked(
        &path("state/users.toml"),
        &format!(
            "[[users]]\nsub = \"u-1\"\nusername = \"dodo\"\nname = \"Dodo\"\nemail = \"d@example.com\"\npassword_hash = \"{}\"\n",
            hash.trim()
        ),
    );
    save_marked(&path("state/app1-at-idp"), "a-secret-of-app1's\n");
    save_marked(&path("app1"), "a-secret-of-app1's\n");
    save_marked(
        &path("state/operator.key"),
        "0123456789abcdef0123456789abcdef\n",
    );
    let printed = Command::new(binary("sso-lab"))
        .args(["config", "print"])
        .output();
    let printed = String::from_utf8(printed.unwrap().stdout).unwrap();
    let (rest, _) = printed.split_once("[[users]]").unwrap();
    let config = rest.replace("secret = \"app1-secret\"", "secret_file = \"app1-at-idp\"");
    assert_ne!(config, rest);
    save_marked(
        &path("idp.toml"),
        &format!("users_file = \"users.toml\"\n{config}"),
    );

    let offset = free_offset(1);
    let (offset_text, state, config) = (offset.to_string(), text("state"), text("idp.toml"));
    let environment = [
        ("REDIS_URL".to_owned(), String::new()),
        ("APP1_CLIENT_SECRET_FILE".to_owned(), text("app1")),
        ("API1_CLIENT_SECRET".to_owned(), "api-1-secret".to_owned()),
        ("PORT_OFFSET".to_owned(), offset_text),
        ("STATE_DIR".to_owned(), state),
        ("IDP_CONFIG".to_owned(), config),
    ];
    // The second start finds the keys that the first one made, and an editor has touched them.
    for start in 0..2 {
        let log = path(&format!("log{start}"));
        let mut child = Child::spawn(&binary("sso-lab"), &["up"], &environment, log);
        child.until_output("sso-lab is ready", SOON).await;
        for (app, port) in [("app1", 8082), ("app2", 8083)] {
            let app = format!("http://{app}.localhost:{}", port + offset);
            let mut cli = HeadlessBrowser::new();
            sign_in_to(&mut cli, &app, ("dodo", "Brillig 4 o'clock")).await;
            assert_eq!(session_at(&mut cli, &app).await["user"]["sub"], "u-1");
        }
        let (listed, code) =
            tokio::task::block_in_place(|| ended("sso-lab", &["sessions", "list"], &environment));
        assert!(code == Some(0) && listed.contains("dodo"), "{listed}");
        child.terminate();
        child.wait(SOON).unwrap();
        for key in [
            "idp-es256.pem",
            "idp-rs256.pem",
            "idp-eddsa.pem",
            "app2-client.pem",
        ] {
            mark(&path("state").join(key));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_labs_with_different_domains_share_no_session_in_one_browser() {
    let folder = tempfile::tempdir().unwrap();
    let mut labs = Vec::new();
    for domain in ["localhost", "two.localhost"] {
        let offset = free_offset(1);
        let flags = format!("--port-offset={offset}");
        let log = folder.path().join(domain);
        let environment = [("DOMAIN".to_owned(), domain.to_owned())];
        let mut child = Child::spawn(&binary("sso-lab"), &[flags], &environment, log);
        child.until_output("sso-lab is ready", SOON).await;
        let app1 = format!("http://app1.{domain}:{}", 8082 + offset);
        assert!(child.output().contains(&app1), "{}", child.output());
        labs.push((child, app1));
    }
    let mut cli = HeadlessBrowser::new();
    let people = [ALICE, BOB];
    for ((_, app1), person) in labs.iter().zip(people) {
        sign_in_to(&mut cli, app1, person).await;
    }
    for ((_, app1), (name, _)) in labs.iter().zip(people) {
        let session = session_at(&mut cli, app1).await;
        assert_eq!(
            session["user"]["email"],
            format!("{name}@example.com"),
            "{app1}"
        );
    }
}
