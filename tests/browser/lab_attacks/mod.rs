//! The attacks of the lab by their buttons, in a real browser: each succeeds with the defence
//! off, for this journey alone, and is stopped with it on. Each label of its page is that of
//! an arrow which these runs have drawn.

mod learner;

use kit::{
    config::Site,
    telemetry::names::{span, span_of},
};
use testkit::Browser;

use self::learner::Learner;
use crate::script::until_true;

/// What the diagram calls the check `name`.
fn step(name: &str) -> &'static str {
    span_of(name).unwrap().step
}

/// The word with which a verdict begins.
const SUCCEEDED: &str = "Succeeded.";
const STOPPED: &str = "Stopped.";

/// Plays an attack that places an order: with the defence off, with the cookie alone
/// weakened, and with the defence on.
async fn plays_an_order(attack: &str, request: &str) {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens(attack).await;
    let outcome = "[data-outcome='over']:not([hidden])";
    for (button, which, word, orders) in [
        ("Run with the defence off", "on", SUCCEEDED, 1),
        ("Run with the cookie alone weakened", "partly", STOPPED, 1),
        ("Run with the defence on", "off", STOPPED, 1),
    ] {
        learner.presses(button).await;
        if which == "on" {
            learner.signs_in().await;
        }
        learner.browser.find(outcome).await;
        let banner = learner.browser.has("aside.weakened").await;
        assert_eq!(banner, which != "off", "{which}");
        assert_eq!(learner.orders().await, orders, "{which}");
        let banner = learner.browser.has("aside.weakened").await;
        assert_eq!(banner, which != "off", "{which}");
        learner.sees_the_end(which, word).await;
    }
    learner
        .sees(&[step(span::FORGERY_CHECK), "403 Forbidden", request])
        .await;
    learner.sees_each_label(attack, 0).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_places_an_order_with_the_defence_off_and_none_with_it_on() {
    plays_an_order("csrf-image", "GET /api1/order").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_places_an_order_with_the_defence_off_and_none_with_it_on() {
    plays_an_order("csrf-form", "POST /api1/data").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_runs_in_the_page_of_app1_with_the_defence_off_alone() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("xss-app1").await;
    learner.presses("Run with the defence off").await;
    learner.signs_in().await;
    let note = learner
        .browser
        .until_text(".note.bad", "Tokens found")
        .await;
    assert!(note.contains("Tokens found: 0."), "{note}");
    learner.until_loot_is_complete().await;
    learner.sees_the_end("on", SUCCEEDED).await;

    learner.presses("Run with the defence on").await;
    learner
        .browser
        .until_at(&learner.url(Site::App1, "/?note="))
        .await;
    learner.browser.find("main").await;
    let loot = learner.browser.run("return typeof window.loot").await;
    assert_eq!(loot, "undefined");
    learner.sees_the_end("off", STOPPED).await;
    learner.sees_each_label("xss-app1", 0).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_script_takes_the_token_of_the_single_page_app() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("xss-spa").await;
    let link = learner.browser.text(".paste code").await;
    learner.presses("Run with the defence off").await;
    learner.browser.press("Sign in").await;
    learner.signs_in().await;
    learner.browser.until_text("main", "Alice").await;
    // Only what follows the # changes: the page stays, and its tokens with it.
    learner.browser.goto(&link).await;
    learner.until_loot_is_complete().await;
    learner.browser.click("[data-action='list']").await;
    // The access token, and the proofs that go with it.
    let counts =
        "return /Tokens found: [1-9]/.test(document.querySelector('.note.bad')?.innerText)";
    until_true(&learner.browser, counts, "the script found no token").await;
    learner.sees_the_end("on", SUCCEEDED).await;

    learner.presses("Run with the defence on").await;
    learner.browser.press("Sign in").await;
    learner.browser.until_text("main", "Alice").await;
    learner.browser.goto(&link).await;
    learner.browser.until_text("#note", "onerror").await;
    let loot = learner.browser.run("return typeof window.loot").await;
    assert_eq!(loot, "undefined");
    learner.sees_the_end("off", STOPPED).await;
    learner.sees_each_label("xss-spa", 0).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_on_the_attackers_site_with_the_defence_off_alone() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("open-redirect").await;
    learner.presses("Run with the defence off").await;
    learner.signs_in().await;
    learner
        .browser
        .until_at(&learner.url(Site::Evil, "/landed"))
        .await;
    learner.sees_the_end("on", SUCCEEDED).await;

    learner.presses("Run with the defence on").await;
    learner
        .browser
        .until_text("main", "return_to has to be a path")
        .await;
    learner.sees_the_end("off", STOPPED).await;
    learner.sees(&[step(span::LOGIN_CHECK)]).await;
    learner.sees_each_label("open-redirect", 0).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attackers_callback_signs_alice_in_as_bob_with_the_defence_off_alone() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("login-csrf").await;
    // First with the defence on, because afterwards she would be bob.
    learner.presses("Run with the defence on").await;
    learner.signs_in().await;
    learner
        .browser
        .until_at(&learner.url(Site::App1, "/callback?"))
        .await;
    learner.browser.find("h1").await;
    let session = learner.asks_app1("/session").await;
    assert!(
        session["user"]["name"]
            .as_str()
            .unwrap()
            .starts_with("Alice"),
        "{session}"
    );
    learner.sees_the_end("off", STOPPED).await;

    learner.presses("Run with the defence off").await;
    learner.browser.until_text("h1", "Bob").await;
    let session = learner.asks_app1("/session").await;
    assert!(
        session["user"]["name"].as_str().unwrap().starts_with("Bob"),
        "{session}"
    );
    learner.sees_the_end("on", SUCCEEDED).await;
    learner.sees_each_label("login-csrf", 0).await;
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_attack_runs_by_its_button_and_the_diagram_shows_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    learner.opens("alg-none").await;
    // The first run begins the journey, and comes back to the page.
    learner.browser.press("Run with the defence off").await;
    learner.has_verdict("on", SUCCEEDED).await;
    // The second one does not leave the page.
    learner.browser.run("window.here = true").await;
    learner.browser.press("Run with the defence on").await;
    learner.has_verdict("off", "Stopped by api-1").await;
    assert_eq!(learner.browser.run("return window.here").await, true);
    learner
        .sees(&[step(span::TOKEN_CHECK), "401 Unauthorized"])
        .await;
    assert!(
        !learner.browser.has("aside.weakened").await,
        "her own requests are not weakened"
    );
    learner.has_no_complaint().await;
}

/// The attacks that a program runs.
const PROGRAMS: [&str; 8] = [
    "code-injection",
    "pkce-downgrade",
    "mix-up",
    "session-fixation",
    "stolen-refresh-token",
    "id-token-at-api",
    "wrong-audience",
    "alg-none",
];

#[tokio::test(flavor = "multi_thread")]
async fn both_runs_of_each_program_draw_the_arrows_that_its_page_names() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    for attack in PROGRAMS {
        learner.opens(attack).await;
        let before = learner.lines().await;
        learner.browser.press("Run with the defence off").await;
        learner.has_verdict("on", SUCCEEDED).await;
        learner.browser.press("Run with the defence on").await;
        learner.has_verdict("off", "Stopped by").await;
        learner.sees_each_label(attack, before).await;
    }
    learner.has_no_complaint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_third_party_cookies_is_named_as_what_stopped_a_weakened_run() {
    const BLOCKED: &str = "Blocked by your browser.";
    for attack in ["csrf-image", "csrf-form"] {
        let folder = tempfile::tempdir().unwrap();
        let browser = Browser::start_blocking_third_party_cookies().await;
        let learner = Learner::with(folder.path(), browser).await;
        learner.opens(attack).await;
        let hint = learner.browser.text("#third-party").await;
        assert!(hint.contains("chrome://settings/cookies"), "{hint}");
        let off = "Run with the defence off";
        let partly = "Run with the cookie alone weakened";
        for (button, which, word) in [
            (off, "on", BLOCKED),
            (partly, "partly", BLOCKED),
            ("Run with the defence on", "off", STOPPED),
        ] {
            learner.presses(button).await;
            if which == "on" {
                learner.signs_in().await;
            }
            let outcome = "[data-outcome='over']:not([hidden])";
            learner.browser.find(outcome).await;
            learner.sees_the_end(which, word).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_switches_a_defence_off_for_the_own_journey_and_on_again() {
    let folder = tempfile::tempdir().unwrap();
    let learner = Learner::start(folder.path()).await;
    let (browser, list) = (&learner.browser, learner.url(Site::Lab, "/attacks"));
    browser.goto(&list).await;
    browser.click("[value='get-orders']").await;
    browser
        .run("document.getElementById('minutes').value = '5'")
        .await;
    browser.press("Set for my journey").await;
    browser.find("aside.weakened").await;
    let settings = browser.until_text("#settings", "get-orders").await;
    assert!(settings.contains("Until "), "{settings}");
    assert_eq!(browser.url().await.as_str(), list);
    let marked =
        "return [...document.querySelectorAll('[name=weaken]:checked')].map((one) => one.value)";
    assert_eq!(browser.run(marked).await, serde_json::json!(["get-orders"]));
    browser
        .goto(&learner.url(Site::App1, "/login?return_to=/"))
        .await;
    browser.find("aside.weakened").await;
    browser.goto(&list).await;
    // The line about weakened defences covers the lower edge, so the form is scrolled up.
    let form = "document.querySelector('#settings form').scrollIntoView({ block: 'center', behavior: 'instant' })";
    browser.run(form).await;
    browser.click("#settings form button").await;
    browser.until_text("#settings", "every defence is on").await;
    assert!(!browser.has("aside.weakened").await);
    learner.has_no_complaint().await;
}
