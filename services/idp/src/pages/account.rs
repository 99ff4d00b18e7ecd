//! The account page: the sessions of a user, and the access that outlasts them.

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
    /// The field that names a grant.
    pub grant_field: &'static str,
    /// Grants that outlast their login sessions, the newest first.
    pub grants: Vec<AccountGrant>,
    /// Whether there is more than the page shows.
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

/// One grant that outlasts its login session: an app without a server, or a device.
#[derive(Clone, Debug)]
pub(crate) struct AccountGrant {
    /// Its id.
    pub id: String,
    /// The client. Untrusted.
    pub client_name: String,
    /// When it began.
    pub since: String,
    /// When its refresh token was last used.
    pub used: String,
    /// When it ends.
    pub until: String,
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
    async fn each_session_and_grant_has_its_button_and_nothing_untrusted_gets_out_of_its_place() {
        let account = AccountPage {
            action: "/account/end".into(),
            form_token: ("form_token".into(), HOSTILE.into()),
            sid_field: "sid",
            others_field: "others",
            user_name: HOSTILE.into(),
            sessions: vec![session(HOSTILE, true), session(HOSTILE, false)],
            grant_field: "grant",
            grants: vec![AccountGrant {
                id: HOSTILE.into(),
                client_name: HOSTILE.into(),
                since: "then".into(),
                used: "now".into(),
                until: "later".into(),
            }],
            more: false,
        };
        let (html, policy) = page(account.respond()).await;
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("</form>").count(), 4);
        assert_eq!(html.matches("This browser").count(), 1);
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}
