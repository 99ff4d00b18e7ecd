//! axe-core in the page that a browser shows. `scripts/axe` installs it at the version of
//! `testkit/axe`; `AXE` names another file.

use std::{env, fs, path::PathBuf, sync::LazyLock};

use serde_json::json;
use thirtyfour::WebDriver;

/// What npm installs.
const PACKAGE: &str = include_str!("../../axe/package.json");

/// What is checked: WCAG 2.2 at the levels A and AA, and axe-core's best practices.
const TAGS: [&str; 6] = [
    "wcag2a",
    "wcag2aa",
    "wcag21a",
    "wcag21aa",
    "wcag22aa",
    "best-practice",
];

/// Each finding as one text. The rule `target-size` is of WCAG 2.2, and off by default.
const RUN: &str = "const done = arguments[arguments.length - 1];
    const options = {
        runOnly: { type: 'tag', values: arguments[0] },
        rules: { 'target-size': { enabled: true } },
        resultTypes: ['violations'],
    };
    const words = (text) => text.replace(/\\s+/g, ' ');
    const line = (rule, node) => `${rule.id} at ${node.target.flat().join(' ')}: ${words(node.failureSummary)} ${words(node.html).slice(0, 200)}`;
    axe.run(document, options).then(
        ({ violations }) => done(violations.flatMap((rule) => rule.nodes.map((node) => line(rule, node)))),
        (error) => done([`axe-core failed: ${error}`]));";

/// The script, or what to do so that there is one.
static SCRIPT: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let file = env::var_os("AXE").map_or_else(installed, PathBuf::from);
    let script = fs::read_to_string(&file).map_err(|e| {
        let file = file.display();
        format!(
            "no axe-core: run scripts/axe, which installs it, or name its file by AXE ({file}: {e})"
        )
    })?;
    let (wanted, found) = (wanted(), script.lines().next().unwrap_or_default());
    if !found.ends_with(&format!(" v{wanted}")) {
        let file = file.display();
        return Err(format!(
            "{file} is {found:?} and not {wanted}: run scripts/axe"
        ));
    }
    Ok(script)
});

/// Where `scripts/axe` puts it.
fn installed() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty());
    let cache = cache.map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        let home = env::var_os("HOME").unwrap_or_default();
        PathBuf::from(home).join(".cache")
    });
    cache.join("sso-lab/tools/axe/node_modules/axe-core/axe.min.js")
}

/// The version that `package.json` names.
fn wanted() -> String {
    let package: serde_json::Value = serde_json::from_str(PACKAGE).unwrap();
    let version = package["dependencies"]["axe-core"].as_str();
    version.unwrap().to_owned()
}

/// What axe-core finds in the shown page: each time the rule, the element, and how to mend it.
pub(super) async fn findings(session: &WebDriver) -> Vec<String> {
    let there = session
        .execute("return typeof axe === 'object'", vec![])
        .await;
    if there.unwrap().json() != &json!(true) {
        let script = SCRIPT.as_ref().unwrap_or_else(|todo| panic!("{todo}"));
        session.execute(script.as_str(), vec![]).await.unwrap();
    }
    let found = session.execute_async(RUN, vec![json!(TAGS)]).await.unwrap();
    found.convert().unwrap()
}
