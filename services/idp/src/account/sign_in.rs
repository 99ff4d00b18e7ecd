//! Signing in for `/account` itself: no app asks, so there is no authorization
//! session, and the way leads back here.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::to_account;
use crate::{
    bodies::PageForm,
    cookies::{self, with_cookie},
    credentials, forms,
    pages::LoginPage,
    sessions,
    state::Idp,
    token::form_params,
    trouble::Trouble,
};

/// Where the form is posted.
pub const PATH: &str = "/account/sign-in";
/// What the form is good for.
const PURPOSE: &str = "account sign-in";

/// Shows the form.
pub(super) fn ask(idp: &Idp, req: &HttpRequest) -> HttpResponse {
    let (browser, cookie) = forms::browser(idp, req);
    with_cookie(form(&browser).respond(StatusCode::OK, PATH), &cookie)
}

/// `POST /account/sign-in`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, body: PageForm) -> HttpResponse {
    let handled = sign_in(&idp, &req, &body).await;
    handled.unwrap_or_else(|trouble| trouble.page(&req))
}

async fn sign_in(
    idp: &web::Data<Idp>,
    req: &HttpRequest,
    body: &[u8],
) -> Result<HttpResponse, Trouble> {
    let params = form_params(req, body).map_err(|e| Trouble::request(e.description))?;
    cookies::none_twice(req)?;
    forms::check(req, &params, PURPOSE)?;
    let user = match credentials::check(idp, req, &params).await? {
        Ok(user) => user,
        Err(again) => {
            let (browser, _) = forms::browser(idp, req);
            return Ok(again.respond(form(&browser), PATH));
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

fn form(browser: &str) -> LoginPage {
    LoginPage {
        action: PATH.to_owned(),
        hidden: vec![forms::field(browser, PURPOSE)],
        client_name: None,
        username: String::new(),
        problem: None,
    }
}
