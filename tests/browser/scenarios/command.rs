//! A command of a scenario's page, in a pseudo-terminal.

use std::path::Path;

use serde_json::json;
use testkit::{Browser, Terminal, binary};
use tests::wait::until_some;

use super::stage::PATIENCE;

/// How the commands of the pages start the program.
const PROGRAM: &str = "cargo run --release --";

pub struct Command(Terminal);

impl Command {
    /// Runs the command with this label, as soon as the page has put the journey into it.
    pub async fn of_page(browser: &Browser, label: &str) -> Self {
        browser.until_text("#journey #state", "Live").await;
        let ways = "[...document.querySelectorAll('.way')]";
        let way = format!(
            "{ways}.find((way) => way.innerText.includes({}))",
            json!(label)
        );
        let text = format!("return {way}.querySelector('code').textContent");
        let is_filled =
            |text: &str| text.contains(" --journey ") || text.contains(" -H 'traceparent: ");
        let filled = async || {
            let text = browser.run(&text).await;
            let text = text.as_str().filter(|text| is_filled(text));
            text.map(str::to_owned)
        };
        let filled = until_some(PATIENCE, filled).await.unwrap();
        assert!(filled.contains(PROGRAM), "{filled}");
        let program = format!("'{}'", binary("sso-lab").display());
        let command = filled.replace(PROGRAM, &program);
        // A command that opens a browser opens none: the test has one.
        let no_browser = ("BROWSER".to_owned(), "true".to_owned());
        let shell = Path::new("/bin/sh");
        Self(Terminal::start(shell, &["-c", &command], &[no_browser]))
    }

    pub async fn shows(&mut self, words: &str) {
        self.0.until(words, PATIENCE).await;
    }

    /// The first word that is shown and that `is_it` wants.
    pub fn word(&self, is_it: impl Fn(&str) -> bool) -> String {
        let text = self.0.text();
        let word = text.split_whitespace().find(|word| is_it(word));
        word.unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    /// Waits for its end, and for exit code 0.
    pub async fn ends(self, words: &str) {
        let (text, code) = self.0.end(PATIENCE).await;
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

/// Whether a word is the code of a device: eight letters in two halves.
pub fn is_user_code(word: &str) -> bool {
    let is_half =
        |half: &str| half.len() == 4 && half.bytes().all(|byte| byte.is_ascii_uppercase());
    word.split_once('-')
        .is_some_and(|(one, other)| is_half(one) && is_half(other))
}
