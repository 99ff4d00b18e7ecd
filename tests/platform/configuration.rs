//! What people's files and environments bring: the kinds that every setting and
//! every file has in common.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use kit::config::Site;
use testkit::{Child, HeadlessBrowser, binary, free_offset};
use tests::{ALICE, BOB, Person, all_in_one_with, session_at, sign_in_to};

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

const DODO: Person = ("dodo", "Brillig 4 o'clock");

/// The files of `folder` for [`up_with_marked_files`], all as an editor saves them, and
/// the environment that names them.
fn marked_files(folder: &Path) -> Vec<(String, String)> {
    let path = |name: &str| folder.join(name);
    fs::create_dir(path("state")).unwrap();
    save_marked(&path("password"), &format!("{}\n", DODO.1));
    let password = path("password").display().to_string();
    let flags = ["config", "hash-password", "--password-file", &password];
    let (hash, code) = tokio::task::block_in_place(|| ended("sso-lab", &flags, &[]));
    assert_eq!(code, Some(0), "{hash}");
    let users = format!(
        "[[users]]\nsub = \"u-1\"\nusername = {:?}\nname = \"Dodo\"\nemail = \"d@example.com\"\npassword_hash = {:?}\n",
        DODO.0,
        hash.trim()
    );
    for (file, text) in [
        ("state/users.toml", &*users),
        ("state/app1-at-idp", "a-secret-of-app1's\n"),
        ("app1", "a-secret-of-app1's\n"),
        ("state/operator.key", "0123456789abcdef0123456789abcdef\n"),
        ("idp.toml", &configuration()),
    ] {
        save_marked(&path(file), text);
    }
    let file = |variable: &str, name: &str| {
        let path = path(name).display().to_string();
        (variable.to_owned(), path)
    };
    vec![
        file("APP1_CLIENT_SECRET_FILE", "app1"),
        file("STATE_DIR", "state"),
        file("IDP_CONFIG", "idp.toml"),
    ]
}

/// The built-in configuration with its users and the secret of app1 in files of their own.
fn configuration() -> String {
    let printed = Command::new(binary("sso-lab"))
        .args(["config", "print"])
        .output();
    let printed = String::from_utf8(printed.unwrap().stdout).unwrap();
    let (rest, _) = printed.split_once("[[users]]").unwrap();
    let config = rest.replace("secret = \"app1-secret\"", "secret_file = \"app1-at-idp\"");
    assert_ne!(config, rest);
    format!("users_file = \"users.toml\"\n{config}")
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc3629_6_a_byte_order_mark_in_a_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let offset = free_offset(1);
    let mut environment = marked_files(folder.path());
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    environment.extend([
        own("REDIS_URL", ""),
        own("API1_CLIENT_SECRET", "api-1-secret"),
        own("PORT_OFFSET", &offset.to_string()),
    ]);
    // The second start finds the keys that the first one made, and an editor has touched them.
    for start in 0..2 {
        let log = folder.path().join(format!("log{start}"));
        up_with_marked_files(&environment, offset, log).await;
        for key in [
            "idp-es256.pem",
            "idp-rs256.pem",
            "idp-eddsa.pem",
            "app2-client.pem",
        ] {
            mark(&folder.path().join("state").join(key));
        }
    }
}

/// Starts and ends all services, whose user and operator are those of the files.
async fn up_with_marked_files(environment: &[(String, String)], offset: u16, log: PathBuf) {
    let mut child = Child::spawn(&binary("sso-lab"), &["up"], environment, log);
    child.until_output("sso-lab is ready", SOON).await;
    for (app, port) in [("app1", 8082), ("app2", 8083)] {
        let app = format!("http://{app}.localhost:{}", port + offset);
        let mut cli = HeadlessBrowser::new();
        sign_in_to(&mut cli, &app, DODO).await;
        assert_eq!(session_at(&mut cli, &app).await["user"]["sub"], "u-1");
    }
    let list = || ended("sso-lab", &["sessions", "list"], environment);
    let (listed, code) = tokio::task::block_in_place(list);
    assert!(code == Some(0) && listed.contains(DODO.0), "{listed}");
    child.terminate();
    child.wait(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_labs_with_different_domains_share_no_session_in_one_browser() {
    let mut labs = Vec::new();
    for domain in ["localhost", "two.localhost"] {
        let folder = tempfile::tempdir().unwrap();
        let environment = [("DOMAIN", domain)];
        let (child, addresses) = all_in_one_with(folder.path(), &[], &environment).await;
        let app1 = format!("http://app1.{domain}:{}", addresses.port(Site::App1));
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
