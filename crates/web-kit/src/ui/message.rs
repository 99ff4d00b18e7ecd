//! The page of one message, with links to continue.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;

use super::{Csp, Site, page};

/// A message to a person. All texts are escaped.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "message.html")]
pub struct Message {
    title: String,
    what_happened: String,
    what_to_do: String,
    error_code: Option<String>,
    trace_id: Option<String>,
    ways_on: Vec<Way>,
}

/// A link of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The label of the button.
    pub label: String,
    /// The target: a path of this site, or a configured address. Never part of a request.
    pub href: String,
}

impl Message {
    /// `title` in a few words, then `what_happened` in a sentence.
    pub fn new(title: impl Into<String>, what_happened: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            what_happened: what_happened.into(),
            ..Self::default()
        }
    }

    /// What the reader can do now.
    pub fn what_to_do(mut self, text: impl Into<String>) -> Self {
        self.what_to_do = text.into();
        self
    }

    /// The protocol's own error code, such as `access_denied`.
    pub fn error_code(mut self, code: impl Into<String>) -> Self {
        self.error_code = Some(code.into());
        self
    }

    /// The trace id, as in the response's `Trace-Id`.
    pub fn trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = Some(id.into());
        self
    }

    /// Adds a link; the first one is the primary button.
    pub fn way(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.ways_on.push(Way {
            label: label.into(),
            href: href.into(),
        });
        self
    }

    /// The page with this message.
    pub fn respond(&self, site: Site, status: StatusCode) -> HttpResponse {
        page(site, &self.title, status, self, &Csp::strict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_escaped() {
        let evil = "\"><script>alert(1)</script>";
        let message = Message::new(evil, evil)
            .what_to_do(evil)
            .error_code(evil)
            .trace_id(evil)
            .way(evil, evil);
        let html = message.render().unwrap();
        assert!(
            !html.contains("<script>") && !html.contains("\">\""),
            "{html}"
        );
        assert_eq!(html.matches("&#60;script&#62;").count(), 7);
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let html = Message::new("Gone", "It is not here.").render().unwrap();
        assert!(
            !html.contains("Trace") && !html.contains("Error code") && !html.contains("button")
        );
    }

    #[test]
    fn the_first_way_on_stands_out() {
        let html = Message::new("a", "b")
            .way("First", "/1")
            .way("Second", "/2")
            .render()
            .unwrap();
        assert!(html.contains("<a class=\"button\" href=\"/1\">First</a>"));
        assert!(html.contains("<a class=\"button plain\" href=\"/2\">Second</a>"));
    }
}
