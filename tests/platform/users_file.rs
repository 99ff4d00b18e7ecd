//! Users in a file of their own, with passwords that were hashed for it.

use std::{fs, process::Command, time::Duration};

use kit::config::Site;
use testkit::{Child, HeadlessBrowser, binary};
use tests::{all_in_one_with, session_at, sign_in_to};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn hash_password_prints_a_hash_that_the_provider_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("password"), "Brillig 4 o'clock\n").unwrap();
    let hash = |file: &str| {
        let flags = ["config", "hash-password", "--password-file", file];
        let mut child = Child::spawn(&binary("sso-lab"), &flags, &[], path("log"));
        let status = tokio::task::block_in_place(|| child.wait(SOON)).expect("it ends");
        (status.code(), child.output())
    };
    let (code, made) = hash(path("password").to_str().unwrap());
    assert_eq!((code, made.lines().count()), (Some(0), 1), "{made}");
    fs::write(path("empty"), "\n").unwrap();
    assert_eq!(hash(path("empty").to_str().unwrap()).0, Some(2));

    let printed = Command::new(binary("sso-lab"))
        .args(["config", "print"])
        .output();
    let printed = String::from_utf8(printed.unwrap().stdout).unwrap();
    let (rest, _) = printed.split_once("[[users]]").unwrap();
    fs::write(
        path("idp.toml"),
        format!("users_file = \"users.toml\"\n{rest}"),
    )
    .unwrap();
    let users = format!(
        "[[users]]\nsub = \"u-1\"\nusername = \"dodo\"\nname = \"Dodo\"\nemail = \"d@example.com\"\npassword_hash = \"{}\"\n",
        made.trim()
    );
    fs::create_dir(path("state")).unwrap();
    fs::write(path("state/users.toml"), users).unwrap();
    let (config, state) = (path("idp.toml"), path("state"));
    let flags = [
        "--config",
        config.to_str().unwrap(),
        "--state-dir",
        state.to_str().unwrap(),
    ];
    let environment = [
        ("APP1_CLIENT_SECRET", "app1-secret"),
        ("API1_CLIENT_SECRET", "api-1-secret"),
    ];
    let (_child, addresses) = all_in_one_with(folder.path(), &flags, &environment).await;
    let app1 = addresses.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ("dodo", "Brillig 4 o'clock")).await;
    assert_eq!(session_at(&mut cli, &app1).await["user"]["sub"], "u-1");
    // The lab's start page does not list the demo users: they do not exist here.
    let page = cli.goto(&addresses.url(Site::Lab)).await;
    assert_eq!(page.status(), 200);
    assert!(!page.text().contains("alice") && !page.text().contains("wonderland"));
}
