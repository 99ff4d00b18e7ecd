//! The CSRF token of the provider's forms. It binds a form to the browser that it was
//! shown in and to one purpose.

use actix_web::{HttpRequest, cookie::Cookie};
use kit::seal::fingerprint;
use oauth_types::{Params, secret::same_secret};

use crate::{Idp, cookies, page_error::PageError};

/// The hidden field of the token.
const FIELD: &str = "form_token";

/// The random value of this browser, and its cookie. All tabs share one value: a new
/// one would invalidate their forms.
pub fn browser(idp: &Idp, req: &HttpRequest) -> (String, Cookie<'static>) {
    let value = cookies::read(req, cookies::BROWSER)
        .filter(|value| value.len() == cookies::TOKEN_LEN)
        .unwrap_or_else(|| idp.random.token());
    let cookie = cookies::browser(value.clone(), idp.weaknesses);
    (value, cookie)
}

/// The hidden field of a form that is shown in `browser` for `purpose`.
pub fn field(browser: &str, purpose: &str) -> (String, String) {
    (FIELD.to_owned(), token(browser, purpose))
}

/// Whether `params` come from such a form.
pub fn is_form(params: &Params) -> bool {
    params.has(FIELD)
}

/// Refuses a form that was not shown in this browser for `purpose`.
pub fn check(req: &HttpRequest, params: &Params, purpose: &str) -> Result<(), PageError> {
    let browser = cookies::read(req, cookies::BROWSER).ok_or_else(PageError::another_browser)?;
    let given = params.one(FIELD)?.unwrap_or_default();
    if same_secret(given, &token(&browser, purpose)) {
        Ok(())
    } else {
        Err(PageError::another_browser())
    }
}

/// It cannot be made without the cookie, and does not disclose the cookie.
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
        let params = Params::from_iter([field("b1", "logout")]);
        assert!(check(&shown_in("b1"), &params, "logout").is_ok());
        assert!(check(&shown_in("b1"), &params, "account").is_err());
        assert!(check(&shown_in("b2"), &params, "logout").is_err());
        assert!(check(&shown_in("b1"), &Params::default(), "logout").is_err());
        let none = TestRequest::default().to_http_request();
        assert!(check(&none, &params, "logout").is_err());
    }
}
