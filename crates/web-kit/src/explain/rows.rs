//! What a page of explain mode lists: parameters and cookies, with their values as the
//! diagram shows them (`kit::telemetry::items`).

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use kit::{
    journey::{COOKIE, Journey, JourneyKeys},
    telemetry::items::{Items, Place},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::meanings::{self, Meaning};
use crate::{cookies::Cookies, journey::CONTINUE_COOKIE};

/// One parameter, or one cookie.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    /// Its value, if that is public.
    pub(super) value: Option<String>,
    /// Its size, where the value stays hidden.
    pub(super) size: Option<u64>,
    /// The short name of a hidden value.
    pub(super) fingerprint: Option<String>,
    /// The public claims of a token.
    pub(super) claims: Vec<(String, String)>,
    /// The attributes of a cookie.
    pub(super) attributes: Vec<String>,
    pub(super) meaning: Option<Meaning>,
}

/// The lists of a page.
pub(super) struct Rows {
    keys: Arc<JourneyKeys>,
    journey: Journey,
    /// Whether the cookies are set by the answer; otherwise the browser has sent them.
    pub(super) sets_cookies: bool,
    pub(super) parameters: Vec<Row>,
    pub(super) cookies: Vec<Row>,
}

impl Rows {
    pub(super) const fn new(keys: Arc<JourneyKeys>, journey: Journey) -> Self {
        Self {
            keys,
            journey,
            sets_cookies: false,
            parameters: Vec::new(),
            cookies: Vec::new(),
        }
    }

    /// Adds what the browser has sent with `req`.
    pub(super) fn request(&mut self, req: &HttpRequest) {
        self.parameters = self.listed(|items| {
            items.parameters(Place::Query, req.query_string().as_bytes());
        });
        let all = Cookies::of(req);
        let own = all
            .all()
            .filter(|(name, _)| ![COOKIE, CONTINUE_COOKIE].contains(name));
        self.cookies = self.listed(|items| {
            own.for_each(|(name, value)| items.cookie(name, value));
        });
    }

    /// Adds what a redirect to `location` with these headers carries.
    pub(super) fn redirect(&mut self, location: &str, headers: &HeaderMap) {
        let query = location.split_once('?').map(|(_, rest)| rest);
        let query = query.and_then(|rest| rest.split('#').next());
        self.parameters = self.listed(|items| {
            items.parameters(Place::Query, query.unwrap_or_default().as_bytes());
        });
        self.sets_cookies = true;
        self.cookies = self.listed(|items| {
            let lines = headers.get_all(header::SET_COOKIE);
            let lines = lines.filter_map(|line| line.to_str().ok());
            lines.for_each(|line| items.set_cookie(line));
        });
    }

    /// The rows of `parameters`, which a handle stands for.
    pub(super) fn stand_for(&self, parameters: &[(&'static str, String)]) -> Vec<Row> {
        self.listed(|items| {
            for (name, value) in parameters {
                items.value(Place::Form, name, value);
            }
        })
    }

    fn listed(&self, add: impl FnOnce(&mut Items)) -> Vec<Row> {
        let mut items = Items::new(Arc::clone(&self.keys), self.journey);
        add(&mut items);
        let items: Vec<Item> = serde_json::from_str(&items.text()).unwrap_or_default();
        items.into_iter().map(Row::of).collect()
    }
}

/// An item of `kit::telemetry::items`.
#[derive(Deserialize)]
struct Item {
    place: String,
    name: String,
    value: Option<String>,
    size: Option<u64>,
    fingerprint: Option<String>,
    attributes: Option<String>,
    claims: Option<Map<String, Value>>,
}

impl Row {
    fn of(item: Item) -> Self {
        let claims = item.claims.unwrap_or_default().into_iter();
        let is_cookie = item.place == "cookie";
        let attributes = item.attributes.unwrap_or_default();
        let attributes = attributes.split(';').map(str::trim);
        Self {
            meaning: if is_cookie {
                meanings::of_cookie(&item.name)
            } else {
                meanings::of_parameter(&item.name)
            },
            size: item.size.filter(|_| item.value.is_none()),
            name: item.name,
            value: item.value,
            fingerprint: item.fingerprint,
            claims: claims.map(claim).collect(),
            attributes: attributes
                .filter(|one| !one.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
        }
    }
}

/// Name and value of a claim, or its fingerprint.
fn claim((name, value): (String, Value)) -> (String, String) {
    let print = value.get("fingerprint").and_then(Value::as_str);
    let shown = match (print, &value) {
        (Some(print), _) => format!("●{print}"),
        (None, Value::String(text)) => text.clone(),
        (None, other) => other.to_string(),
    };
    (name, shown)
}
