//! Waiting for what a page's script says.

use std::time::Duration;

use testkit::Browser;
use tests::wait::comes_true;

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until `script` returns `true` in the page; `else_why` says what has not happened
/// otherwise.
pub async fn until_true(browser: &Browser, script: &str, else_why: &str) {
    let is_true = async || browser.run(script).await == true;
    assert!(comes_true(PATIENCE, is_true).await, "{else_why}");
}

/// Waits until the attacker's script has looked everywhere.
pub async fn until_loot_is_complete(browser: &Browser) {
    let is_done = "return window.loot?.done";
    until_true(browser, is_done, "the script did not run to its end").await;
}
