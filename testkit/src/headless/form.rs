//! A page's form, as a browser sends it.

use reqwest::Method;
use scraper::{ElementRef, Html, Selector};
use url::{Url, form_urlencoded};

/// A form with its fields, hidden ones included.
#[derive(Clone, Debug)]
pub struct Form {
    /// Its target.
    pub action: Url,
    /// Its method.
    pub method: Method,
    /// Names and values.
    pub fields: Vec<(String, String)>,
    buttons: Vec<Button>,
    pressed: usize,
}

#[derive(Clone, Debug)]
struct Button {
    label: String,
    name: Option<String>,
    value: String,
}

impl Form {
    /// All forms of a page.
    pub(super) fn all(page: &Url, source: &str) -> Vec<Self> {
        let html = Html::parse_document(source);
        let forms = Selector::parse("form").unwrap();
        html.select(&forms)
            .map(|form| Self::read(page, form))
            .collect()
    }

    fn read(page: &Url, form: ElementRef<'_>) -> Self {
        let post = form
            .attr("method")
            .is_some_and(|method| method.eq_ignore_ascii_case("post"));
        let controls = Selector::parse("input, button, select, textarea").unwrap();
        let mut fields = Vec::new();
        let mut buttons = Vec::new();
        for control in form.select(&controls) {
            let name = control.attr("name").map(str::to_owned);
            let value = control.attr("value").unwrap_or_default().to_owned();
            let kind = control.attr("type").unwrap_or_default();
            match (control.value().name(), kind) {
                ("button", "" | "submit") => {
                    let label = control.text().collect::<String>().trim().to_owned();
                    buttons.push(Button { label, name, value });
                }
                ("input", "submit") => buttons.push(Button {
                    label: value.clone(),
                    name,
                    value,
                }),
                ("button", _) | ("input", "button" | "reset" | "image") => {}
                ("input", "checkbox" | "radio") if control.attr("checked").is_none() => {}
                ("select", _) => fields.extend(name.zip(chosen(control))),
                ("textarea", _) => fields.extend(name.map(|name| (name, control.text().collect()))),
                _ => fields.extend(name.map(|name| (name, value))),
            }
        }
        Self {
            action: page.join(form.attr("action").unwrap_or_default()).unwrap(),
            method: if post { Method::POST } else { Method::GET },
            fields,
            buttons,
            pressed: 0,
        }
    }

    /// The form with `fields` filled in. Each field must exist, because a person
    /// cannot fill a field that is not shown.
    pub fn fill(mut self, fields: &[(&str, &str)]) -> Self {
        for (name, value) in fields {
            let field = self.fields.iter_mut().find(|(field, _)| field == name);
            let field =
                field.unwrap_or_else(|| panic!("no field {name:?} in the form to {}", self.action));
            (*value).clone_into(&mut field.1);
        }
        self
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn pressed(mut self, label: &str) -> Option<Self> {
        self.pressed = self
            .buttons
            .iter()
            .position(|button| button.label.contains(label))?;
        Some(self)
    }

    /// As `application/x-www-form-urlencoded`.
    pub fn encoded(&self) -> String {
        let button = self
            .buttons
            .get(self.pressed)
            .and_then(|button| Some((button.name.as_ref()?, &button.value)));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                self.fields
                    .iter()
                    .map(|(name, value)| (name, value))
                    .chain(button),
            )
            .finish()
    }
}

fn chosen(select: ElementRef<'_>) -> Option<String> {
    let options = Selector::parse("option").unwrap();
    let all: Vec<_> = select.select(&options).collect();
    let option = all
        .iter()
        .find(|option| option.attr("selected").is_some())
        .or(all.first())?;
    Some(
        option
            .attr("value")
            .map_or_else(|| option.text().collect(), str::to_owned),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<form method="post" action="/login?x=1">
        <input type="hidden" name="csrf" value="c&amp;1"><input name="username">
        <input type="password" name="password"><input type="checkbox" name="stay" value="1">
        <select name="lang"><option value="de">Deutsch<option value="en" selected>English</select>
        <button name="do" value="go">Sign in</button><button name="do" value="no">Cancel</button></form>"#;

    fn form() -> Form {
        Form::all(
            &Url::parse("http://idp.localhost:1/authorize").unwrap(),
            PAGE,
        )
        .remove(0)
    }

    #[test]
    fn a_form_is_sent_by_its_first_button_with_every_hidden_field() {
        let form = form().fill(&[("username", "alice"), ("password", "a b")]);
        assert_eq!(form.action.as_str(), "http://idp.localhost:1/login?x=1");
        assert_eq!(
            form.encoded(),
            "csrf=c%261&username=alice&password=a+b&lang=en&do=go"
        );
    }

    #[test]
    fn another_button_sends_its_own_name() {
        assert!(
            form()
                .pressed("Cancel")
                .unwrap()
                .encoded()
                .ends_with("&do=no")
        );
        assert!(form().pressed("Other").is_none());
    }

    #[test]
    #[should_panic(expected = "no field")]
    fn what_is_not_shown_cannot_be_filled() {
        let _ = form().fill(&[("otp", "1")]);
    }
}
