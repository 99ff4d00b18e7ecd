//! chromedriver and the session with it. Both programs are the distribution's;
//! `CHROMEDRIVER` and `CHROME` name others.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use thirtyfour::{
    ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, TimeoutConfiguration,
    WebDriver,
};

use crate::Child;

/// Start timeout of both programs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Attempts to start on a port that is free in both address families.
const TRIES: u32 = 10;

/// Starts chromedriver on a port that it chooses, and returns its address.
pub(super) async fn start(log: &Path, environment: &[(String, String)]) -> (Child, String) {
    let program = program("CHROMEDRIVER", &["chromedriver"]);
    for number in 0..TRIES {
        let log = log.join(format!("chromedriver-{number}.log"));
        let mut child = Child::spawn(&program, &["--port=0"], environment, log);
        let announced = tokio::time::timeout(PATIENCE, announced_port(&mut child));
        if let Some(port) = announced.await.expect("chromedriver says its port") {
            return (child, format!("http://127.0.0.1:{port}"));
        }
        assert!(
            child.output().contains("bind() failed"),
            "{}",
            child.output()
        );
    }
    panic!("chromedriver found no free port in {TRIES} tries")
}

/// The port that chromedriver announces; `None` if chromedriver ends first.
async fn announced_port(child: &mut Child) -> Option<String> {
    let mark = "started successfully on port ";
    loop {
        let has_ended = child.ended().is_some();
        let output = child.output();
        if let Some((_, rest)) = output
            .split_once(mark)
            .filter(|(_, rest)| rest.contains('.'))
        {
            return Some(rest.chars().take_while(char::is_ascii_digit).collect());
        }
        if has_ended {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Opens a browser with the profile folder `profile`, which blocks third-party cookies or
/// not.
pub(super) async fn open(driver: &str, profile: &Path, blocks_cookies: bool) -> WebDriver {
    let mut wanted = DesiredCapabilities::chrome();
    wanted
        .set_binary(
            &program(
                "CHROME",
                &["chromium", "google-chrome", "google-chrome-stable"],
            )
            .to_string_lossy(),
        )
        .unwrap();
    let profile = format!("--user-data-dir={}", profile.display());
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--window-size=1280,900",
        &profile,
    ];
    for flag in flags {
        wanted.add_arg(flag).unwrap();
    }
    // Debian's Chromium blocks third-party cookies. Chrome sends them, and a test
    // must not pass only because the browser blocks them.
    let cookies = json!({
        "profile.cookie_controls_mode": u8::from(blocks_cookies),
        "profile.block_third_party_cookies": blocks_cookies,
    });
    wanted.add_experimental_option("prefs", cookies).unwrap();
    wanted
        .set_browser_log_level(LoggingPrefsLogLevel::All)
        .unwrap();
    let session = WebDriver::builder(driver, wanted)
        .request_timeout(PATIENCE)
        .connect()
        .await
        .unwrap();
    let limits = TimeoutConfiguration::new(
        Some(Duration::from_secs(20)),
        Some(Duration::from_secs(30)),
        None,
    );
    session.update_timeouts(limits).await.unwrap();
    session
}

pub(super) fn program(variable: &str, names: &[&str]) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let found = names.iter().find_map(|name| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    });
    found.unwrap_or_else(|| {
        panic!(
            "no {}: scripts/tools installs it, or {variable} names it",
            names.join(" or ")
        )
    })
}
