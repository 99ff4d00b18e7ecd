//! Tests `deploy/` against the registry: rules and dashboard use existing metrics, and
//! each alert has its paragraph in `docs/operations.md`.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::*;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(move |c| !is_part(c))
        .filter(|word| !word.is_empty())
}

/// The project's names in `expression`, which must all exist, with their labels and
/// possible values; returns the metrics among them.
fn check(expression: &str) -> BTreeSet<&'static str> {
    let ours = |word: &&str| {
        let own = ["sso_", "db_client_", "http_server_", "rpc_server_"];
        own.iter().any(|own| word.starts_with(own))
    };
    let labels: Vec<_> = METRICS.iter().flat_map(|metric| metric.labels).collect();
    let is_label = |word: &str| labels.iter().any(|l| l.name.replace('.', "_") == word);
    let mut found = BTreeSet::new();
    for word in words(expression)
        .filter(ours)
        .filter(|word| !is_label(word))
    {
        let metric = METRICS.iter().find(|metric| {
            let name = metric.prometheus();
            match metric.kind {
                Kind::Histogram(_) => ["_bucket", "_count", "_sum"]
                    .iter()
                    .any(|suffix| word == format!("{name}{suffix}")),
                Kind::Counter | Kind::Gauge => word == name,
            }
        });
        let metric = metric.unwrap_or_else(|| panic!("no metric {word}: {expression}"));
        found.insert(metric.name);
    }
    let asked: Vec<_> = METRICS
        .iter()
        .filter(|metric| found.contains(metric.name))
        .flat_map(|metric| metric.labels)
        .collect();
    // `label="a"`, `label=~"a|b"`, `label!="a"`.
    for (before, value) in expression.split('"').zip(expression.split('"').skip(1)) {
        let Some(name) = before
            .trim_end_matches(['=', '~', '!'])
            .rsplit(['{', ',', ' '])
            .next()
        else {
            continue;
        };
        if !before.ends_with(['=', '~']) || name == "job" {
            continue;
        }
        let label = asked.iter().find(|l| l.name.replace('.', "_") == name);
        let label = label.unwrap_or_else(|| panic!("no label {name}: {expression}"));
        for value in value.split('|').filter(|_| !label.values.is_empty()) {
            assert!(label.values.contains(&value), "{value}: {expression}");
        }
    }
    // `sum by (a, b) (…)`.
    for by in expression.split("by (").skip(1) {
        let names = by.split(')').next().unwrap_or_default();
        for name in names.split(',').map(str::trim) {
            let known = asked.iter().any(|l| l.name.replace('.', "_") == name);
            assert!(
                known || ["job", "le"].contains(&name),
                "{name}: {expression}"
            );
        }
    }
    found
}

/// Name and expression of each alert.
fn alerts() -> Vec<(String, String)> {
    let rules = read("deploy/alerts/sso-lab.rules.yaml");
    let alerts = rules.split("- alert: ").skip(1);
    alerts
        .map(|alert| {
            let (name, rest) = alert.split_once('\n').unwrap();
            let (_, expression) = rest.split_once("expr:").unwrap();
            let end = expression.find("labels:").unwrap();
            let expression = expression[..end].split("for:").next().unwrap();
            (name.to_owned(), expression.to_owned())
        })
        .collect()
}

#[test]
fn each_alert_asks_for_what_there_is_and_has_its_paragraph_and_its_tests() {
    let rules = read("deploy/alerts/sso-lab.rules.yaml");
    let runbook = read("docs/operations.md");
    let tests = read("deploy/alerts/sso-lab.test.yaml");
    let alerts = alerts();
    assert!(alerts.len() > 10, "{alerts:?}");
    for (name, expression) in &alerts {
        assert!(!check(expression).is_empty(), "{name}");
        let heading = format!("\n### {name}\n");
        let Some((_, paragraph)) = runbook.split_once(&heading) else {
            panic!("docs/operations.md has no paragraph for {name}")
        };
        let paragraph = paragraph.split("\n#").next().unwrap_or_default();
        assert!(paragraph.trim().len() > 150, "{name}: {paragraph}");
        let url = format!("docs/operations.md#{}\n", name.to_lowercase());
        assert!(rules.contains(&url), "{url}");
        for what in ["fires", "stays quiet"] {
            assert!(
                tests.contains(&format!("- name: {name} {what}\n")),
                "{name} {what}"
            );
        }
    }
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    for heading in headings.filter(|heading| heading.starts_with("SsoLab")) {
        assert!(alerts.iter().any(|(name, _)| name == heading), "{heading}");
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is_and_leaves_nothing_out() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/sso-lab.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut asked, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let found = check(target["expr"].as_str().unwrap());
            assert!(!found.is_empty(), "{title}");
            asked.extend(found);
        }
    }
    let all: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(asked, all);
}
