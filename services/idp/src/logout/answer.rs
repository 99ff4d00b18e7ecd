//! What the browser sees: the question, the way back, or that it is done.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
};
use web_kit::look::{Accent, Message};

use super::{PATH, asked::Asked, purpose};
use crate::{
    cookies::{self, with_cookie},
    domain::LoginSession,
    forms,
    pages::LogoutPage,
    state::Idp,
};

/// Asks whether the user wants to sign out.
pub(super) fn ask(
    idp: &Idp,
    req: &HttpRequest,
    asked: &Asked<'_>,
    login: &LoginSession,
) -> HttpResponse {
    let (browser, cookie) = forms::browser(idp, req);
    let mut hidden = asked.params.clone();
    hidden.push(forms::field(&browser, &purpose(login)));
    let user = idp.settings.user(&login.sub);
    let page = LogoutPage {
        action: PATH.to_owned(),
        hidden,
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        client_name: asked.client.map(|client| client.name.clone()),
    };
    with_cookie(page.respond(asked.back.as_ref()), &cookie)
}

/// Back to the client where it said so, else a page that says it.
pub(super) fn signed_out(idp: &Idp, req: &HttpRequest, asked: &Asked<'_>) -> HttpResponse {
    let response = match &asked.back {
        Some(back) => {
            let status = if *req.method() == Method::POST {
                StatusCode::SEE_OTHER
            } else {
                StatusCode::FOUND
            };
            HttpResponse::build(status)
                .insert_header((header::LOCATION, back.as_str()))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .insert_header((header::REFERRER_POLICY, "no-referrer"))
                .finish()
        }
        None => Message::new(
            "You are signed out",
            "Here, and in every app that you had opened.",
        )
        .what_to_do("You can close this window, or sign in again from an app.")
        .way("What is this place?", "/")
        .respond(Accent::Idp, StatusCode::OK),
    };
    // Only a browser that has one is told to forget it.
    if cookies::read(req, cookies::SESSION).is_none() {
        return response;
    }
    with_cookie(response, &cookies::no_session(idp.weaknesses))
}
