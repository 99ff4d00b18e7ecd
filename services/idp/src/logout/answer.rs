//! The responses: the confirmation page, the redirect, or the final page.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
};
use url::Url;
use web_kit::{
    explain::{pause_page, with_explanation},
    ui::{Message, Site},
};

use super::{PATH, Scope, request::LogoutRequest};
use crate::{
    Idp,
    cookies::{self, with_cookie},
    domain::LoginSession,
    form_token,
    pages::{LogoutPage, explain},
};

/// Asks whether the user wants to sign out.
pub(super) fn ask(
    idp: &Idp,
    req: &HttpRequest,
    request: &LogoutRequest<'_>,
    scope: &Scope<'_>,
) -> HttpResponse {
    let (browser, cookie) = form_token::browser(idp, req);
    let mut hidden = request.params.clone();
    hidden.push(form_token::field(&browser, &scope.purpose()));
    let name = |login: &LoginSession| {
        let user = idp.settings.user(&login.sub);
        user.map(|user| user.name.clone()).unwrap_or_default()
    };
    let page = LogoutPage {
        action: PATH.to_owned(),
        hidden,
        user_name: scope.here.as_ref().map(name),
        client_name: request.client.map(|client| client.name.clone()),
    };
    with_cookie(page.respond(request.redirect_to.as_ref()), &cookie)
}

/// The page at which the request waits in explain mode.
pub(super) fn wait(req: &HttpRequest, request: &LogoutRequest<'_>) -> Option<HttpResponse> {
    let leads_to = request.redirect_to.as_ref().map_or("", Url::as_str);
    pause_page(req, leads_to, || explain::logout(client_name(request)))
}

fn client_name<'r>(request: &'r LogoutRequest<'_>) -> Option<&'r str> {
    request.client.map(|client| &*client.name)
}

fn what_ended(scope: &Scope<'_>) -> String {
    match scope {
        Scope { here: Some(_), .. } => {
            "You are signed out here and in every app that you opened.".to_owned()
        }
        Scope {
            elsewhere: Some((_, client)),
            ..
        } => {
            let name = &client.name;
            format!("Your session in {name} has ended. This browser is not signed in here.")
        }
        Scope { .. } => "This browser is not signed in here.".to_owned(),
    }
}

/// Redirects to the client if the request asks for it, otherwise shows a page.
pub(super) fn signed_out(
    idp: &Idp,
    req: &HttpRequest,
    request: &LogoutRequest<'_>,
    scope: &Scope<'_>,
) -> HttpResponse {
    let response = match &request.redirect_to {
        Some(url) => {
            let status = if *req.method() == Method::POST {
                StatusCode::SEE_OTHER
            } else {
                StatusCode::FOUND
            };
            let response = HttpResponse::build(status)
                .insert_header((header::LOCATION, url.as_str()))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .insert_header((header::REFERRER_POLICY, "no-referrer"))
                .finish();
            with_explanation(response, || explain::logged_out(client_name(request)))
        }
        None => Message::new("You are signed out", what_ended(scope))
            .what_to_do("You can close this window or sign in again from an app.")
            .way("About this site", "/")
            .respond(Site::Idp, StatusCode::OK),
    };
    // Clears the cookie if the browser has one.
    if cookies::read(req, cookies::SESSION).is_none() {
        return response;
    }
    with_cookie(response, &cookies::no_session(idp.weaknesses))
}
