//! The pages on which a user connects a device (RFC 8628 §3.3).

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use web_kit::ui::{Csp, Site, page};

use super::ConsentGroup;

/// Asks for the code that the device shows.
#[derive(Clone, Debug, Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage {
    /// Where the form is posted, a path of this site.
    pub action: &'static str,
    /// Hidden fields, name and value; the form sends them back.
    pub hidden: Vec<(String, String)>,
    /// The field of the code.
    pub code_field: &'static str,
    /// The code to fill in: that of the link, or what was typed before.
    pub code: String,
    /// The user.
    pub user_name: String,
    /// Why the last code was not taken, in a sentence.
    pub problem: Option<String>,
}

/// Asks whether the device may have access. The form sends `decision`, `allow` or `deny`.
#[derive(Clone, Debug, Template)]
#[template(path = "device_answer.html")]
pub(crate) struct DeviceAnswerPage {
    /// Where the form is posted, a path of this site.
    pub action: &'static str,
    /// Hidden fields, name and value; the form sends them back.
    pub hidden: Vec<(String, String)>,
    /// The code, to compare with the device's.
    pub code: String,
    /// The client on the device. Untrusted.
    pub client_name: String,
    /// The user.
    pub user_name: String,
    /// The requested permissions.
    pub groups: Vec<ConsentGroup>,
}

impl DevicePage {
    /// The page.
    pub(crate) fn respond(&self, status: StatusCode) -> HttpResponse {
        page(Site::Idp, "Connect a device", status, self, &Csp::strict())
    }
}

impl DeviceAnswerPage {
    /// The page.
    pub(crate) fn respond(&self) -> HttpResponse {
        let title = "Allow this device?";
        page(Site::Idp, title, StatusCode::OK, self, &Csp::strict())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rendered::{HOSTILE, first_button, page},
        *,
    };

    fn asking(text: &str) -> DevicePage {
        DevicePage {
            action: "/device",
            hidden: vec![(text.into(), text.into())],
            code_field: "user_code",
            code: text.into(),
            user_name: text.into(),
            problem: Some(text.into()),
        }
    }

    fn comparing(text: &str) -> DeviceAnswerPage {
        DeviceAnswerPage {
            action: "/device/answer",
            hidden: vec![(text.into(), text.into())],
            code: text.into(),
            client_name: text.into(),
            user_name: text.into(),
            groups: vec![ConsentGroup {
                title: text.into(),
                items: vec![text.into()],
            }],
        }
    }

    #[actix_web::test]
    async fn the_first_button_goes_on_and_the_second_denies() {
        let (html, _) = page(asking("x").respond(StatusCode::OK)).await;
        assert!(first_button(&html).ends_with(">Continue"), "{html}");
        let (html, policy) = page(comparing("WDJB-MJHT").respond()).await;
        assert!(first_button(&html).contains("name=\"decision\" value=\"allow\""));
        assert!(html.find("value=\"deny\"") > html.find("value=\"allow\""));
        assert!(html.contains(">WDJB-MJHT</p>"), "{html}");
        assert!(policy.ends_with("form-action 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }

    #[actix_web::test]
    async fn nothing_untrusted_gets_out_of_its_place() {
        let asked = page(asking(HOSTILE).respond(StatusCode::OK)).await.0;
        let compared = page(comparing(HOSTILE).respond()).await.0;
        for (html, times) in [(asked, 5), (compared, 7)] {
            assert!(
                !html.contains("<script") && !html.contains("\"'>"),
                "{html}"
            );
            assert_eq!(html.matches("</form>").count(), 1);
            assert_eq!(html.matches("&#60;script&#62;").count(), times);
        }
    }
}
