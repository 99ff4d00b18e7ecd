//! An app's page for a login that failed.

use actix_web::{HttpResponse, http::StatusCode};
use web_kit::ui::{Message, Site};

/// Says what happened, and links to a new sign-in and to the home page.
#[derive(Clone, Debug)]
pub(crate) struct MessagePage(Message);

impl MessagePage {
    /// `title` in a few words, then `what_happened` in a sentence.
    pub(crate) fn new(title: impl Into<String>, what_happened: impl Into<String>) -> Self {
        let message = Message::new(title, what_happened);
        Self(
            message
                .way("Sign in again", "/login?return_to=/")
                .way("To the home page", "/"),
        )
    }

    /// What the reader can do now.
    #[must_use]
    pub(crate) fn what_to_do(self, text: impl Into<String>) -> Self {
        Self(self.0.what_to_do(text))
    }

    /// The provider's error code (RFC 6749 §4.1.2.1).
    #[must_use]
    pub(crate) fn error_code(self, code: impl Into<String>) -> Self {
        Self(self.0.error_code(code))
    }

    /// The trace in which it happened.
    #[must_use]
    pub(crate) fn trace_id(self, id: impl Into<String>) -> Self {
        Self(self.0.trace_id(id))
    }

    /// The page.
    pub(crate) fn respond(&self, site: Site, status: StatusCode) -> HttpResponse {
        self.0.respond(site, status)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rendered::page, *};

    #[actix_web::test]
    async fn there_is_always_a_way_on() {
        let message =
            MessagePage::new("Not signed in", "You denied it.").error_code("access_denied");
        let response = message.respond(Site::App2, StatusCode::FORBIDDEN);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let (html, _) = page(response).await;
        assert!(html.contains("href=\"/login?return_to=/\">Sign in again"));
        assert!(html.contains("href=\"/\">To the home page"));
        assert!(html.contains("class=\"of-app2\"") && html.contains("access_denied"));
    }
}
