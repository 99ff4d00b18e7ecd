//! Opens an address in the user's browser. No shell sees the address.

use std::{env, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

/// What opens an address on Linux and other Unixes, and on macOS.
const OPENERS: [&str; 2] = ["xdg-open", "open"];
/// How long a command may take to fail. After that it counts as a browser.
const FAILS_WITHIN: Duration = Duration::from_secs(2);

/// Opens `url`; whether a command was found that does.
pub(super) async fn open(url: &str) -> bool {
    let own = env::var("BROWSER").unwrap_or_default();
    for command in commands(&own, url) {
        if starts(&command).await {
            return true;
        }
    }
    false
}

/// The commands to try: those in `BROWSER`, then the system's.
fn commands(own: &str, url: &str) -> Vec<Vec<String>> {
    let own = own.split(':').map(|command| with_address(command, url));
    let system = OPENERS.map(|opener| vec![opener.to_owned(), url.to_owned()]);
    own.filter(|words| words.len() > 1).chain(system).collect()
}

/// The words of `command`, with `url` in place of `%s` or at the end.
fn with_address(command: &str, url: &str) -> Vec<String> {
    let words = command.split_whitespace();
    let mut words: Vec<_> = words.map(|word| word.replace("%s", url)).collect();
    if !words.is_empty() && !command.contains("%s") {
        words.push(url.to_owned());
    }
    words
}

/// Whether `command` starts and does not fail at once.
async fn starts(command: &[String]) -> bool {
    let [program, arguments @ ..] = command else {
        return false;
    };
    let browser = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match browser {
        Err(_) => false,
        Ok(mut browser) => match timeout(FAILS_WITHIN, browser.wait()).await {
            Ok(ended) => ended.is_ok_and(|status| status.success()),
            Err(_) => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://idp.localhost:8081/authorize?a=b&c=$(x)";

    #[test]
    fn browser_names_commands_and_the_systems_follow() {
        let all = commands("firefox -P lab %s:chromium::%s --new", URL);
        let expected: [&[&str]; 5] = [
            &["firefox", "-P", "lab", URL],
            &["chromium", URL],
            &[URL, "--new"],
            &["xdg-open", URL],
            &["open", URL],
        ];
        assert_eq!(all, expected);
        assert_eq!(commands("", URL).len(), 2);
    }

    #[tokio::test]
    async fn a_command_that_fails_is_none() {
        let word = |text: &str| vec![text.to_owned()];
        assert!(starts(&word("true")).await);
        assert!(!starts(&word("false")).await);
        assert!(!starts(&word("no-such-browser")).await);
        assert!(starts(&["sleep".to_owned(), "3".to_owned()]).await);
    }
}
