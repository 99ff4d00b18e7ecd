//! Responses: single hops, and the page at the end of a chain of hops.

use std::fmt;

use reqwest::{Method, header::HeaderMap};
use scraper::{Html, Selector};
use url::Url;

use super::Form;

/// A request and its response.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The request's method.
    pub method: Method,
    /// The request's address.
    pub url: Url,
    /// The status of the response.
    pub status: u16,
    /// The headers of the response.
    pub headers: HeaderMap,
    /// The body of the response.
    pub body: String,
    /// Where `Location` leads, resolved.
    pub(super) location: Option<Url>,
}

impl Hop {
    /// A header of the response.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body of the response as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| {
            panic!(
                "{} {}: {} is no JSON ({e}): {}",
                self.method, self.url, self.status, self.body
            )
        })
    }

    /// The target of a redirect.
    pub fn redirect(&self) -> Option<Url> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
            .then(|| self.location.clone())
            .flatten()
    }
}

/// The end of a navigation, with the hops that led there.
#[derive(Clone, Debug)]
pub struct Page {
    hops: Vec<Hop>,
}

impl Page {
    pub(super) fn new(hops: Vec<Hop>) -> Self {
        assert!(!hops.is_empty(), "a page has an answer");
        Self { hops }
    }

    /// All responses of the chain; the page's own is the last.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// The last response.
    pub fn last(&self) -> &Hop {
        &self.hops[self.hops.len() - 1]
    }

    /// Its address.
    pub fn url(&self) -> &Url {
        &self.last().url
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        self.last().status
    }

    /// A header of the page.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.last().header(name)
    }

    /// The target of a redirect that was not followed.
    pub fn location(&self) -> Option<Url> {
        self.last().redirect()
    }

    /// The page's source.
    pub fn source(&self) -> &str {
        &self.last().body
    }

    /// The visible text of the body, with white space folded.
    pub fn text(&self) -> String {
        let html = Html::parse_document(self.source());
        let body = Selector::parse("body").unwrap();
        let words = html
            .select(&body)
            .flat_map(|body| body.text())
            .collect::<Vec<_>>()
            .join(" ");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The title.
    pub fn title(&self) -> String {
        let html = Html::parse_document(self.source());
        let title = Selector::parse("title").unwrap();
        html.select(&title)
            .next()
            .map(|title| title.text().collect::<String>().trim().to_owned())
            .unwrap_or_default()
    }

    /// Whether it has a form.
    pub fn has_form(&self) -> bool {
        !Form::all(self.url(), self.source()).is_empty()
    }

    /// The first form, for submission by its first button.
    pub fn first_form(&self) -> Form {
        let forms = Form::all(self.url(), self.source());
        forms
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no form at {self}"))
    }

    /// The form with a button `label`, for submission by that button.
    pub fn form_with_button(&self, label: &str) -> Form {
        let forms = Form::all(self.url(), self.source());
        let pressed = forms.into_iter().find_map(|form| form.pressed(label));
        pressed.unwrap_or_else(|| panic!("no button {label:?} at {self}"))
    }

    /// The targets of the links, resolved.
    pub fn links(&self) -> Vec<Url> {
        let html = Html::parse_document(self.source());
        let links = Selector::parse("a[href]").unwrap();
        html.select(&links)
            .filter_map(|link| self.url().join(link.attr("href")?).ok())
            .collect()
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.url(), self.status(), self.text())
    }
}
