//! The question whether to sign out.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use url::Url;
use web_kit::ui::{Accent, Csp, page};

/// Asks a user who did not come here by an app's own word for the session.
#[derive(Clone, Debug, Template)]
#[template(path = "logout.html")]
pub(crate) struct LogoutPage {
    /// Where the form is posted, a path of this site.
    pub action: String,
    /// Hidden fields, name and value; the form sends them back. Untrusted.
    pub hidden: Vec<(String, String)>,
    /// Who is signed in here; none where only the app's own session would end.
    pub user_name: Option<String>,
    /// The app that asks for it, where it said so. Untrusted.
    pub client_name: Option<String>,
}

impl LogoutPage {
    /// The page. `back` is where the answer leads in the end: the policy has
    /// to name it, or Chromium blocks the way back to the client.
    pub(crate) fn respond(&self, back: Option<&Url>) -> HttpResponse {
        let csp = match back {
            Some(url) => Csp::strict().form_action(url.as_str()),
            None => Csp::strict(),
        };
        page(Accent::Idp, "Sign out?", StatusCode::OK, self, &csp)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rendered::{HOSTILE, first_button, page},
        *,
    };

    #[actix_web::test]
    async fn the_first_forms_first_button_signs_out_and_nothing_gets_out_of_its_place() {
        let asking = LogoutPage {
            action: "/logout".into(),
            hidden: vec![(HOSTILE.into(), HOSTILE.into())],
            user_name: Some(HOSTILE.into()),
            client_name: Some(HOSTILE.into()),
        };
        let back = "http://127.0.0.1:9999/".parse().unwrap();
        let elsewhere = LogoutPage {
            user_name: None,
            ..asking.clone()
        };
        let (html, _) = page(elsewhere.respond(Some(&back))).await;
        assert!(first_button(&html).ends_with(">Sign out"));
        assert!(!html.contains("<script"), "{html}");
        let (html, policy) = page(asking.respond(Some(&back))).await;
        assert!(first_button(&html).ends_with(">Sign out"));
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&#60;script&#62;").count(), 4);
        assert!(
            policy.ends_with("form-action 'self' http://127.0.0.1:9999"),
            "{policy}"
        );
    }
}
