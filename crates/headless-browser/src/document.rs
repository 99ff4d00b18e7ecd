//! What a browser without JavaScript reads in an HTML document: title, text, links and
//! forms.

use std::mem::take;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use reqwest::Method;
use url::Url;

use super::form::Form;

/// A document.
#[derive(Default)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) links: Vec<Url>,
    pub(super) forms: Vec<Form>,
    text: String,
}

/// The element whose text belongs to more than the document's text.
enum Open {
    Title,
    /// A script or a style sheet.
    Code,
    Button,
    TextArea {
        name: Option<String>,
        text: String,
    },
    Select(Select),
}

/// A list of options. The first one with `selected` is chosen, or else the first one.
struct Select {
    name: Option<String>,
    chosen: Option<String>,
    is_selected: bool,
    /// The text of the last option is its value.
    takes_text: bool,
}

impl Document {
    /// Reads the document at `url`.
    pub(super) fn parse(url: &Url, html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        // The content of a title, a script or a text area is not markup.
        emitter.naively_switch_states(true);
        let mut reader = Reader {
            url,
            document: Self::default(),
            form: None,
            open: None,
        };
        for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
            match token {
                Token::StartTag(tag) => reader.start(&tag),
                Token::EndTag(tag) => reader.end(&tag.name),
                Token::String(text) => reader.text(&String::from_utf8_lossy(&text)),
                Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
            }
        }
        reader.close_form();
        reader.document
    }

    /// The text, with white space folded.
    pub(super) fn text(&self) -> String {
        let words: Vec<_> = self.text.split_whitespace().collect();
        words.join(" ")
    }
}

struct Reader<'a> {
    url: &'a Url,
    document: Document,
    form: Option<Form>,
    open: Option<Open>,
}

impl Reader<'_> {
    fn start(&mut self, tag: &StartTag<()>) {
        self.document.text.push(' ');
        match tag.name.as_slice() {
            // A later one is part of a picture.
            b"title" if self.document.title.is_empty() => self.open = Some(Open::Title),
            b"script" | b"style" => self.open = Some(Open::Code),
            b"a" => {
                let target = attribute(tag, "href").and_then(|href| self.url.join(&href).ok());
                self.document.links.extend(target);
            }
            // A form inside a form is not one.
            b"form" if self.form.is_none() => self.form = self.form(tag),
            _ => self.control(tag),
        }
    }

    /// `None` if the action is not a URL.
    fn form(&self, tag: &StartTag<()>) -> Option<Form> {
        let action = attribute(tag, "action").unwrap_or_default();
        let is_post = attribute(tag, "method").is_some_and(|it| it.eq_ignore_ascii_case("post"));
        let method = if is_post { Method::POST } else { Method::GET };
        Some(Form::new(self.url.join(&action).ok()?, method))
    }

    /// A control of the open form.
    fn control(&mut self, tag: &StartTag<()>) {
        let Some(form) = &mut self.form else {
            return;
        };
        let has = |name| attribute(tag, name).is_some();
        if let (b"option", Some(Open::Select(select))) = (tag.name.as_slice(), &mut self.open) {
            select.option(attribute(tag, "value"), has("selected"));
            return;
        }
        if has("disabled") {
            return;
        }
        let name = attribute(tag, "name");
        let value = attribute(tag, "value").unwrap_or_default();
        let kind = attribute(tag, "type").unwrap_or_default();
        match (tag.name.as_slice(), kind.to_ascii_lowercase().as_str()) {
            (b"button", "" | "submit") => {
                form.add_button(String::new(), name, value);
                self.open = Some(Open::Button);
            }
            (b"input", "submit") => form.add_button(value.clone(), name, value),
            (b"input", "button" | "reset" | "image" | "file") => {}
            (b"input", "checkbox" | "radio") if !has("checked") => {}
            (b"input", _) => form.add_field(name, value),
            (b"textarea", _) => {
                let text = String::new();
                self.open = Some(Open::TextArea { name, text });
            }
            (b"select", _) => self.open = Some(Open::Select(Select::new(name))),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.open {
            Some(Open::Title) => return self.document.title.push_str(text),
            Some(Open::Code) => return,
            Some(Open::Button) => {
                if let Some(form) = &mut self.form {
                    form.extend_label(text);
                }
            }
            Some(Open::TextArea { text: all, .. }) => all.push_str(text),
            Some(Open::Select(select)) => select.text(text),
            None => {}
        }
        self.document.text.push_str(text);
    }

    fn end(&mut self, name: &[u8]) {
        self.document.text.push(' ');
        match (name, &mut self.open, &mut self.form) {
            (b"form", ..) => self.close_form(),
            (b"textarea", Some(Open::TextArea { name, text }), Some(form)) => {
                form.add_field(name.take(), take(text));
                self.open = None;
            }
            (b"select", Some(Open::Select(select)), Some(form)) => {
                if let Some(value) = select.chosen.take() {
                    form.add_field(select.name.take(), value.trim().to_owned());
                }
                self.open = None;
            }
            (b"title", Some(Open::Title), _)
            | (b"script" | b"style", Some(Open::Code), _)
            | (b"button", Some(Open::Button), _) => self.open = None,
            _ => {}
        }
    }

    fn close_form(&mut self) {
        self.open = None;
        let form = self.form.take().filter(|form| !form.is_too_large());
        self.document.forms.extend(form);
    }
}

impl Select {
    fn new(name: Option<String>) -> Self {
        Self {
            name,
            chosen: None,
            is_selected: false,
            takes_text: false,
        }
    }

    fn option(&mut self, value: Option<String>, selected: bool) {
        let chooses = self.chosen.is_none() || (selected && !self.is_selected);
        self.takes_text = chooses && value.is_none();
        if chooses {
            self.chosen = Some(value.unwrap_or_default());
            self.is_selected = selected;
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(chosen) = self.chosen.as_mut().filter(|_| self.takes_text) {
            chosen.push_str(text);
        }
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(html: &str) -> Document {
        Document::parse(
            &Url::parse("http://idp.localhost:1/authorize").unwrap(),
            html,
        )
    }

    const PAGE: &str = r#"<title>Sign &amp; in <form></title><!-- <form> --><style>p { }</style>
        <p>Hello <b>Alice</b></p><a href="/account">Account</a>
        <form method="post" action="/login?x=1">
        <input type="hidden" name="csrf" value="c&amp;1&#x27;"><input name="username">
        <input type=password name=password><input type="checkbox" name="stay" value="1">
        <input name="off" value="1" disabled>
        <textarea name="note">a <b></textarea>
        <select name="lang"><option value="de">Deutsch<option value="en" selected>English</select>
        <select name="size"><option>small</option><option>large</option></select>
        <button name="do" value="go">Sign in</button><button name="do" value="no">Cancel</button>
        </form><form><input name="other"></form><script>let form = "<form>";</script>"#;

    fn form() -> Form {
        document(PAGE).forms.remove(0)
    }

    #[test]
    fn title_text_and_links_are_read() {
        let document = document(PAGE);
        assert_eq!(document.title, "Sign & in <form>");
        assert!(document.text().starts_with("Hello Alice Account"));
        assert!(!document.text().contains("let form"));
        let links: Vec<_> = document.links.iter().map(Url::as_str).collect();
        assert_eq!(links, ["http://idp.localhost:1/account"]);
    }

    #[test]
    fn a_form_is_submitted_by_its_first_button_with_every_hidden_field() {
        let form = form()
            .fill(&[("username", "alice"), ("password", "a b&")])
            .unwrap();
        assert_eq!(form.action.as_str(), "http://idp.localhost:1/login?x=1");
        assert_eq!(form.method, Method::POST);
        assert_eq!(
            form.encoded(),
            "csrf=c%261%27&username=alice&password=a+b%26&note=a+%3Cb%3E\
             &lang=en&size=small&do=go"
        );
        assert_eq!((form.field("other"), form.field("stay")), (None, None));
        assert_eq!(document(PAGE).forms.len(), 2);
    }

    #[test]
    fn another_button_sends_its_own_name() {
        let cancel = form().pressed("Cancel").unwrap();
        assert!(cancel.encoded().ends_with("&do=no"));
        assert_eq!(form().pressed("Other"), None);
    }

    #[test]
    fn only_fields_that_are_shown_can_be_filled() {
        let error = form().fill(&[("otp", "1")]).unwrap_err();
        assert!(error.to_string().contains("no field \"otp\""));
    }

    #[test]
    fn a_form_without_bounds_is_no_form() {
        assert!(document("<p>hello").forms.is_empty());
        let many = format!("<form>{}", "<input name=a>".repeat(101));
        assert!(document(&many).forms.is_empty());
    }

    #[test]
    fn fuzz_pages_of_others() {
        let seeds = [
            "<title>t</title><form action=/a?x=1 method=post><input name=a value='&lt;'>\
             <select name=s><option selected>x</select><textarea name=t>y</textarea>\
             <button name=b value=c>go</button></form><a href=x>y</a><base href=//z>",
            "<form><form><input type=hidden name=\"\"></form>",
        ];
        let url = Url::parse("https://a.example/page").unwrap();
        fuzz::run_text(&seeds, |html| {
            let document = Document::parse(&url, html);
            assert!(document.forms.iter().all(|form| !form.is_too_large()));
            assert!(!document.text().contains("  "));
        });
    }
}
