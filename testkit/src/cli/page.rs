//! Answers: one hop, and the page at the end of a chain of them.

use std::fmt;

use reqwest::{Method, header::HeaderMap};
use scraper::{Html, Selector};
use url::Url;

use super::Form;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The request's method.
    pub method: Method,
    /// The request's address.
    pub url: Url,
    /// The answer's status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The answer's body.
    pub body: String,
    /// Where `Location` leads, resolved.
    pub(super) location: Option<Url>,
}

impl Hop {
    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer's body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| {
            panic!(
                "{} {}: {} is no JSON ({e}): {}",
                self.method, self.url, self.status, self.body
            )
        })
    }

    /// Where the answer redirects to.
    pub fn redirect(&self) -> Option<Url> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
            .then(|| self.location.clone())
            .flatten()
    }
}

/// The end of a navigation, with the way that led there.
#[derive(Clone, Debug)]
pub struct Page {
    hops: Vec<Hop>,
}

impl Page {
    pub(super) fn new(hops: Vec<Hop>) -> Self {
        assert!(!hops.is_empty(), "a page has an answer");
        Self { hops }
    }

    /// All answers of the chain, the page's own last.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// The last answer.
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

    /// A header of it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.last().header(name)
    }

    /// Where it redirects to, when that was not followed.
    pub fn location(&self) -> Option<Url> {
        self.last().redirect()
    }

    /// Its source.
    pub fn source(&self) -> &str {
        &self.last().body
    }

    /// What a person reads: the text of the body, white space folded.
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

    /// The first form, to be sent by its first button.
    pub fn first_form(&self) -> Form {
        let forms = Form::all(self.url(), self.source());
        forms
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no form at {self}"))
    }

    /// The form with a button that reads `label`, to be sent by it.
    pub fn form_with_button(&self, label: &str) -> Form {
        let forms = Form::all(self.url(), self.source());
        let pressed = forms.into_iter().find_map(|form| form.pressed(label));
        pressed.unwrap_or_else(|| panic!("no button {label:?} at {self}"))
    }

    /// Where the links lead, resolved.
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
