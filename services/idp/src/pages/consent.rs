//! The consent form.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use web_kit::ui::{Accent, Csp, page};

/// Asks whether a client may have what it asks for. The form sends `decision`,
/// `allow` or `deny`.
#[derive(Clone, Debug, Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage {
    /// Where the form is posted, a path of this site.
    pub action: String,
    /// Hidden fields, name and value; the form sends them back.
    pub hidden: Vec<(String, String)>,
    /// Who asks. Untrusted.
    pub client_name: String,
    /// Where both answers lead: host and port of the redirect URI.
    pub redirect_host: String,
    /// Whose access it is about.
    pub user_name: String,
    /// What is asked for.
    pub groups: Vec<ConsentGroup>,
}

/// Permissions that belong together, such as those of one API.
#[derive(Clone, Debug)]
pub(crate) struct ConsentGroup {
    /// What they are about.
    pub title: String,
    /// Each in words.
    pub items: Vec<String>,
}

impl ConsentPage {
    /// The page. `redirect_uri` is where either answer leads: the policy has
    /// to name it, or Chromium blocks the way back to the client.
    pub(crate) fn respond(&self, status: StatusCode, redirect_uri: &str) -> HttpResponse {
        page(
            Accent::Idp,
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
