//! `sso-lab check` against healthy and broken deployments.

use std::time::Duration;

use kit::config::Site;
use serde_json::{Value, json};
use testkit::{Child, Plan, Processes, binary};
use tests::{all_in_one, offset_of};

use crate::api_keys::add;

/// The limit of a user's flows in four modes, with a debug build on a busy machine.
const LONG: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(30);

/// The result of a run of the command.
pub(crate) struct Checked {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    /// Its lines, if its output is JSON.
    lines: Vec<Value>,
}

fn run(flags: &[&str]) -> Checked {
    let flags = [&["check"], flags].concat();
    let check = || Child::run_to_end(&binary("sso-lab"), &flags, &[], LONG);
    let (output, code) = tokio::task::block_in_place(check);
    let lines = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Checked {
        code,
        lines: lines.collect(),
        output: output.clone(),
    }
}

/// The command for `platform`, as JSON.
pub(crate) fn check(platform: &Processes, flags: &[&str]) -> Checked {
    let offset = offset_of(platform.addresses()).to_string();
    let state = platform.state_dir();
    let state = state.to_str().unwrap();
    let own = ["--json", "--port-offset", &offset, "--state-dir", state];
    run(&[&own, flags].concat())
}

impl Checked {
    /// The steps that ended so, of all scenes.
    pub(crate) fn steps(&self, outcome: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter(|line| line["outcome"] == outcome);
        lines.filter_map(|line| line["step"].as_str()).collect()
    }

    pub(crate) fn line(&self, step: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["step"] == step);
        found.unwrap_or_else(|| panic!("no step {step:?}: {}", self.output))
    }

    fn scenes(&self) -> Vec<&str> {
        let mut scenes: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| line["scene"].as_str())
            .collect();
        scenes.dedup();
        scenes
    }

    pub(crate) fn assert_failed(&self, expected: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.output);
        assert_eq!(self.steps("failed"), expected, "{}", self.output);
    }
}

/// Lets an operator look, so that a test sees what was left signed in.
fn operator() -> (String, String) {
    let key = "an-operators-key-of-a-good-length";
    ("IDP_OPERATOR_KEY".to_owned(), key.to_owned())
}

fn assert_nobody_is_signed_in(platform: &Processes) {
    let url = platform.addresses().grpc_url(Site::Idp).unwrap();
    let flags = ["sessions", "list", "--idp-grpc-url", &url];
    let list = || Child::run_to_end(&binary("sso-lab"), &flags, &[operator()], SOON);
    let (output, _) = tokio::task::block_in_place(list);
    assert_eq!(output.trim(), "Nobody is signed in.");
}

const LOGIN: &str = "app1: signs in with the provider's form";
pub(crate) const BY_KEY: &str = "api1: takes an API key, and refuses a wrong one";
pub(crate) const OPAQUE: [&str; 2] = [
    "api1: refuses an opaque token that was revoked",
    "api2: refuses an opaque token that was revoked",
];
pub(crate) const SELF_SIGNED: &str =
    "idp: takes a self-signed certificate that is registered for its client";
const CHOICE: [&str; 2] = [
    "app1: a login may choose how the app gets its credentials",
    "app2: a login may choose how the app gets its credentials",
];
/// What a deployment with the built-in configuration lacks.
fn lacking() -> Vec<&'static str> {
    [&OPAQUE[..], &[SELF_SIGNED]].concat()
}
const TOLD: &str = "app2: its session has ended (back-channel logout)";

#[tokio::test(flavor = "multi_thread")]
async fn check_plays_all_four_modes_on_replicas_where_a_login_may_choose() {
    let choice = ("BFF_SESSION_MODE_CHOICE".to_owned(), "on".to_owned());
    let names = "spiffe://sso-lab/app1,spiffe://sso-lab/app2";
    let callers = ("API1_IDENTITY_CALLERS".to_owned(), names.to_owned());
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("api-1-keys.json");
    let key = add(&keys, "till", &[]);
    let keys = ("API1_KEYS_FILE".to_owned(), keys.display().to_string());
    let platform = Processes::start(&Plan {
        replicas: 2,
        environment: vec![choice, callers, keys, operator()],
        ..Plan::default()
    })
    .await;
    let checked = check(&platform, &["--api1-key", &key]);
    assert_eq!(checked.code, Some(0), "{}", checked.output);
    assert_eq!(
        checked.scenes(),
        ["stateful", "cached", "hybrid", "stateless"]
    );
    // Only its browser can end a stateless session.
    let skipped = checked.steps("skipped");
    let expected = [&lacking()[..], &[TOLD]].concat();
    assert_eq!(skipped, expected, "{}", checked.output);
    for (app, machine) in [("app1", "app1-machine"), ("app2", "app2-machine")] {
        for (step, note) in [
            (
                "exchanges the user's token, and the APIs know that it acts for the user",
                format!("api1: {app} acts for the user; api2: {app} acts for the user"),
            ),
            (
                "calls the APIs for itself, and they know no user",
                format!("api1: {machine}; api2: {machine}"),
            ),
            (
                "names the user in an assertion, and the APIs know the user by it",
                format!(
                    "api1: the user, whom {machine} named; api2: the user, whom {machine} named"
                ),
            ),
        ] {
            let line = checked.line(&format!("{app}: {step}"));
            assert_eq!(line["note"], note, "{line}");
        }
    }
    let summary = checked.lines.last().unwrap();
    assert_eq!(
        summary["left_behind"],
        "8 orders and 16 reservations, one playing-card each"
    );
    let by_key = checked.line(BY_KEY);
    assert_eq!(
        (&by_key["outcome"], &by_key["note"]),
        (&json!("ok"), &json!("till"))
    );
    for secret in ["wonderland", &key] {
        assert!(!checked.output.contains(secret), "{}", checked.output);
    }
    assert_nobody_is_signed_in(&platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connects_to_other_addresses() {
    let platform = Processes::start(&Plan::default()).await;
    let ways: Vec<_> = [Site::Idp, Site::App1, Site::App2, Site::Api1, Site::Api2]
        .into_iter()
        .map(|site| {
            let public = platform.url(site).replace("http://", "");
            let replica = platform.replica_url(site, 1);
            let port = replica.rsplit_once(':').unwrap().1;
            format!("{public}=127.0.0.1:{port}")
        })
        .collect();
    let (first, others) = (ways[0].as_str(), ways[1..].join(","));
    let checked = check(&platform, &["--connect", first, "--connect", &others]);
    assert_eq!(checked.code, Some(0), "{}", checked.output);
    assert_eq!(checked.scenes(), ["stateful/hybrid"]);
    // The deployment has no keys, and no login may choose.
    let expected = [&lacking()[..], &[BY_KEY], &CHOICE].concat();
    assert_eq!(checked.steps("skipped"), expected, "{}", checked.output);
    for line in checked
        .lines
        .iter()
        .filter(|line| line["outcome"] == "skipped")
    {
        assert_ne!(line["note"], "", "{line}");
    }
    let steps = checked.lines.iter().filter(|line| !line["scene"].is_null());
    assert!(steps.count() >= 20, "{}", checked.output);
    // All requests went to the other addresses.
    for site in [Site::App1, Site::App2, Site::Api1] {
        let said = platform.tap(site).requests();
        assert!(!said.contains("sso-lab-check"), "{site:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_each_failure_on_a_line_and_skips_what_depends_on_it() {
    let mut platform = Processes::start(&Plan::default()).await;
    a_wrong_password_fails_the_login(&platform);
    an_empty_password_skips_the_flows_of_a_user(&platform);
    an_unknown_api_key_fails(&platform);
    platform.kill("api-2");
    a_service_that_is_away_fails(&platform);
}

fn a_wrong_password_fails_the_login(platform: &Processes) {
    let checked = check(platform, &["--password", "jabberwocky"]);
    checked.assert_failed(&[LOGIN]);
    let line = checked.line(LOGIN);
    let note = line["note"].as_str().unwrap();
    assert!(note.contains("password of \"alice\" was refused"), "{note}");
    assert_eq!(line["trace_id"].as_str().map(str::len), Some(32), "{line}");
    let dependent = checked.line("app1: lists orders at API-1");
    assert_eq!(dependent["outcome"], "skipped");
    assert_eq!(dependent["note"], format!("needs: {LOGIN}"));
    assert!(
        !checked.output.contains("jabberwocky"),
        "{}",
        checked.output
    );
}

fn an_empty_password_skips_the_flows_of_a_user(platform: &Processes) {
    let checked = check(platform, &["--password", ""]);
    assert_eq!(checked.code, Some(0), "{}", checked.output);
    let expected = [&lacking()[..], &[BY_KEY, "the flows of a signed-in user"]].concat();
    assert_eq!(checked.steps("skipped"), expected);
    assert!(checked.steps("ok").len() >= 20, "{}", checked.output);
}

fn an_unknown_api_key_fails(platform: &Processes) {
    let unknown = "api1_0123456789abcdef_0123456789012345678901234567890123456789012";
    let checked = check(platform, &["--password", "", "--api1-key", unknown]);
    checked.assert_failed(&[BY_KEY]);
    let why = checked.line(BY_KEY)["note"].to_string();
    assert!(why.contains("401 came instead of 200"), "{why}");
    assert!(!checked.output.contains(unknown), "{}", checked.output);
}

fn a_service_that_is_away_fails(platform: &Processes) {
    let checked = check(platform, &["--timeout", "30s"]);
    checked.assert_failed(&["api2 is alive and ready"]);
    assert_eq!(checked.line(LOGIN)["outcome"], "ok");
    assert_eq!(checked.line("app1: lists orders at API-1")["outcome"], "ok");
    let stock = checked.line("app1: lists stock at API-2, over gRPC");
    assert_eq!(stock["note"], "needs: api2 is alive and ready");
    assert_eq!(checked.line(TOLD)["outcome"], "ok", "{}", checked.output);
    // A check that cannot reach API-2 notices the failure through the apps.
    let checked = check(platform, &["--timeout", "30s", "--without", "api2"]);
    checked.assert_failed(&[
        "app1: lists stock at API-2, over gRPC",
        "app2: lists stock at API-2, over gRPC",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weakened_and_a_misconfigured_deployment_fail_at_the_right_steps() {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let platform = Processes::start(&Plan {
        environment: vec![
            operator(),
            setting("LAB", "true"),
            setting(
                "WEAKEN",
                "no-csrf-proof,samesite-none,open-return-to,framable",
            ),
        ],
        idp_config: vec![("${app2}/backchannel-logout", "${app2}/nowhere")],
        ..Plan::default()
    })
    .await;
    let checked = check(&platform, &["--timeout", "10s"]);
    checked.assert_failed(&[
        "app1: refuses forged requests",
        "app1: a login returns only to the app",
        "app1: a login shows the provider's form, which cannot be framed",
        "app2: refuses forged requests",
        "app2: a login returns only to the app",
        "app2: a login shows the provider's form, which cannot be framed",
        "app1: its cookies are hidden from scripts and other sites",
        "app2: its cookies are hidden from scripts and other sites",
        TOLD,
    ]);
    let cleaned = checked.line("signs out the remaining sessions");
    assert_eq!(cleaned["outcome"], "ok", "{}", checked.output);
    let asked = platform.tap(Site::App2).requests();
    assert!(asked.contains("POST /logout?scope=app"), "{asked}");
    assert_nobody_is_signed_in(&platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_readable_lines_for_the_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    let keys = folder.path().join("api-1-keys.json");
    let key = folder.path().join("key");
    std::fs::write(&key, add(&keys, "till", &[])).unwrap();
    let keys = ["--api1-keys-file", keys.to_str().unwrap()];
    let started = [&["--state-dir", state], &keys[..]].concat();
    let (mut child, addresses) = all_in_one(folder.path(), &started).await;
    let offset = offset_of(&addresses).to_string();
    let flags = ["--port-offset", &offset, "--state-dir", state];
    let bob = ["--user", "bob", "--api1-key-file", key.to_str().unwrap()];
    let checked = run(&[&flags[..], &bob].concat());
    assert_eq!(checked.code, Some(0), "{}", checked.output);
    let lines: Vec<_> = checked.output.lines().collect();
    let (steps, last) = lines.split_at(lines.len() - 2);
    let is_skipped = |line: &&&str| line.starts_with('–');
    let (skipped, steps): (Vec<&str>, Vec<&str>) = steps.iter().partition(is_skipped);
    assert!(
        steps
            .iter()
            .all(|line| line.starts_with('✓') && line.contains(" ms")),
        "{}",
        checked.output
    );
    // Nobody tells a stateless session of its end.
    assert_eq!(skipped.len(), lacking().len() + 1, "{skipped:?}");
    assert!(last[0].starts_with("Left behind: "), "{}", last[0]);
    let summary = format!("{} ok, 0 failed, {} skipped.", steps.len(), skipped.len());
    assert!(last[1].ends_with(&summary), "{}", last[1]);
    child.terminate();
    let ended = tokio::task::block_in_place(|| child.wait(SOON));
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
    // No service is there any more.
    let checked = run(&["--port-offset", &offset, "--json"]);
    assert_eq!(checked.code, Some(1), "{}", checked.output);
    let said = checked.line("idp is alive and ready")["note"].to_string();
    assert!(
        said.contains("cannot be reached") && said.contains("--connect"),
        "{said}"
    );
    assert_eq!(checked.steps("ok"), [] as [&str; 0], "{}", checked.output);
}

#[test]
fn a_bad_argument_is_exit_code_2() {
    for flags in [
        &["--domain", "example.com"][..],
        &["--connect", "app1"],
        &["--surprise"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let flags = [&["check"], flags].concat();
        let log = folder.path().join("log");
        let mut child = Child::spawn(&binary("sso-lab"), &flags, &[], log);
        let status = child.wait(SOON).unwrap();
        assert_eq!(status.code(), Some(2), "{flags:?}: {}", child.output());
    }
}
