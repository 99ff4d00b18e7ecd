//! The HTML pages of the provider. They only render their fields: nothing reads a
//! request or decides anything here.

mod account;
mod consent;
mod device;
pub(crate) mod explain;
mod home;
mod login;
mod logout;

pub(crate) use account::{AccountGrant, AccountPage, AccountSession};
pub(crate) use consent::{ConsentGroup, ConsentPage};
pub(crate) use device::{DeviceAnswerPage, DevicePage};
pub(crate) use home::HomePage;
pub(crate) use login::{LoginAim, LoginPage};
pub(crate) use logout::LogoutPage;

#[cfg(test)]
mod rendered {
    //! What tests read out of a page, as a user agent would.

    /// The text that every test plants where a stranger could.
    pub(super) const HOSTILE: &str = "\"'></form><script>alert(1)</script>&amp;";

    /// The whole page and its policy.
    pub(super) async fn page(response: actix_web::HttpResponse) -> (String, String) {
        let policy = response
            .headers()
            .get("content-security-policy")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let body = actix_web::body::to_bytes(response.into_body())
            .await
            .unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), policy)
    }

    /// The first form's first button.
    pub(super) fn first_button(html: &str) -> &str {
        let form = &html[html.find("<form").unwrap()..html.find("</form>").unwrap()];
        let button = &form[form.find("<button").unwrap()..];
        &button[..button.find("</button>").unwrap()]
    }
}
