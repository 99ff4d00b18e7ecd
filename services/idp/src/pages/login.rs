//! The sign-in page.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use web_kit::ui::{Csp, Site, page};

use crate::passwords::typed;

/// Asks for user name and password. Works without JavaScript.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    /// Where the form is posted, a path of this site.
    pub action: String,
    /// Hidden fields, name and value; the form sends them back.
    pub hidden: Vec<(String, String)>,
    /// What the user signs in for.
    pub aim: LoginAim,
    /// The user name to fill in: a hint, or what was typed before.
    pub username: String,
    /// Why the last attempt failed, in a sentence.
    pub problem: Option<String>,
}

/// What a user signs in for.
#[derive(Clone, Debug)]
pub(crate) enum LoginAim {
    /// To use the client with this name. Untrusted.
    Client(String),
    /// To do this on a page of this site.
    Page(&'static str),
}

impl LoginPage {
    /// The limits of the input fields, in UTF-16 units. A character has at most two, and one
    /// more for each combining mark. The provider itself counts characters.
    const MAX_USERNAME: usize = 4 * typed::MAX_NAME;
    const MAX_PASSWORD: usize = 4 * typed::MAX_PASSWORD;

    /// The page. Its policy names `redirect_uri`, where a successful sign-in leads: Chromium
    /// applies `form-action` to redirects too.
    pub(crate) fn respond(&self, status: StatusCode, redirect_uri: &str) -> HttpResponse {
        page(
            Site::Idp,
            "Sign in",
            status,
            self,
            &Csp::strict().form_action(redirect_uri),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rendered::{HOSTILE, first_button, page},
        *,
    };

    const REDIRECT: &str = "http://app1.localhost:8082/callback";

    fn form() -> LoginPage {
        LoginPage {
            action: "/login".into(),
            hidden: vec![
                ("flow".into(), "f1".into()),
                ("csrf_token".into(), "c1".into()),
            ],
            aim: LoginAim::Client("app1".into()),
            username: String::new(),
            problem: None,
        }
    }

    #[actix_web::test]
    async fn the_first_forms_first_button_signs_in() {
        let (html, _) = page(form().respond(StatusCode::OK, REDIRECT)).await;
        assert!(first_button(&html).ends_with(">Sign in"));
        assert!(first_button(&html).contains("type=\"submit\""));
    }

    #[actix_web::test]
    async fn hidden_fields_come_back_as_they_were() {
        let (html, _) = page(form().respond(StatusCode::OK, REDIRECT)).await;
        assert!(html.contains("<input type=\"hidden\" name=\"flow\" value=\"f1\">"));
        assert!(html.contains("<input type=\"hidden\" name=\"csrf_token\" value=\"c1\">"));
    }

    #[actix_web::test]
    async fn nothing_untrusted_gets_out_of_its_place() {
        let hostile = LoginPage {
            action: HOSTILE.into(),
            hidden: vec![(HOSTILE.into(), HOSTILE.into())],
            aim: LoginAim::Client(HOSTILE.into()),
            username: HOSTILE.into(),
            problem: Some(HOSTILE.into()),
        };
        let (html, _) = page(hostile.respond(StatusCode::OK, REDIRECT)).await;
        assert!(
            !html.contains("<script") && !html.contains("\"'>"),
            "{html}"
        );
        assert_eq!(html.matches("</form>").count(), 1);
        assert_eq!(html.matches("&#60;script&#62;").count(), 7);
    }

    #[actix_web::test]
    async fn the_cursor_waits_in_the_first_empty_field() {
        let (html, _) = page(form().respond(StatusCode::OK, REDIRECT)).await;
        assert!(html.find("autofocus") < html.find("id=\"password\""));
        let known = LoginPage {
            username: "alice".into(),
            ..form()
        };
        let (html, _) = page(known.respond(StatusCode::OK, REDIRECT)).await;
        assert!(html.find("autofocus") > html.find("id=\"password\""));
        assert_eq!(html.matches("autofocus").count(), 1);
    }

    #[actix_web::test]
    async fn the_policy_names_the_clients_origin_as_the_forms_target() {
        let (_, policy) = page(form().respond(StatusCode::OK, REDIRECT)).await;
        assert!(
            policy.ends_with("form-action 'self' http://app1.localhost:8082"),
            "{policy}"
        );
    }

    #[test]
    fn a_failed_attempt_says_why() {
        let failed = LoginPage {
            problem: Some("That did not match.".into()),
            ..form()
        };
        let response = failed.respond(StatusCode::UNAUTHORIZED, REDIRECT);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(
            failed
                .render()
                .unwrap()
                .contains("role=\"alert\">That did not match.</p>")
        );
    }
}
