//! What people type as user name and password (RFC 8265).

use testkit::Platform;
use tests::{Party, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn rfc8265_a_name_and_a_password_are_the_same_however_they_are_typed() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("idp.toml");
    let hash = idp::hash_password("caf\u{e9} noir", &kit::random::OsRandom).unwrap();
    let user = format!(
        "\n[[users]]\nsub = \"u-1\"\nusername = \"Zo\u{eb}\"\nname = \"Zoe\"\nemail = \"z@example.com\"\npassword_hash = \"{hash}\"\n"
    );
    std::fs::write(&config, format!("{}{user}", idp::settings::DEFAULT)).unwrap();
    let platform = Platform::start_with(&["--config", config.to_str().unwrap()]).await;
    let party = Party::app1(&platform);
    for (name, password, is_right) in [
        ("alice ", "wonderland", true),
        ("\u{a0}alice", "wonderland", true),
        ("\u{ff41}lice", "wonderland", true),
        ("Zoe\u{308}", "cafe\u{301}\u{a0}noir", true),
        (" Zo\u{eb}", "caf\u{e9} noir", true),
        ("zo\u{eb}", "caf\u{e9} noir", false),
        ("alice", " wonderland", false),
    ] {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[])).await;
        sign_in(&mut cli, (name, password)).await;
        let is_in = cli.page().location().is_some();
        assert_eq!(is_in, is_right, "{name:?}: {}", cli.page());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_over_the_limit_counts_as_wrong() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    for name in [
        "a".repeat(129),
        "\u{1F600}".repeat(300),
        "a\u{0}b".to_owned(),
    ] {
        sign_in(&mut cli, (name.leak(), "wonderland")).await;
        assert_eq!(cli.page().status(), 401, "{}", cli.page());
        assert!(cli.page().text().contains("Wrong user name or password."));
    }
}
