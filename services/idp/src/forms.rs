//! Forms of ours are bound to the browser that they were shown in: a form that
//! another site sends in the victim's browser belongs to another one (CSRF).

use actix_web::{HttpRequest, cookie::Cookie};
use kit::seal::fingerprint;
use oauth_types::secret::same_secret;

use crate::{cookies, params::Params, state::Idp, trouble::Trouble};

/// The hidden field that binds a form.
const FIELD: &str = "form_token";

/// The value that stands for this browser, and its cookie. One value for all
/// tabs of the browser: a new one would end their forms.
pub fn browser(idp: &Idp, req: &HttpRequest) -> (String, Cookie<'static>) {
    let value = cookies::read(req, cookies::BROWSER)
        .filter(|value| value.len() == cookies::TOKEN_LEN)
        .unwrap_or_else(|| idp.random.token());
    let cookie = cookies::browser(value.clone(), idp.weaknesses);
    (value, cookie)
}

/// The hidden field of a form shown in `browser`, good for `purpose` alone.
pub fn field(browser: &str, purpose: &str) -> (String, String) {
    (FIELD.to_owned(), token(browser, purpose))
}

/// Whether `params` come from a form at all.
pub fn is_answer(params: &Params) -> bool {
    params.has(FIELD)
}

/// Refuses a form that was not shown in this browser for `purpose`.
pub fn check(req: &HttpRequest, params: &Params, purpose: &str) -> Result<(), Trouble> {
    let browser = cookies::read(req, cookies::BROWSER).ok_or_else(Trouble::another_browser)?;
    let given = params.one(FIELD)?.unwrap_or_default();
    if same_secret(given, &token(&browser, purpose)) {
        Ok(())
    } else {
        Err(Trouble::another_browser())
    }
}

/// Who does not have the cookie cannot make it, and it does not tell the cookie.
fn token(browser: &str, purpose: &str) -> String {
    fingerprint(&format!("form\n{purpose}\n{browser}"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_form_is_good_in_its_browser_for_its_purpose_alone() {
        let shown_in = |browser: &str| {
            let cookie = format!("{}={browser}", cookies::BROWSER);
            TestRequest::default()
                .insert_header(("cookie", cookie))
                .to_http_request()
        };
        let params = Params::from_pairs([field("b1", "logout")]).unwrap();
        assert!(check(&shown_in("b1"), &params, "logout").is_ok());
        assert!(check(&shown_in("b1"), &params, "account").is_err());
        assert!(check(&shown_in("b2"), &params, "logout").is_err());
        assert!(check(&shown_in("b1"), &Params::default(), "logout").is_err());
        let none = TestRequest::default().to_http_request();
        assert!(check(&none, &params, "logout").is_err());
    }
}
