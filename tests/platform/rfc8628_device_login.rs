//! `sso-lab device login`: the device's side of the device authorization grant (RFC
//! 8628), in a terminal.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use fast_qr::{ECL, QRBuilder};
use testkit::{ClientAuth, Platform, Terminal, binary};
use tests::{ALICE, own_addresses, sign_in, words::holds_a_jwt};

/// What a step may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// How the command begins a line of a QR code.
const QR_LINE: &str = "\x1b[30;107m";

/// A platform whose devices may poll each second.
async fn platform() -> Platform {
    Platform::start_with(&["--idp-device-interval", "1s"]).await
}

fn device_login(platform: &Platform, flags: &[&str]) -> Terminal {
    let flags = [&["device", "login"], flags].concat();
    Terminal::start(&binary("sso-lab"), &flags, &own_addresses(platform))
}

/// Lets the platform's time pass while `terminal` polls in real time.
async fn end(platform: &Platform, terminal: Terminal) -> (String, Option<i32>) {
    let step = Duration::from_millis(50);
    let time = async {
        loop {
            tokio::time::sleep(step).await;
            platform.advance(step);
        }
    };
    tokio::select! {
        ended = terminal.end(SOON) => ended,
        () = time => unreachable!("time does not end"),
    }
}

/// Asserts that the terminal shows the QR code of `text`, with its light border.
fn assert_qr_code(shown: &str, text: &str) {
    let lines = shown.split(QR_LINE).skip(1);
    let lines: Vec<Vec<char>> = lines
        .map(|line| {
            line.split('\x1b')
                .next()
                .unwrap_or_default()
                .chars()
                .collect()
        })
        .collect();
    let code = QRBuilder::new(text).ecl(ECL::L).build().unwrap();
    // ISO/IEC 18004 §5.3.8: four modules of border.
    let width = code.size + 8;
    assert_eq!(
        (lines[0].len(), lines.len()),
        (width, width.div_ceil(2)),
        "{shown}"
    );
    for row in 0..width {
        for (column, shown_as) in lines[row / 2].iter().enumerate() {
            let is_dark = match shown_as {
                '█' => true,
                '▀' => row % 2 == 0,
                '▄' => row % 2 == 1,
                _ => false,
            };
            let inside = |at: usize| at.checked_sub(4).filter(|at| *at < code.size);
            let module = inside(row).zip(inside(column));
            let expected = module.is_some_and(|(row, column)| code[row][column].value());
            assert_eq!(is_dark, expected, "row {row}, column {column}: {shown}");
        }
    }
}

/// The code that the terminal shows below the address.
fn shown_code(text: &str) -> String {
    let is_code = |word: &&str| {
        word.len() == 9
            && word.bytes().enumerate().all(|(at, byte)| match at {
                4 => byte == b'-',
                _ => byte.is_ascii_uppercase(),
            })
    };
    let code = text.split_whitespace().find(is_code);
    code.unwrap_or_else(|| panic!("no code: {text}")).to_owned()
}

/// The page of the link, up to the question.
async fn answer(platform: &Platform, link: &str, button: &str) {
    let mut cli = platform.cli();
    cli.goto(link).await;
    sign_in(&mut cli, ALICE).await;
    // The page fills the code in; the user goes on.
    if !cli
        .page()
        .text()
        .contains("Does the device show this code?")
    {
        cli.submit_first_form(&[]).await;
    }
    cli.press(button).await;
    assert_eq!(cli.page().status(), 200, "{}", cli.page());
}

/// A run until it waits; the link of its QR code.
async fn waiting(platform: &Platform, flags: &[&str]) -> (Terminal, String) {
    let mut terminal = device_login(platform, flags);
    let text = terminal.until("Waiting for your confirmation", SOON).await;
    assert!(
        text.contains(&format!("{}/device", platform.issuer())),
        "{text}"
    );
    let link = format!(
        "{}/device?user_code={}",
        platform.issuer(),
        shown_code(&text)
    );
    assert_qr_code(&terminal.raw(), &link);
    (terminal, link)
}

fn saved(file: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8628_3_3_the_code_is_shown_and_scanned_and_api_1_knows_the_user() {
    let platform = platform().await;
    let (terminal, link) = waiting(&platform, &[]).await;
    answer(&platform, &link, "Allow").await;
    let (text, code) = end(&platform, terminal).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Signed in as alice."), "{text}");
    for (claim, value) in [
        ("sub", "u-7f3c1e0a52"),
        ("client_id", "tv"),
        ("aud", "https://api-1"),
        ("scope", "https://api-1/read"),
    ] {
        assert!(text.contains(&format!("  {claim:<10} {value}\n")), "{text}");
    }
    assert!(!holds_a_jwt(&text), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8628_3_5_a_denial_and_an_expired_code_are_exit_code_1() {
    let platform = platform().await;
    let (terminal, link) = waiting(&platform, &[]).await;
    answer(&platform, &link, "Deny").await;
    let (text, code) = end(&platform, terminal).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("sso-lab: the sign-in was denied"), "{text}");

    let mut terminal = device_login(&platform, &["--no-qr"]);
    terminal.until("Waiting for your confirmation", SOON).await;
    assert!(!terminal.raw().contains(QR_LINE), "{}", terminal.text());
    platform.advance(Duration::from_secs(11 * 60));
    let (text, code) = end(&platform, terminal).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("nobody confirmed the code before it expired"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_6_a_saved_sign_in_is_renewed_until_it_ends() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tv");
    let flags = ["--save", file.to_str().unwrap()];
    let (terminal, link) = waiting(&platform, &flags).await;
    answer(&platform, &link, "Allow").await;
    let (text, code) = end(&platform, terminal).await;
    assert_eq!(code, Some(0), "{text}");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = saved(&file);
    assert_eq!(first["client_id"], "tv");
    assert_eq!(first["issuer"], platform.issuer());

    // Nobody is asked, and the refresh token rotates.
    let (text, code) = end(&platform, device_login(&platform, &flags)).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("The saved sign-in was renewed."), "{text}");
    assert!(
        !text.contains("Waiting") && text.contains("u-7f3c1e0a52"),
        "{text}"
    );
    let second = saved(&file)["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first["refresh_token"], second);
    assert!(!text.contains(&second), "{text}");

    // It is sent to no other provider.
    let other = self::platform().await;
    let (text, code) = end(&other, device_login(&other, &flags)).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&platform.issuer()), "{text}");

    // After its end the device asks again (RFC 7009).
    let tv = platform.machine(ClientAuth::public("tv"));
    let revoked = tv.post_as_client("/revoke", &[("token", &second)]).await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    let (terminal, _) = waiting(&platform, &flags).await;
    assert!(terminal.text().contains("The saved sign-in has ended."));
}
