//! The labels under "What to look for" of a scenario's or an attack's page, compared with the
//! lines of the diagram that a real run has drawn.

use std::collections::BTreeSet;

use serde_json::json;
use testkit::Browser;

/// The number of lines in the diagram of the shown page.
pub async fn lines(browser: &Browser) -> u64 {
    let count = "return document.querySelectorAll('#twin .line-text').length";
    browser.run(count).await.as_u64().unwrap()
}

/// The labels of the shown page that no line of its diagram has, after the first `skipped`
/// lines. `…` at the end of a label stands for the rest of a list.
pub async fn without_a_line(browser: &Browser, skipped: u64) -> BTreeSet<String> {
    let script = format!(
        "const shown = [...document.querySelectorAll('#twin .line-text')].slice({});
         const lines = shown.flatMap((line) => [...line.querySelectorAll('.label, .rest')].map((part) => part.textContent));
         const marks = [...document.querySelectorAll('.look .mark')].map((mark) => mark.textContent);
         const begins = (line, text) => line === text || line.startsWith(`${{text}} `) || line.startsWith(`${{text}}?`);
         const fits = (line, mark) => (mark.endsWith('…}}') ? line.startsWith(mark.slice(0, -2)) : begins(line, mark));
         if (marks.length === 0) throw new Error('the page has no labels');
         return marks.filter((mark) => !lines.some((line) => fits(line, mark)));",
        json!(skipped)
    );
    serde_json::from_value(browser.run(&script).await).unwrap()
}
