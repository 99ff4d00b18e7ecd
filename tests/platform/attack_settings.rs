//! Defences are switched off in a lab alone, and never without a word.

use std::time::Duration;

use kit::config::Weakness;
use testkit::{Child, binary};
use tests::all_in_one_with;

/// What a start may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(30);

fn start(
    program: &str,
    flags: &[&str],
    environment: &[(&str, &str)],
) -> (Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let memory = [("REDIS_URL", "")];
    let environment = memory.iter().chain(environment);
    let environment: Vec<_> = environment
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let log = folder.path().join("log");
    (
        Child::spawn(&binary(program), flags, &environment, log),
        folder,
    )
}

#[test]
fn no_program_starts_weakened_outside_a_lab() {
    let flags = [
        "--weaken",
        "framable",
        "--weaken",
        "nonsense",
        "--port-offset",
        "x",
    ];
    for program in [
        "sso-lab", "idp", "app1-bff", "app2-bff", "api-1", "api-2", "lab",
    ] {
        let (mut child, _folder) = start(program, &flags, &[]);
        let status = child.wait(SOON).expect("it ends");
        let said = child.output();
        assert_eq!(status.code(), Some(2), "{program}: {said}");
        for line in [
            "WEAKEN: \"framable\" is refused without --lab",
            "WEAKEN: \"nonsense\" is no weakness",
            "PORT_OFFSET: ",
        ] {
            assert!(said.contains(line), "{program}, {line}: {said}");
        }
    }
}

#[test]
fn the_environment_can_weaken_no_more_than_flags() {
    for lab in ["", "0", "false"] {
        let (mut child, _folder) = start("lab", &[], &[("LAB", lab), ("WEAKEN", "framable")]);
        let status = child.wait(SOON).expect("it ends");
        assert_eq!(status.code(), Some(2), "LAB={lab}: {}", child.output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weakened_lab_lists_the_disabled_defences_when_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let weaken = "framable,get-orders";
    let environment = [("WEAKEN", weaken), ("RUST_LOG", "warn")];
    let (mut child, _) = all_in_one_with(folder.path(), &["--lab"], &environment).await;
    let said = child.output();
    for weakness in Weakness::ALL {
        let named = said.contains(weakness.sentence());
        assert_eq!(
            named,
            weaken.contains(weakness.name()),
            "{weakness:?}: {said}"
        );
    }
    child.terminate();
    let status = child.wait(SOON).expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", child.output());
}
