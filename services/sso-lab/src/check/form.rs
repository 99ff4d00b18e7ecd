//! The first form of a page, as a browser would send it by its first button:
//! every hidden field goes back.

use std::collections::BTreeMap;

use html5gum::{DefaultEmitter, HtmlString, Spanned, StartTag, Token, Tokenizer};
use reqwest::Method;
use url::{Url, form_urlencoded};

/// The most fields of a form.
const MAX_FIELDS: usize = 100;

/// A form with its fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) action: Url,
    pub(super) method: Method,
    fields: Vec<(String, String)>,
    has_button: bool,
}

impl Form {
    /// The first form of the page at `url`, where it has one.
    pub(super) fn first(url: &Url, html: &str) -> Option<Self> {
        let mut emitter = DefaultEmitter::default();
        // What is in a title, a script or a text field is no markup.
        emitter.naively_switch_states(true);
        let mut form: Option<Self> = None;
        for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
            match (token, &mut form) {
                (Token::StartTag(tag), None) if **tag.name == *b"form" => {
                    form = Some(Self::begun(url, &tag)?);
                }
                (Token::StartTag(tag), Some(form)) => form.add(&tag)?,
                (Token::EndTag(tag), Some(_)) if **tag.name == *b"form" => break,
                _ => {}
            }
        }
        form
    }

    fn begun(url: &Url, tag: &StartTag<()>) -> Option<Self> {
        let action = attribute(&tag.attributes, "action").unwrap_or_default();
        let method = attribute(&tag.attributes, "method").unwrap_or_default();
        Some(Self {
            // Nowhere else than to the site that showed it.
            action: url
                .join(&action)
                .ok()
                .filter(|action| action.origin() == url.origin())?,
            method: if method.eq_ignore_ascii_case("post") {
                Method::POST
            } else {
                Method::GET
            },
            fields: Vec::new(),
            has_button: false,
        })
    }

    /// Adds what a control sends. `None`: there are too many.
    fn add(&mut self, tag: &StartTag<()>) -> Option<()> {
        let of = |name| attribute(&tag.attributes, name);
        let kind = of("type").unwrap_or_default().to_ascii_lowercase();
        let sends = match (tag.name.as_slice(), kind.as_str()) {
            // Of several buttons the first is the one that goes on.
            (b"button", "" | "submit") | (b"input", "submit") => {
                !std::mem::replace(&mut self.has_button, true)
            }
            (b"input", "button" | "reset" | "image" | "file") => false,
            (b"input", "checkbox" | "radio") => of("checked").is_some(),
            (b"input", _) => true,
            _ => false,
        };
        if let Some(name) = of("name").filter(|_| sends) {
            if self.fields.len() >= MAX_FIELDS {
                return None;
            }
            self.fields.push((name, of("value").unwrap_or_default()));
        }
        Some(())
    }

    /// Whether it asks for `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// The same with `name` filled in.
    pub(super) fn fill(mut self, name: &str, value: &str) -> Self {
        for field in self.fields.iter_mut().filter(|(field, _)| field == name) {
            value.clone_into(&mut field.1);
        }
        self
    }

    /// As `application/x-www-form-urlencoded`.
    pub(super) fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.fields)
            .finish()
    }
}

fn attribute(
    attributes: &BTreeMap<HtmlString, Spanned<HtmlString, ()>>,
    name: &str,
) -> Option<String> {
    let value = attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(html: &str) -> Option<Form> {
        Form::first(&"http://idp.localhost:1/authorize".parse().unwrap(), html)
    }

    #[test]
    fn every_hidden_field_goes_back_and_the_first_button_with_it() {
        let page = r#"<title><form></title><!-- <form> -->
            <form method="post" action="/login?x=1">
            <input type="hidden" name="csrf" value="c&amp;1&#x27;"><input name="username">
            <input type=password name=password><input type="checkbox" name="stay" value="1">
            <button name="do" value="go">Sign in</button><button name="do" value="no">No</button>
            </form><form><input name="other"></form>"#;
        let form = first(page).unwrap();
        assert_eq!(form.action.as_str(), "http://idp.localhost:1/login?x=1");
        assert_eq!(form.method, Method::POST);
        assert!(form.has("password") && !form.has("other") && !form.has("stay"));
        let form = form.fill("username", "alice").fill("password", "a b&");
        assert_eq!(
            form.encoded(),
            "csrf=c%261%27&username=alice&password=a+b%26&do=go"
        );
    }

    #[test]
    fn a_page_without_a_form_has_none_and_one_for_elsewhere_is_none() {
        assert_eq!(first("<p>hello"), None);
        assert_eq!(first("<form action=\"http://evil.localhost:1/\">"), None);
        let many = format!("<form>{}", "<input name=a>".repeat(MAX_FIELDS + 1));
        assert_eq!(first(&many), None);
    }
}
