//! Tests the registry against itself, the sources and `docs/telemetry.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read_sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

fn sources() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["crates", "services"] {
        read_sources(&root().join(folder), &mut found);
    }
    found
}

/// What is written `"name" = value` in a span, or recorded by name.
fn attributes(source: &str) -> impl Iterator<Item = &str> {
    let quoted = source.split('"').skip(1).zip(source.split('"').skip(2));
    quoted
        .filter(|(_, after)| after.starts_with(" = "))
        .map(|(name, _)| name)
}

/// The arguments of each `step!(…)`.
fn steps(source: &str) -> impl Iterator<Item = &str> {
    source.split("step!(").skip(1).map(|rest| {
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        &rest[..end.unwrap_or(0)]
    })
}

fn is_known(name: &str) -> bool {
    ATTRIBUTES.iter().any(|known| known.name == name)
}

#[test]
fn every_attribute_of_ours_stands_in_the_registry() {
    let ours = |name: &&str| {
        let own = ["sso.", "db.", "enduser.", "http.", "rpc.", "network."];
        own.iter().any(|own| name.starts_with(own))
    };
    let sources = sources();
    let used: BTreeSet<_> = sources
        .iter()
        .flat_map(|source| attributes(source))
        .filter(ours)
        .collect();
    assert!(used.len() > 15, "{used:?}");
    for name in used {
        assert!(is_known(name), "{name}");
    }
}

#[test]
fn every_step_carries_what_the_registry_says_and_no_more() {
    let sources = sources();
    let mut carried: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for step in sources.iter().flat_map(|source| steps(source)) {
        let Some((_, constant)) = step.split_once("span::") else {
            continue;
        };
        let end = constant.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let constant = &constant[..end.unwrap_or(constant.len())];
        let kinds = attributes(step).filter(|name| !name.starts_with("otel."));
        carried.entry(constant).or_default().extend(kinds);
    }
    for (constant, span) in spans::CONSTANTS.iter().zip(SPANS) {
        if span.from == Party::Browser {
            // A page did it, and its server makes the span of the page's report.
            let name = format!("span::{constant}");
            let is_made = sources.iter().any(|source| source.contains(&name));
            assert!(is_made, "{constant} is made nowhere");
            continue;
        }
        let said = carried.remove(constant);
        let said = said.unwrap_or_else(|| panic!("{constant} is made nowhere"));
        let listed: BTreeSet<_> = span.attributes.iter().copied().collect();
        assert_eq!(said, listed, "{constant}");
        assert!(listed.iter().all(|name| is_known(name)), "{constant}");
        assert!(!span.step.is_empty(), "{constant}");
    }
    assert!(carried.is_empty(), "not in the registry: {carried:?}");
}

#[test]
fn no_name_stands_twice() {
    fn all_differ<'n>(names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            assert!(seen.insert(name), "{name}");
        }
    }
    all_differ(SPANS.iter().map(|span| span.name));
    all_differ(ATTRIBUTES.iter().map(|attribute| attribute.name));
    all_differ(METRICS.iter().map(|metric| metric.name));
    let mut seen = BTreeSet::new();
    for request in REQUESTS {
        for service in request.services {
            assert!(seen.insert((service, request.name)), "{}", request.name);
        }
    }
}

#[test]
fn each_is_found_by_its_name() {
    assert_eq!(span_of(span::STORE).map(|span| span.to), Some(Party::Store));
    let of = |service| request_of(service, "GET /resource").map(|request| request.services);
    assert_eq!(of("api-2"), Some(&["api-2"][..]));
    assert!(of("idp").is_none());
    assert!(request_of("idp", "GET /nowhere").is_none());
}

#[test]
fn prometheus_writes_the_names_so() {
    assert_eq!(metric::LOGINS.prometheus(), "sso_logins_total");
    assert_eq!(
        metric::STORE.prometheus(),
        "db_client_operation_duration_seconds"
    );
    assert_eq!(metric::SESSIONS_ACTIVE.prometheus(), "sso_sessions_active");
}

/// `scripts/docs telemetry` runs this with `WRITE_DOCS=1`.
#[test]
fn docs_telemetry_md_is_the_registry() {
    let path = root().join("docs/telemetry.md");
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(&path, markdown()).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == markdown(),
        "docs/telemetry.md is stale: run scripts/docs telemetry"
    );
}
