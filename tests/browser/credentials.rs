//! The choice, on an app's page, of how the session gets its credentials.

use kit::config::Site;
use testkit::{Browser, Platform};

use crate::alice::{begin, is_home, presses, sign_in};

/// What the last two calls of the page answer: what each API knows.
async fn both_say(browser: &Browser, words: &[&str]) {
    for call in [
        ".calls > .call:nth-of-type(6)",
        ".calls > .call:nth-of-type(7)",
    ] {
        presses(browser, call).await;
        let answer = browser.text(&format!("{call} pre")).await;
        for word in words {
            assert!(answer.contains(word), "{call}: {word}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_chooses_how_the_app_gets_credentials_and_sees_what_the_apis_then_know() {
    let platform = Platform::start_with_bff(&["--bff-session-mode-choice", "on"]).await;
    let app = platform.url(Site::App1);
    let browser = Browser::start().await;
    begin(&browser, &app).await;
    sign_in(&browser, &platform.issuer()).await;
    is_home(&browser, &app).await;
    browser
        .until_text("dl.credentials", "The API knows you directly")
        .await;
    both_say(&browser, &["u-7f3c1e0a52", "\"app1\""]).await;
    let choices: [(&str, &str, &[&str]); 3] = [
        (
            "token_exchange",
            "acts for you",
            &["u-7f3c1e0a52", "\"act\""],
        ),
        ("client_credentials", "and not you", &["app1-machine"]),
        (
            "jwt_bearer",
            "because the app says so",
            &["u-7f3c1e0a52", "app1-machine"],
        ),
    ];
    for (method, shown, said) in choices {
        for api in ["api1", "api2"] {
            let choose =
                format!("document.querySelector('[name={api}_credential]').value = '{method}'");
            browser.run(&choose).await;
        }
        browser.press("Use these credentials").await;
        browser.until_text("dl.credentials", shown).await;
        is_home(&browser, &app).await;
        both_say(&browser, said).await;
        assert_eq!(
            browser.text("dl.facts .badge").await,
            "stateful",
            "the mode stays"
        );
    }
    let choose = "document.querySelector('[name=api1_credential]').value = 'mtls'";
    browser.run(choose).await;
    browser.press("Use these credentials").await;
    browser
        .until_text("dl.credentials", "by its certificate")
        .await;
    is_home(&browser, &app).await;
    let call = ".calls > .call:nth-of-type(6)";
    presses(&browser, call).await;
    let answer = browser.text(&format!("{call} pre")).await;
    assert!(
        answer.contains("app1-mtls") && answer.contains("x5t#S256"),
        "{answer}"
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
