//! `/account`: the sessions of the signed-in user and the access that outlasts them, and
//! the end of any of them.

mod answer;
mod sign_in;

use actix_web::{HttpRequest, HttpResponse, web};
use answer::show;
pub use sign_in::{PATH as SIGN_IN_PATH, endpoint as sign_in};

use crate::{
    Idp, audit, cookies,
    domain::{EndReason, LoginSession},
    form_token,
    forms::PageForm,
    grants,
    page_error::PageError,
    page_sign_in::see_other,
    sessions,
};

/// Where it is.
pub const PATH: &str = "/account";
/// Where its forms are posted.
pub const END_PATH: &str = "/account/end";
/// The field of a form that names a session.
const SID: &str = "sid";
/// The field of a form that names a grant.
const GRANT: &str = "grant";
/// The field of the form that ends all sessions except this browser's.
const OTHERS: &str = "others";

/// `GET /account`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest) -> HttpResponse {
    let handled = account(&idp, &req).await;
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn account(idp: &Idp, req: &HttpRequest) -> Result<HttpResponse, PageError> {
    cookies::none_twice(req)?;
    match sessions::current(idp, req).await? {
        Some(login) => show(idp, req, &login).await,
        None => Ok(sign_in::show(idp, req)),
    }
}

/// `POST /account/end`.
pub async fn end(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let handled = end_sessions(&idp, &req, &form).await;
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn end_sessions(
    idp: &Idp,
    req: &HttpRequest,
    form: &PageForm,
) -> Result<HttpResponse, PageError> {
    let params = form.params()?;
    cookies::none_twice(req)?;
    let Some(login) = sessions::current(idp, req).await? else {
        return Ok(see_other(PATH));
    };
    form_token::check(req, &params, &purpose(&login))?;
    let reason = EndReason::Account;
    if params.has(OTHERS) {
        let ended = sessions::end_all_of(idp, &login.sub, Some(&login.sid), reason).await?;
        ended.notified().await;
    } else if let Some(sid) = params.one(SID)? {
        // The sid of another user counts as unknown.
        let named = sessions::live(idp, sid).await?;
        if named.is_some_and(|named| named.sub == login.sub) {
            sessions::end(idp, sid, reason).await?.notified().await;
        }
    } else if let Some(id) = params.one(GRANT)? {
        // So does the grant of another user.
        let named = grants::active(idp, id).await?;
        if named.is_some_and(|named| named.sub == login.sub)
            && let Some(grant) = grants::revoke(idp, id, login.expires_at).await?
        {
            audit::grant_revoked_by_user(&idp.meters, &grant);
        }
    }
    Ok(see_other(PATH))
}

/// The forms are valid for the session that they were shown to.
fn purpose(login: &LoginSession) -> String {
    format!("account {}", login.sid)
}
