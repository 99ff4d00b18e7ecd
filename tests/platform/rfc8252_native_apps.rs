//! Native apps (RFC 8252): whatever port is free on loopback.

use std::{path::Path, time::Duration};

use testkit::{ClientAuth, Platform, Terminal, binary};
use tests::{ALICE, Party, own_addresses, sign_in, words::holds_a_jwt};

use crate::receiver::{BUILT_IN, file};

const NATIVE: &str = r#"
[[clients]]
client_id = "native"
name = "Native app"
first_party = true
auth = ["none"]
grants = ["authorization_code"]
redirect_uris = ["http://127.0.0.1/callback", "http://[::1]:1234/callback", "http://localhost:7000/callback"]
post_logout_redirect_uris = ["http://127.0.0.1/"]
audiences = ["https://api-1"]
"#;

/// What a step may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// `sso-lab login` in a terminal.
fn login(platform: &Platform, flags: &[&str], more: &[(String, String)]) -> Terminal {
    let environment = [own_addresses(platform), more.to_vec()].concat();
    Terminal::start(
        &binary("sso-lab"),
        &[&["login"], flags].concat(),
        &environment,
    )
}

/// The address that the terminal shows.
async fn shown_address(terminal: &mut Terminal) -> String {
    let text = terminal.until("Waiting for your browser", SOON).await;
    let word = text
        .split_whitespace()
        .find(|word| word.contains("/authorize?"));
    word.unwrap_or_else(|| panic!("no address: {text}"))
        .to_owned()
}

/// `BROWSER`, which writes the address into a file of `folder`.
fn browser(folder: &Path) -> (String, String) {
    let script = folder.join("browser");
    std::fs::write(
        &script,
        "printf %s \"$1\" >\"$0.new\" && mv \"$0.new\" \"$0.url\"",
    )
    .unwrap();
    (
        "BROWSER".to_owned(),
        format!("no-such-browser:/bin/sh {} %s", script.display()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8252_4_1_login_opens_the_browser_and_api_1_knows_the_user() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = login(&platform, &[], &[browser(folder.path())]);
    let address = shown_address(&mut terminal).await;
    let opened = folder.path().join("browser.url");
    let is_open = async {
        while !opened.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, is_open).await.is_ok());
    assert_eq!(std::fs::read_to_string(&opened).unwrap(), address);
    let mut cli = platform.cli();
    cli.goto(&address).await;
    sign_in(&mut cli, ALICE).await;
    // RFC 8252 §8.6: any program can pass itself off as this one.
    let text = cli.page().text();
    assert!(text.contains("sso-lab command line"), "{text}");
    cli.submit_first_form(&[]).await;
    let page = cli.page();
    let text = page.text();
    assert!(
        page.status() == 200 && text.contains("close this window"),
        "{page}"
    );
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let code = page.url().query_pairs().find(|(name, _)| name == "code");
    let code = code.unwrap().1.into_owned();
    let (text, exit) = terminal.end(SOON).await;
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("Signed in as alice."), "{text}");
    for (claim, value) in [
        ("sub", "u-7f3c1e0a52"),
        ("client_id", "sso-lab-cli"),
        ("aud", "https://api-1"),
        ("scope", "https://api-1/read"),
    ] {
        assert!(text.contains(&format!("  {claim:<10} {value}\n")), "{text}");
    }
    assert!(!holds_a_jwt(&text) && !text.contains(&code), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_10_12_a_response_for_another_sign_in_does_not_end_this_one() {
    let platform = Platform::start().await;
    let mut terminal = login(&platform, &["--no-browser"], &[]);
    let address: url::Url = shown_address(&mut terminal).await.parse().unwrap();
    let redirect = address
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri");
    let redirect = redirect.unwrap().1.into_owned();
    assert!(redirect.starts_with("http://127.0.0.1:") && redirect.ends_with("/callback"));
    let mut stranger = platform.cli();
    let page = stranger.goto(&format!("{redirect}?code=x&state=y")).await;
    assert_eq!(page.status(), 400, "{page}");
    let mut cli = platform.cli();
    cli.goto(address.as_str()).await;
    sign_in(&mut cli, ALICE).await;
    let page = cli.press("Deny").await;
    assert!(page.text().contains("was not completed"), "{page}");
    let (text, code) = terminal.end(SOON).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("sso-lab: the identity provider answered: access_denied"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_nobody_makes_ends_in_its_time() {
    let platform = Platform::start().await;
    let (text, code) = login(&platform, &["--no-browser", "--timeout", "1s"], &[])
        .end(SOON)
        .await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("nobody signed in within 1 s"), "{text}");
    let (text, code) = login(&platform, &["--timeout", "2h"], &[]).end(SOON).await;
    assert_eq!(code, Some(2), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8252_7_3_a_public_client_comes_back_to_any_port_of_its_loopback_address() {
    let config = file(&format!("{BUILT_IN}{NATIVE}"));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let party = |uri: &str| {
        let auth = ClientAuth::public("native");
        Party::new(
            &platform,
            "native",
            uri.to_owned(),
            auth,
            "openid https://api-1/read",
        )
    };
    for (uri, target) in [
        ("http://127.0.0.1:51004/callback", "http://127.0.0.1:51004"),
        ("http://[::1]:51004/callback", "http:"),
    ] {
        let party = party(uri);
        // The form may lead there, and the code is bound to the very port.
        let mut cli = party.cli();
        let page = cli.goto(&party.authorize_url(&[])).await;
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.ends_with(&format!("'self' {target}")), "{policy}");
        let code = party.through_the_pages(&mut cli).await["code"].clone();
        let verifier = &party.pkce.verifier;
        let other = uri.replace("51004", "51005");
        let refused = party.machine.redeem(&code, &other, verifier).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
        party.tokens(&mut cli, &[]).await;
        // The client's authentication has the client_id.
        let pushed = party.parameters(&[("client_id", "")]);
        let pushed = party.machine.push(&pushed).await;
        assert_eq!(pushed.status, 201, "{}", pushed.body);
    }
    for uri in [
        "http://localhost:51004/callback",
        "http://127.0.0.1:51004/other",
    ] {
        let party = party(uri);
        let mut cli = party.cli();
        let page = cli.goto(&party.authorize_url(&[])).await;
        assert!(
            page.status() == 400 && page.location().is_none(),
            "{uri}: {page}"
        );
    }
    // RP-Initiated Logout section 3 knows no such thing.
    let url = format!(
        "{}/logout?client_id=native&post_logout_redirect_uri=http://127.0.0.1:51004/",
        platform.issuer()
    );
    assert_eq!(platform.cli().goto(&url).await.status(), 400);
}
