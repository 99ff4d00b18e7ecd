//! Responses, and the page at the end of a chain of redirects.

use std::fmt;

use reqwest::{Method, header::HeaderMap};
use url::Url;

use super::{document::Document, form::Form};

/// A request and its response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The request's method.
    pub method: Method,
    /// The request's URL.
    pub url: Url,
    /// The status of the response.
    pub status: u16,
    /// The headers of the response.
    pub headers: HeaderMap,
    /// The body of the response.
    pub body: String,
}

/// Why a body is not JSON, with the body.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotJson(String);

impl Response {
    /// A header of the response.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value, NotJson> {
        serde_json::from_str(&self.body)
            .map_err(|error| NotJson(format!("{self}: not JSON ({error}): {}", self.body)))
    }

    /// The target of a redirect.
    pub fn redirect(&self) -> Option<Url> {
        let redirects = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        let to = self.header("location").filter(|_| redirects)?;
        self.url.join(to).ok()
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.url, self.status)
    }
}

/// The end of a navigation, with the redirects that led to it.
#[derive(Clone, Debug)]
pub struct Page {
    /// Never empty.
    hops: Vec<Response>,
}

impl Page {
    pub(super) fn new(mut redirects: Vec<Response>, last: Response) -> Self {
        redirects.push(last);
        Self { hops: redirects }
    }

    /// All responses, in order; the page's own is the last.
    pub fn hops(&self) -> &[Response] {
        &self.hops
    }

    /// The page's own response.
    pub fn last(&self) -> &Response {
        &self.hops[self.hops.len() - 1]
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.last().url
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.last().status
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.last().header(name)
    }

    /// The target of a redirect that was not followed.
    pub fn location(&self) -> Option<Url> {
        self.last().redirect()
    }

    /// The HTML.
    pub fn source(&self) -> &str {
        &self.last().body
    }

    fn document(&self) -> Document {
        Document::parse(self.url(), self.source())
    }

    /// The visible text, with white space folded.
    pub fn text(&self) -> String {
        self.document().text()
    }

    /// The title.
    pub fn title(&self) -> String {
        self.document().title.trim().to_owned()
    }

    /// The targets of the links, resolved.
    pub fn links(&self) -> Vec<Url> {
        self.document().links
    }

    /// Whether it has a form.
    pub fn has_form(&self) -> bool {
        !self.document().forms.is_empty()
    }

    /// The first form, for submission by its first button.
    pub fn first_form(&self) -> Option<Form> {
        self.document().forms.into_iter().next()
    }

    /// Whether the first form has the field `name`.
    pub fn asks_for(&self, name: &str) -> bool {
        self.first_form().is_some_and(|form| form.has(name))
    }

    /// The form with a button `label`, for submission by that button.
    pub fn form_with_button(&self, label: &str) -> Option<Form> {
        let forms = self.document().forms;
        forms.into_iter().find_map(|form| form.pressed(label))
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.url(), self.status(), self.text())
    }
}
