//! The consent page: what a client that is not first-party requests.

use actix_web::{HttpResponse, http::StatusCode};
use oauth_types::{ErrorCode, Scope};
use url::Url;

use super::{checks::Refusal, session_form::hidden_fields};
use crate::{
    Idp,
    domain::AuthorizationRequest,
    pages::{ConsentGroup, ConsentPage},
    settings::{Client, Settings},
};

/// Where its form is posted.
pub const PATH: &str = "/consent";

/// The page for the user `sub`.
pub(super) fn page(
    idp: &Idp,
    client: &Client,
    id: &str,
    request: &AuthorizationRequest,
    sub: &str,
) -> HttpResponse {
    let host = request.redirect_uri.parse::<Url>().ok();
    let user = idp.settings.user(sub);
    let page = ConsentPage {
        action: PATH.to_owned(),
        hidden: hidden_fields(client, id),
        client_name: client.name.clone(),
        redirect_host: host
            .map(|url| url.authority().to_owned())
            .unwrap_or_default(),
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        groups: consent_groups(&idp.settings, &request.scope),
    };
    page.respond(StatusCode::OK, &request.redirect_uri)
}

/// What `scope` allows, in words.
pub fn consent_groups(settings: &Settings, scope: &Scope) -> Vec<ConsentGroup> {
    const IDENTITY: [(&str, &str); 4] = [
        ("openid", "Know who you are"),
        ("profile", "See your name and user name"),
        ("email", "See your email address"),
        ("offline_access", "Keep access while you are away"),
    ];
    let mut groups = Vec::new();
    let identity = IDENTITY.iter().filter(|(name, _)| scope.contains(name));
    groups.push(ConsentGroup {
        title: "You".to_owned(),
        items: identity.map(|(_, words)| (*words).to_owned()).collect(),
    });
    for resource in settings.resources() {
        let requested = resource.scopes.iter();
        let requested = requested.filter(|(name, _)| scope.contains(name));
        groups.push(ConsentGroup {
            title: resource.title.clone(),
            items: requested.map(|(_, words)| words.clone()).collect(),
        });
    }
    groups.retain(|group| !group.items.is_empty());
    groups
}

/// The answer for the client if the user denies access.
pub(super) fn denied() -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, "The user denied access.")
}
