//! The consent page.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use web_kit::ui::{Csp, Site, page};

/// Asks the user to allow what a client requests. The form sends `decision`, `allow` or
/// `deny`.
#[derive(Clone, Debug, Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage {
    /// Where the form is posted, a path of this site.
    pub action: String,
    /// Hidden fields, name and value; the form sends them back.
    pub hidden: Vec<(String, String)>,
    /// The client. Untrusted.
    pub client_name: String,
    /// Host and port of the redirect URI, where both answers lead.
    pub redirect_host: String,
    /// The user.
    pub user_name: String,
    /// The requested permissions.
    pub groups: Vec<ConsentGroup>,
}

/// Permissions that belong together, such as those of one API.
#[derive(Clone, Debug)]
pub(crate) struct ConsentGroup {
    /// The title.
    pub title: String,
    /// The text of each permission.
    pub items: Vec<String>,
}

impl ConsentPage {
    /// The page. Its policy names `redirect_uri`, where both answers lead: Chromium applies
    /// `form-action` to redirects too.
    pub(crate) fn respond(&self, status: StatusCode, redirect_uri: &str) -> HttpResponse {
        page(
            Site::Idp,
            "Allow this app?",
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

    const REDIRECT: &str = "http://127.0.0.1:9999/callback";

    fn asking(text: &str) -> ConsentPage {
        ConsentPage {
            action: "/consent".into(),
            hidden: vec![(text.into(), text.into())],
            client_name: text.into(),
            redirect_host: text.into(),
            user_name: text.into(),
            groups: vec![ConsentGroup {
                title: text.into(),
                items: vec![text.into()],
            }],
        }
    }

    #[actix_web::test]
    async fn the_first_forms_first_button_allows_and_the_next_denies() {
        let (html, policy) = page(asking("demo").respond(StatusCode::OK, REDIRECT)).await;
        assert!(first_button(&html).contains("name=\"decision\" value=\"allow\""));
        assert_eq!(html.matches("<button").count(), 2);
        assert!(html.find("value=\"deny\"") > html.find("value=\"allow\""));
        assert!(
            policy.ends_with("form-action 'self' http://127.0.0.1:9999"),
            "{policy}"
        );
    }

    #[actix_web::test]
    async fn nothing_untrusted_gets_out_of_its_place() {
        let (html, _) = page(asking(HOSTILE).respond(StatusCode::OK, REDIRECT)).await;
        assert!(
            !html.contains("<script") && !html.contains("\"'>"),
            "{html}"
        );
        assert_eq!(html.matches("</form>").count(), 1);
        assert_eq!(html.matches("&#60;script&#62;").count(), 7);
    }
}
