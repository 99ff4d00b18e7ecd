//! The logout confirmation page.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use url::Url;
use web_kit::ui::{Csp, Site, page};

/// Asks the user to confirm a logout that the request does not prove.
#[derive(Clone, Debug, Template)]
#[template(path = "logout.html")]
pub(crate) struct LogoutPage {
    /// Where the form is posted, a path of this site.
    pub action: String,
    /// Hidden fields, name and value; the form sends them back. Untrusted.
    pub hidden: Vec<(String, String)>,
    /// The signed-in user; none if only the session of the app would end.
    pub user_name: Option<String>,
    /// The app that requests the logout, if the request names it. Untrusted.
    pub client_name: Option<String>,
}

impl LogoutPage {
    /// The page. Its policy names `redirect_to`: Chromium applies `form-action` to redirects
    /// too.
    pub(crate) fn respond(&self, redirect_to: Option<&Url>) -> HttpResponse {
        let csp = match redirect_to {
            Some(url) => Csp::strict().form_action(url.as_str()),
            None => Csp::strict(),
        };
        page(Site::Idp, "Sign out?", StatusCode::OK, self, &csp)
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
