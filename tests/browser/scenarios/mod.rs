//! The lab's scenarios in a real browser: each one's button begins the journey and opens the
//! site in a window of its own, and the diagram shows the arrows of the flow in the order of
//! the seed's diagrams. Two browsers play at once.

mod apis;
mod command;
mod machines;
mod play;
mod questions;
mod sessions;
mod sign_in;
mod sign_out;
pub mod stage;
mod terminal;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use kit::config::{Addresses, Site};
use testkit::{Browser, HeadlessBrowser, binary};
use tests::{ALICE, BOB, all_in_one, all_in_one_with};

use self::{play::Play, stage::Stage};
pub use self::{
    sessions::SESSION_MODES,
    sign_in::{BFF_LOGIN, SPA_LOGIN},
};

/// The plays of a lab as it starts.
const AS_IT_STARTS: [&[Play]; 7] = [
    sign_in::PLAYS,
    sessions::PLAYS,
    apis::PLAYS,
    machines::PLAYS,
    sign_out::PLAYS,
    terminal::PLAYS,
    questions::PLAYS,
];

/// The plays that need a setting.
const WITH_A_SETTING: [&Play; 2] = [&apis::OPAQUE_TOKENS, &machines::API_KEY];

/// The scenarios whose page starts something: all of them.
async fn that_start_something(addresses: &Addresses) -> BTreeSet<String> {
    let list = format!("{}/scenarios", addresses.url(Site::Lab));
    let mut cli = HeadlessBrowser::new();
    let links = cli.goto(&list).await.links();
    let pages = links
        .iter()
        .filter(|link| link.as_str().starts_with(&format!("{list}/")));
    let pages: BTreeSet<_> = pages.map(ToString::to_string).collect();
    let mut names = BTreeSet::new();
    for page in pages {
        if cli.goto(&page).await.source().contains("id=\"start\"") {
            let name = page.rsplit('/').next().unwrap_or_default();
            names.insert(name.to_owned());
        }
    }
    names
}

/// The labels of each scenario's page that no play of it has shown.
type Unseen = BTreeMap<&'static str, BTreeSet<String>>;

/// A label that one play has shown is seen.
fn after(mut unseen: Unseen, name: &'static str, labels: &BTreeSet<String>) -> Unseen {
    let rest = unseen.entry(name).or_insert_with(|| labels.clone());
    rest.retain(|label| labels.contains(label));
    unseen
}

/// Plays each of `plays` in a browser of its own, which belongs to `user`.
async fn play_all(plays: &[&Play], addresses: &Addresses, user: (&str, &str)) -> Unseen {
    let mut unseen = Unseen::new();
    for play in plays {
        let browser = Browser::start().await;
        let stage = Stage {
            browser: &browser,
            addresses,
            user,
        };
        let labels = stage.plays(play).await;
        unseen = after(unseen, play.name, &labels);
    }
    unseen
}

/// Half of `plays` by alice and half by bob, at once. Each label of each page is that of an
/// arrow which one of them has shown.
async fn play_by_two(plays: &[&Play], addresses: &Addresses) {
    let (one, other) = plays.split_at(plays.len() / 2);
    let (mut unseen, others) = tokio::join!(
        play_all(one, addresses, ALICE),
        play_all(other, addresses, BOB)
    );
    for (name, labels) in others {
        unseen = after(unseen, name, &labels);
    }
    unseen.retain(|_, labels| !labels.is_empty());
    assert!(unseen.is_empty(), "labels without an arrow: {unseen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scenario_of_a_lab_as_it_starts_draws_the_arrows_of_its_flow() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &[]).await;
    let plays: Vec<_> = AS_IT_STARTS.into_iter().flatten().collect();
    let all = plays.iter().chain(&WITH_A_SETTING);
    let names: BTreeSet<_> = all.map(|play| play.name.to_owned()).collect();
    assert_eq!(names, that_start_something(&addresses).await);
    play_by_two(&plays, &addresses).await;
}

/// What `sso-lab` prints with `arguments`.
fn printed(arguments: &[&str]) -> String {
    let run = Command::new(binary("sso-lab")).args(arguments).output();
    let output = run.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// An API key of app1, in a file of `folder`; its path, and that of API-1's file.
fn api_key(folder: &Path) -> (String, String) {
    let state = folder.join("state");
    let state = state.to_str().unwrap();
    let (read, write) = ("https://api-1/read", "https://api-1/write");
    let arguments = [
        "keys",
        "api",
        "add",
        "--name",
        "app1",
        "--scope",
        read,
        "--scope",
        write,
        "--state-dir",
        state,
    ];
    let key = folder.join("api-key");
    fs::write(&key, printed(&arguments)).unwrap();
    (
        key.to_str().unwrap().to_owned(),
        format!("{state}/api-1-keys.json"),
    )
}

/// The demo's configuration, with opaque tokens for API-2, in a file of `folder`.
fn opaque(folder: &Path) -> String {
    let demo = printed(&["config", "print"]);
    let title = "title = \"Inventory\"";
    assert!(demo.contains(title), "{demo}");
    let changed = demo.replace(title, &format!("{title}\naccess_token_format = \"opaque\""));
    let file = folder.join("opaque.toml");
    fs::write(&file, changed).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_that_needs_a_setting_draws_its_arrows_where_it_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let (key, keys) = api_key(folder.path());
    let config = opaque(folder.path());
    let flags = [
        "--config",
        &*config,
        "--api2-tokens",
        "introspection",
        "--api1-keys-file",
        &*keys,
        "--demo-credentials",
    ];
    let environment = [("BFF_API1_KEY_FILE", &*key), ("LAB", "1")];
    let (_all, addresses) = all_in_one_with(folder.path(), &flags, &environment).await;
    play_by_two(&WITH_A_SETTING, &addresses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_lead_through_the_diagram_and_through_the_course() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &[]).await;
    let browser = Browser::start().await;
    let stage = Stage {
        browser: &browser,
        addresses: &addresses,
        user: ALICE,
    };
    stage.plays(&sign_in::BFF_LOGIN).await;
    // The plain arrow keys belong to the diagram now; with Shift they lead to the next page.
    let press = |shift: bool| {
        format!(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {{ bubbles: true, key: 'ArrowRight', shiftKey: {shift}, cancelable: true }}))"
        )
    };
    browser.run(&press(false)).await;
    browser.find("#detail:not([hidden]) h2").await;
    browser.run(&press(true)).await;
    let lab = addresses.url(Site::Lab);
    browser
        .until_at(&format!("{lab}/scenarios/single-sign-on"))
        .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
