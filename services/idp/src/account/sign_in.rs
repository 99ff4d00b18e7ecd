//! Sign-in for `/account` itself: no client requests it, so there is no authorization
//! session, and the user returns to `/account`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::to_account;
use crate::{
    Idp,
    cookies::{self, with_cookie},
    credentials, form_token,
    forms::PageForm,
    page_error::PageError,
    pages::LoginPage,
    sessions,
};

/// Where the form is posted.
pub const PATH: &str = "/account/sign-in";
/// The purpose of the form.
const PURPOSE: &str = "account sign-in";

/// Shows the form.
pub(super) fn show(idp: &Idp, req: &HttpRequest) -> HttpResponse {
    let (browser, cookie) = form_token::browser(idp, req);
    with_cookie(login_page(&browser).respond(StatusCode::OK, PATH), &cookie)
}

/// `POST /account/sign-in`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let handled = sign_in(&idp, &req, &form).await;
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn sign_in(
    idp: &web::Data<Idp>,
    req: &HttpRequest,
    form: &PageForm,
) -> Result<HttpResponse, PageError> {
    let params = form.params()?;
    cookies::none_twice(req)?;
    form_token::check(req, &params, PURPOSE)?;
    let user = match credentials::check(idp, req, &params).await? {
        Ok(user) => user,
        Err(failure) => {
            let (browser, _) = form_token::browser(idp, req);
            return Ok(failure.respond(login_page(&browser), PATH));
        }
    };
    let before = sessions::stored(idp, req).await?;
    let known = before.as_ref().map(|stored| &stored.record);
    let secret = |_: &str, _| idp.random.token();
    let (login, cookie) = sessions::make(idp, req, known, user, secret);
    sessions::save(idp, before.as_ref(), &login).await?;
    let known = credentials::known_browser(idp, req, user);
    Ok(with_cookie(with_cookie(to_account(), &cookie), &known))
}

fn login_page(browser: &str) -> LoginPage {
    LoginPage {
        action: PATH.to_owned(),
        hidden: vec![form_token::field(browser, PURPOSE)],
        client_name: None,
        username: String::new(),
        problem: None,
    }
}
