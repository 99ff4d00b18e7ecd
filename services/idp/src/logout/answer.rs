//! What the browser sees: the question, the way back, or that it is done.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
};
use web_kit::ui::{Accent, Message};

use super::{PATH, Scope, asked::Asked};
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
    scope: &Scope<'_>,
) -> HttpResponse {
    let (browser, cookie) = forms::browser(idp, req);
    let mut hidden = asked.params.clone();
    hidden.push(forms::field(&browser, &scope.purpose()));
    let name = |login: &LoginSession| {
        let user = idp.settings.user(&login.sub);
        user.map(|user| user.name.clone()).unwrap_or_default()
    };
    let page = LogoutPage {
        action: PATH.to_owned(),
        hidden,
        user_name: scope.here.as_ref().map(name),
        client_name: asked.client.map(|client| client.name.clone()),
    };
    with_cookie(page.respond(asked.back.as_ref()), &cookie)
}

fn what_ended(scope: &Scope<'_>) -> String {
    match scope {
        Scope { here: Some(_), .. } => "Here, and in every app that you had opened.".to_owned(),
        Scope {
            elsewhere: Some((_, client)),
            ..
        } => {
            let name = &client.name;
            format!("{name} has ended its session. This browser is not signed in here.")
        }
        Scope { .. } => "This browser is not signed in here.".to_owned(),
    }
}

/// Back to the client where it said so, else a page that says it.
pub(super) fn signed_out(
    idp: &Idp,
    req: &HttpRequest,
    asked: &Asked<'_>,
    scope: &Scope<'_>,
) -> HttpResponse {
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
        None => Message::new("You are signed out", what_ended(scope))
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
