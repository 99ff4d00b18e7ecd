//! The provider's page for what did not work.

use actix_web::{HttpResponse, http::StatusCode};
use web_kit::look::{Accent, Message};

/// An error that cannot be sent back to a client (RFC 6749 §4.1.2.1), or that
/// a person has to read here.
#[derive(Clone, Debug)]
pub(crate) struct MessagePage(Message);

impl MessagePage {
    /// `title` in a few words, then `what_happened` in a sentence.
    pub(crate) fn new(title: impl Into<String>, what_happened: impl Into<String>) -> Self {
        Self(Message::new(title, what_happened))
    }

    /// What the reader can do now.
    #[must_use]
    pub(crate) fn what_to_do(self, text: impl Into<String>) -> Self {
        Self(self.0.what_to_do(text))
    }

    /// The protocol's own error code.
    #[must_use]
    pub(crate) fn error_code(self, code: impl Into<String>) -> Self {
        Self(self.0.error_code(code))
    }

    /// The trace in which it happened.
    #[must_use]
    pub(crate) fn trace_id(self, id: impl Into<String>) -> Self {
        Self(self.0.trace_id(id))
    }

    /// A way on. Never to an address that a request brought along: this page
    /// must not be an open redirector with a click in between.
    #[must_use]
    pub(crate) fn way(self, label: impl Into<String>, href: impl Into<String>) -> Self {
        Self(self.0.way(label, href))
    }

    /// The page.
    pub(crate) fn respond(&self, status: StatusCode) -> HttpResponse {
        self.0.respond(Accent::Idp, status)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rendered::page, *};

    #[actix_web::test]
    async fn it_is_the_providers_page_with_the_status_given() {
        let message = MessagePage::new("Unknown client", "No client has this id.")
            .error_code("invalid_client");
        let response = message.respond(StatusCode::BAD_REQUEST);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let (html, _) = page(response).await;
        assert!(html.contains("class=\"of-idp\"") && html.contains("<code>invalid_client</code>"));
    }
}
