//! The account page: the sessions of a user.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use web_kit::ui::{Csp, Site, page};

/// The user's login sessions, each with a way to end it.
#[derive(Clone, Debug, Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage {
    /// Where the forms are posted, a path of this site.
    pub action: String,
    /// The CSRF token, name and value.
    pub form_token: (String, String),
    /// The field that names a session.
    pub sid_field: &'static str,
    /// The field of the form that ends all others.
    pub others_field: &'static str,
    /// The user.
    pub user_name: String,
    /// This browser's first.
    pub sessions: Vec<AccountSession>,
    /// Whether there are more sessions than shown.
    pub more: bool,
}

/// One login session.
#[derive(Clone, Debug)]
pub(crate) struct AccountSession {
    /// Its id.
    pub sid: String,
    /// The browser and its operating system.
    pub device: String,
    /// When it began.
    pub since: String,
    /// When it expires.
    pub until: String,
    /// The apps that take part, in the order of their sign-ins.
    pub apps: Vec<String>,
    /// Whether it is this browser's.
    pub is_here: bool,
}

impl AccountPage {
    /// The page.
    pub(crate) fn respond(&self) -> HttpResponse {
        page(
            Site::Idp,
            "Your account",
            StatusCode::OK,
            self,
            &Csp::strict(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rendered::{HOSTILE, page},
        *,
    };

    fn session(text: &str, is_here: bool) -> AccountSession {
        AccountSession {
            sid: text.into(),
            device: text.into(),
            since: "then".into(),
            until: "later".into(),
            apps: vec![text.into()],
            is_here,
        }
    }

    #[actix_web::test]
    async fn each_session_has_its_button_and_nothing_untrusted_gets_out_of_its_place() {
        let account = AccountPage {
            action: "/account/end".into(),
            form_token: ("form_token".into(), HOSTILE.into()),
            sid_field: "sid",
            others_field: "others",
            user_name: HOSTILE.into(),
            sessions: vec![session(HOSTILE, true), session(HOSTILE, false)],
            more: false,
        };
        let (html, policy) = page(account.respond()).await;
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("</form>").count(), 3);
        assert_eq!(html.matches("This browser").count(), 1);
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}
