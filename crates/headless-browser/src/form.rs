//! A form of a page, as a browser submits it.

use reqwest::Method;
use url::{Url, form_urlencoded};

/// The maximum number of fields of a form. A form with more is ignored.
const MAX_FIELDS: usize = 100;

/// A form with its fields, including hidden ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The URL to which it is submitted.
    pub action: Url,
    /// The method.
    pub method: Method,
    fields: Vec<(String, String)>,
    buttons: Vec<Button>,
    pressed: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Button {
    label: String,
    name: Option<String>,
    value: String,
}

/// A form has no field of this name.
#[derive(Debug, thiserror::Error)]
#[error("the form to {action} has no field {name:?}")]
pub struct NoSuchField {
    action: Url,
    name: String,
}

impl Form {
    pub(super) fn new(action: Url, method: Method) -> Self {
        Self {
            action,
            method,
            fields: Vec::new(),
            buttons: Vec::new(),
            pressed: 0,
        }
    }

    pub(super) fn add_field(&mut self, name: Option<String>, value: String) {
        self.fields.extend(name.map(|name| (name, value)));
    }

    pub(super) fn add_button(&mut self, label: String, name: Option<String>, value: String) {
        self.buttons.push(Button { label, name, value });
    }

    pub(super) fn extend_label(&mut self, text: &str) {
        if let Some(button) = self.buttons.last_mut() {
            button.label.push_str(text);
        }
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.fields.len().max(self.buttons.len()) > MAX_FIELDS
    }

    /// The form with `fields` filled in. Each field must exist: a person cannot fill in
    /// a field that is not shown.
    pub fn fill(mut self, fields: &[(&str, &str)]) -> Result<Self, NoSuchField> {
        for (name, value) in fields {
            let field = self.fields.iter_mut().find(|(field, _)| field == name);
            let Some(field) = field else {
                let (action, name) = (self.action, (*name).to_owned());
                return Err(NoSuchField { action, name });
            };
            (*value).clone_into(&mut field.1);
        }
        Ok(self)
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// Whether it has the field `name`.
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The form for submission by the button whose text contains `label`, if there is
    /// one.
    pub(super) fn pressed(mut self, label: &str) -> Option<Self> {
        let mut buttons = self.buttons.iter();
        self.pressed = buttons.position(|button| button.label.contains(label))?;
        Some(self)
    }

    /// The body of its submission, as `application/x-www-form-urlencoded`.
    pub fn encoded(&self) -> String {
        let pressed = self.buttons.get(self.pressed);
        let button = pressed.and_then(|button| Some((button.name.as_ref()?, &button.value)));
        let fields = self.fields.iter().map(|(name, value)| (name, value));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.chain(button))
            .finish()
    }
}
