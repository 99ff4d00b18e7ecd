//! The browser's cookies, as far as the steps of its journey tell of them.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

/// A cookie that the browser has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The service that it belongs to.
    pub(super) service: String,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) fingerprint: String,
    /// As `Set-Cookie` said; empty if the journey has seen the cookie sent only.
    pub(super) attributes: String,
}

#[derive(Deserialize)]
struct Step {
    service: String,
    from: String,
    start: u64,
    request: Vec<Item>,
    response: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    place: String,
    name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    fingerprint: String,
    attributes: Option<String>,
}

/// The cookies after all `steps`, each as JSON.
pub(super) fn kept(steps: &[Arc<str>]) -> Vec<Kept> {
    let read = |text: &Arc<str>| serde_json::from_str::<Step>(text).ok();
    let steps = steps.iter().filter_map(read);
    let mut steps: Vec<_> = steps.filter(|step| step.from == "browser").collect();
    steps.sort_by_key(|step| step.start);
    let mut all: BTreeMap<(String, String), Kept> = BTreeMap::new();
    for step in steps {
        let Step {
            service,
            request,
            response,
            ..
        } = step;
        for item in request.into_iter().filter(|item| item.place == "cookie") {
            let key = (service.clone(), item.name.clone());
            let before = all.remove(&key);
            let attributes = before.map_or_else(String::new, |before| before.attributes);
            all.insert(key, item.kept(&service, attributes));
        }
        for mut item in response.into_iter().filter(|item| item.place == "cookie") {
            let key = (service.clone(), item.name.clone());
            let attributes = item.attributes.take().unwrap_or_default();
            if is_removal(&attributes) {
                all.remove(&key);
            } else {
                all.insert(key, item.kept(&service, attributes));
            }
        }
    }
    all.into_values().collect()
}

impl Item {
    fn kept(self, service: &str, attributes: String) -> Kept {
        Kept {
            service: service.to_owned(),
            name: self.name,
            size: self.size,
            fingerprint: self.fingerprint,
            attributes,
        }
    }
}

fn is_removal(attributes: &str) -> bool {
    let mut attributes = attributes.split(';').map(str::trim);
    attributes.any(|one| one.eq_ignore_ascii_case("max-age=0"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn step(start: u64, from: &str, request: &Value, response: &Value) -> Arc<str> {
        let step = json!({
            "service": "app1-bff", "from": from, "start": start,
            "request": request, "response": response,
        });
        step.to_string().into()
    }

    #[test]
    fn the_cookies_are_those_that_were_set_and_not_removed() {
        let cookie = |name: &str, print: &str, attributes: Option<&str>| {
            let mut item =
                json!({ "place": "cookie", "name": name, "size": 43, "fingerprint": print });
            if let Some(attributes) = attributes {
                item["attributes"] = attributes.into();
            }
            json!([item])
        };
        let none = json!([]);
        let steps = [
            // Not in the order of their beginning.
            step(30, "browser", &cookie("session", "new", None), &none),
            step(
                10,
                "browser",
                &none,
                &cookie("session", "old", Some("Path=/; HttpOnly")),
            ),
            step(11, "browser", &none, &cookie("login", "x", Some("Path=/"))),
            step(
                20,
                "browser",
                &none,
                &cookie("session", "new", Some("Path=/; Secure")),
            ),
            step(
                21,
                "browser",
                &none,
                &cookie("login", "", Some("Max-Age=0; Path=/")),
            ),
            step(40, "api-1", &cookie("foreign", "y", None), &none),
            "no step".into(),
        ];
        let kept = kept(&steps);
        let expected = Kept {
            service: "app1-bff".to_owned(),
            name: "session".to_owned(),
            size: 43,
            fingerprint: "new".to_owned(),
            attributes: "Path=/; Secure".to_owned(),
        };
        assert_eq!(kept, [expected]);
    }
}
