//! Sign-in for a page of this site itself: no client requests it, so there is no
//! authorization session, and the user returns to the page.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use oauth_types::{Params, params::BadParams};

use crate::{
    Idp,
    cookies::{self, with_cookie},
    credentials, form_token,
    forms::PageForm,
    page_error::PageError,
    pages::{LoginAim, LoginPage},
    sessions,
};

/// The sign-in form of a page.
pub struct SignInForm {
    /// Where it is posted. It is valid for this purpose only.
    pub action: &'static str,
    /// What the user signs in to do.
    pub aim: &'static str,
    /// Hidden fields, name and value; the form sends them back.
    pub hidden: Vec<(String, String)>,
}

/// Shows `form`.
pub fn show(idp: &Idp, req: &HttpRequest, form: &SignInForm) -> HttpResponse {
    let (browser, cookie) = form_token::browser(idp, req);
    let page = form.page(&browser).respond(StatusCode::OK, form.action);
    with_cookie(page, &cookie)
}

/// Signs the user in. `read` gives the form that was submitted, and where the user goes
/// on: a path of this site.
pub async fn submit(
    idp: &web::Data<Idp>,
    req: &HttpRequest,
    submitted: &PageForm,
    read: impl FnOnce(&Params) -> Result<(SignInForm, String), BadParams>,
) -> HttpResponse {
    let handled = sign_in(idp, req, submitted, read).await;
    handled.unwrap_or_else(|error| error.page(req))
}

async fn sign_in(
    idp: &web::Data<Idp>,
    req: &HttpRequest,
    submitted: &PageForm,
    read: impl FnOnce(&Params) -> Result<(SignInForm, String), BadParams>,
) -> Result<HttpResponse, PageError> {
    let params = submitted.params()?;
    let (form, next) = read(&params)?;
    cookies::none_twice(req)?;
    form_token::check(req, &params, form.action)?;
    let user = match credentials::check(idp, req, &params).await? {
        Ok(user) => user,
        Err(failure) => {
            let (browser, _) = form_token::browser(idp, req);
            return Ok(failure.respond(form.page(&browser), form.action));
        }
    };
    let before = sessions::stored(idp, req).await?;
    let known = before.as_ref().map(|stored| &stored.record);
    let secret = |_: &str, _| idp.random.token();
    let (login, cookie) = sessions::make(idp, req, known, user, secret);
    sessions::save(idp, before.as_ref(), &login).await?;
    let known = credentials::known_browser(idp, req, user);
    let response = see_other(&next);
    Ok(with_cookie(with_cookie(response, &cookie), &known))
}

/// RFC 9110 §15.4.4: a reload does not submit the form again.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

impl SignInForm {
    fn page(&self, browser: &str) -> LoginPage {
        let mut hidden = vec![form_token::field(browser, self.action)];
        hidden.extend(self.hidden.iter().cloned());
        LoginPage {
            action: self.action.to_owned(),
            hidden,
            aim: LoginAim::Page(self.aim),
            username: String::new(),
            problem: None,
        }
    }
}
