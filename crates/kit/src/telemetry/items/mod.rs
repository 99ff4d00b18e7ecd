//! What a request or a call of a journey carries, for the attributes `sso.request` and
//! `sso.response`: parameters, cookies and tokens by name and size. A value is shown only if
//! its name is in [`PUBLIC`]; of other values there is a short keyed hash, so that equal ones
//! are seen to be equal. Of a token, the claims of [`CLAIMS`] are shown, and the signature
//! never. Outside a journey nothing of this is computed.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{
    context::TraceContext,
    names::{REQUEST_ITEMS, RESPONSE_ITEMS},
};
use crate::journey::{self, Journey, JourneyKeys};

/// The most bytes of a list.
const MAX_LIST: usize = 4096;
/// The most bytes of a value that is shown.
const MAX_VALUE: usize = 256;
/// The most bytes of a name that is shown; twice as many of a cookie's.
const MAX_NAME: usize = 40;
/// The most bytes of a text that is read as JSON.
pub const MAX_JSON: usize = 32 * 1024;

/// Parameters and members of protocol messages whose values are public.
pub const PUBLIC: &[&str] = &[
    "acr_values",
    "active",
    "audience",
    "client_assertion_type",
    "client_id",
    "code_challenge_method",
    "display",
    "error",
    "expires_in",
    "grant_type",
    "iss",
    "issued_token_type",
    "max_age",
    "post_logout_redirect_uri",
    "prompt",
    "redirect_uri",
    "requested_token_type",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "sub",
    "subject_token_type",
    "token_type",
    "token_type_hint",
    "actor_token_type",
];

/// Values of which not even the size is told.
const HIDDEN: &[&str] = &["password", "new_password", "client_secret"];

/// Members of a token's claims that are shown.
const CLAIMS: &[&str] = &[
    "acr",
    "act",
    "amr",
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "cnf",
    "events",
    "exp",
    "htm",
    "htu",
    "iat",
    "iss",
    "nbf",
    "roles",
    "scope",
    "sub",
];

/// The event of a logout token (OIDC Back-Channel Logout §2.4).
const BACKCHANNEL_LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Members of a token's header that are shown.
const HEADER: &[&str] = &["alg", "typ", "kid"];

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the query of an address.
    Query,
    /// In a form.
    Form,
    /// In a header.
    Header,
    /// A cookie.
    Cookie,
    /// In a JSON object.
    Json,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Form => "form",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Json => "json",
        }
    }
}

/// A list of items of one journey.
#[derive(Debug)]
pub struct Items {
    keys: Arc<JourneyKeys>,
    journey: Journey,
    /// JSON objects, joined by commas.
    list: String,
    /// Whether an item had no room: further ones are left out unread.
    is_full: bool,
}

impl Items {
    /// An empty list for `journey`.
    pub const fn new(keys: Arc<JourneyKeys>, journey: Journey) -> Self {
        Self {
            keys,
            journey,
            list: String::new(),
            is_full: false,
        }
    }

    /// An empty list for the journey that the current task works for; `None` outside one.
    pub fn of_current() -> Option<Self> {
        let journey = TraceContext::current_journey()?;
        Some(Self::new(journey::of_process()?, journey))
    }

    /// The parameters of a query or of a form.
    pub fn parameters(&mut self, place: Place, encoded: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if self.is_full {
                return;
            }
            self.value(place, &name, &value);
        }
    }

    /// One parameter, header or member.
    pub fn value(&mut self, place: Place, name: &str, value: &str) {
        if self.is_full {
            return;
        }
        // A secret may have the form of a token.
        if !HIDDEN.contains(&name)
            && let Some(token) = self.token(name, value)
        {
            return self.push(&token);
        }
        let is_shown = PUBLIC.contains(&name) && value.len() <= MAX_VALUE;
        self.text_item(place, name, value, is_shown);
    }

    /// A value that is no token: as it is, or else by its size and a hash.
    fn text_item(&mut self, place: Place, name: &str, value: &str, is_shown: bool) {
        let mut item = item(place, name);
        if !HIDDEN.contains(&name) {
            item.insert("size".to_owned(), value.len().into());
            if is_shown {
                item.insert("value".to_owned(), value.into());
            } else {
                self.name(&mut item, value.as_bytes());
            }
        }
        self.push(&item);
    }

    /// A cookie that a browser sends.
    pub fn cookie(&mut self, name: &str, value: &str) {
        self.cookie_with(name, value, None);
    }

    /// A header `Set-Cookie`.
    pub fn set_cookie(&mut self, line: &str) {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        if let Some((name, value)) = pair.split_once('=') {
            self.cookie_with(name.trim(), value.trim(), Some(attributes.trim()));
        }
    }

    fn cookie_with(&mut self, name: &str, value: &str, attributes: Option<&str>) {
        if self.is_full {
            return;
        }
        let mut item = item(Place::Cookie, name);
        item.insert("size".to_owned(), value.len().into());
        if !value.is_empty() {
            self.name(&mut item, value.as_bytes());
        }
        if let Some(attributes) = attributes {
            item.insert("attributes".to_owned(), attributes.into());
        }
        self.push(&item);
    }

    /// A header `Authorization`: the scheme, and the token if it is one.
    pub fn authorization(&mut self, header: &str) {
        let (scheme, credentials) = header.split_once(' ').unwrap_or((header, ""));
        let is_token = ["Bearer", "DPoP"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        let mut said = item(Place::Header, "Authorization");
        if is_token || scheme.eq_ignore_ascii_case("Basic") {
            said.insert("value".to_owned(), scheme.into());
        }
        self.push(&said);
        if is_token {
            self.value(Place::Header, "access_token", credentials);
        }
    }

    /// A header `Location`: where it leads, and the parameters.
    pub fn location(&mut self, location: &str) {
        let bare = location.split(['?', '#']).next().unwrap_or_default();
        let mut led = item(Place::Header, "Location");
        led.insert("size".to_owned(), location.len().into());
        if bare.len() <= MAX_VALUE {
            led.insert("value".to_owned(), bare.into());
        }
        self.push(&led);
        let query = location.split_once('?').map(|(_, rest)| rest);
        let query = query.and_then(|rest| rest.split('#').next());
        self.parameters(Place::Query, query.unwrap_or_default().as_bytes());
    }

    /// The members of a JSON object.
    pub fn json(&mut self, body: &[u8]) {
        if body.len() > MAX_JSON {
            return;
        }
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return;
        };
        for (name, value) in members {
            if self.is_full {
                return;
            }
            match value {
                Value::String(text) => self.value(Place::Json, &name, &text),
                // Whoever made it may have put anything into it.
                nested @ (Value::Object(_) | Value::Array(_)) => {
                    self.text_item(Place::Json, &name, &nested.to_string(), false);
                }
                plain => self.value(Place::Json, &name, &plain.to_string()),
            }
        }
    }

    /// Records the list as what was sent.
    pub fn record_request(&self, span: &Span) {
        self.record(span, REQUEST_ITEMS);
    }

    /// Records the list as what was answered.
    pub fn record_response(&self, span: &Span) {
        self.record(span, RESPONSE_ITEMS);
    }

    fn record(&self, span: &Span, attribute: &'static str) {
        if !self.list.is_empty() {
            span.set_attribute(attribute, self.text());
        }
    }

    /// The list as JSON.
    pub fn text(&self) -> String {
        format!("[{}]", self.list)
    }

    /// Names the value by a keyed hash.
    fn name(&self, item: &mut Map<String, Value>, value: &[u8]) {
        let name = self.keys.fingerprint(&self.journey, value);
        item.insert("fingerprint".to_owned(), name.into());
    }

    /// A JWT in parts, without its signature; `None` for any other text.
    fn token(&self, name: &str, text: &str) -> Option<Map<String, Value>> {
        let mut parts = text.split('.');
        let (header, claims) = (decoded(parts.next()?)?, decoded(parts.next()?)?);
        let is_whole = parts.next().is_some() && parts.next().is_none();
        if !is_whole || !header.contains_key("alg") {
            return None;
        }
        let header: Map<_, _> = header
            .into_iter()
            .filter(|(name, value)| {
                HEADER.contains(&name.as_str()) && value.is_string() && is_short(value)
            })
            .collect();
        let claims: Map<_, _> = claims
            .into_iter()
            .map(|(name, value)| {
                let shown = self.claim(&name, value);
                (name, shown)
            })
            .collect();
        let mut token = Map::new();
        token.insert("place".to_owned(), "token".into());
        token.insert("name".to_owned(), name.into());
        token.insert("size".to_owned(), text.len().into());
        token.insert("header".to_owned(), header.into());
        token.insert("claims".to_owned(), claims.into());
        self.name(&mut token, text.as_bytes());
        Some(token)
    }

    fn claim(&self, name: &str, value: Value) -> Value {
        if CLAIMS.contains(&name) && is_short(&value) && is_plain(name, &value) {
            return value;
        }
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        json!({ "fingerprint": self.keys.fingerprint(&self.journey, text.as_bytes()) })
    }

    fn push(&mut self, item: &Map<String, Value>) {
        // Texts, numbers and lists have a JSON form.
        let item = serde_json::to_string(item).unwrap_or_default();
        if self.list.len() + item.len() + 3 > MAX_LIST {
            self.is_full = true;
            return;
        }
        if !self.list.is_empty() {
            self.list.push(',');
        }
        self.list.push_str(&item);
    }
}

fn item(place: Place, name: &str) -> Map<String, Value> {
    // Senders choose names too: what looks like none could be a value. The names of cookies
    // contain hashes, and numbers of parts.
    let (most, marks) = match place {
        Place::Cookie => (2 * MAX_NAME, &b"_-."[..]),
        _ => (MAX_NAME, &b"_-"[..]),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    let is_good = (1..=most).contains(&name.len()) && name.bytes().all(is_name);
    let name = if is_good { name } else { "(another name)" };
    let mut item = Map::new();
    item.insert("place".to_owned(), place.name().into());
    item.insert("name".to_owned(), name.into());
    item
}

fn decoded(part: &str) -> Option<Map<String, Value>> {
    if part.len() > MAX_JSON {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whether `value`, of the claim `name`, contains nothing that the claim's definition does
/// not name: a text, a number, a list of texts, or an object of known members.
fn is_plain(name: &str, value: &Value) -> bool {
    let known: &[&str] = match name {
        // RFC 8693 §4.1.
        "act" => &["sub", "iss", "act"],
        // RFC 9449 §6.1, RFC 8705 §3.1.
        "cnf" => &["jkt", "x5t#S256"],
        "events" => &[BACKCHANNEL_LOGOUT],
        _ => &[],
    };
    match value {
        Value::Object(members) => members.iter().all(|(member, value)| {
            let is_known = known.contains(&member.as_str());
            let is_empty = value.as_object().is_some_and(Map::is_empty);
            is_known
                && (value.is_string() || is_empty || (member == "act" && is_plain(name, value)))
        }),
        Value::Array(all) => all.iter().all(Value::is_string),
        _ => true,
    }
}

fn is_short(value: &Value) -> bool {
    value.to_string().len() <= MAX_VALUE
}

#[cfg(test)]
mod tests;
