//! The consent form: what a client that is not first-party asks for, and the
//! user's answer.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use oauth_types::ErrorCode;
use tracing::Instrument as _;
use url::Url;

use super::{
    Refusal, Shown, answer, complete, join_login_trace_of,
    sign_in::{Answered, answered, finish, hidden},
    twice,
};
use crate::{
    bodies::PageForm,
    cookies::with_cookie,
    domain::{Answer, AuthorizationRequest, LoginSession},
    pages::{ConsentGroup, ConsentPage},
    sessions,
    settings::Client,
    state::Idp,
    trouble::Trouble,
};

/// Where the form is posted.
pub const PATH: &str = "/consent";

/// Shows the form to a user who was signed in already.
pub(super) fn ask(idp: &Idp, client: &Client, shown: &Shown, login: &LoginSession) -> HttpResponse {
    let request = &shown.session.request;
    with_cookie(
        page(idp, client, &shown.id, request, &login.sub),
        &shown.cookie,
    )
}

/// The form, for the user `sub`.
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
        hidden: hidden(client, id),
        client_name: client.name.clone(),
        redirect_host: host
            .map(|url| url.authority().to_owned())
            .unwrap_or_default(),
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        groups: groups(idp, request),
    };
    page.respond(StatusCode::OK, &request.redirect_uri)
}

fn groups(idp: &Idp, request: &AuthorizationRequest) -> Vec<ConsentGroup> {
    const IDENTITY: [(&str, &str); 4] = [
        ("openid", "Know who you are"),
        ("profile", "See your name and user name"),
        ("email", "See your email address"),
        ("offline_access", "Keep access while you are away"),
    ];
    let mut groups = Vec::new();
    let identity = IDENTITY
        .iter()
        .filter(|(scope, _)| request.scope.contains(scope));
    groups.push(ConsentGroup {
        title: "You".to_owned(),
        items: identity.map(|(_, words)| (*words).to_owned()).collect(),
    });
    for resource in idp.settings.resources() {
        let asked = resource
            .scopes
            .iter()
            .filter(|(scope, _)| request.scope.contains(scope));
        groups.push(ConsentGroup {
            title: resource.title.clone(),
            items: asked.map(|(_, words)| words.clone()).collect(),
        });
    }
    groups.retain(|group| !group.items.is_empty());
    groups
}

/// `POST /consent`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, body: PageForm) -> HttpResponse {
    let handled = match answered(&idp, &req, &body).await {
        Ok(answered) => {
            let span = join_login_trace_of(&req, answered.stored.record.request.state.as_deref());
            decided(&idp, &req, &answered).instrument(span).await
        }
        Err(trouble) => Err(trouble),
    };
    handled.unwrap_or_else(|trouble| trouble.page(&req))
}

async fn decided(
    idp: &Idp,
    req: &HttpRequest,
    answered: &Answered<'_>,
) -> Result<HttpResponse, Trouble> {
    let over = || Trouble::sign_in_over(Some(answered.client));
    let signed_in = answered.stored.record.signed_in.as_ref().ok_or_else(over)?;
    // The one who consents is the one who was asked.
    let login = sessions::current(idp, req).await?;
    let login = login.filter(|login| login.sid == signed_in.sid && login.sub == signed_in.sub);
    let login = login.ok_or_else(over)?;
    let decision = match answered.params.one("decision") {
        Ok(Some("allow")) => Answer::Code,
        Ok(Some("deny")) => Answer::Refusal,
        _ => return Err(Trouble::request("decision must be allow or deny.")),
    };
    let record = &answered.stored.record;
    if record.answered.is_some() {
        return twice::decision(idp, req, answered, record, decision).await;
    }
    let Some(request) = finish(idp, answered, signed_in.clone(), decision).await? else {
        let done = twice::done(idp, answered).await?.ok_or_else(over)?;
        return twice::decision(idp, req, answered, &done, decision).await;
    };
    let client = &answered.client.client_id;
    match decision {
        Answer::Code => {
            tracing::info!(client, user = login.sub, "consent given");
            let code = idp.form_secrets.code(&answered.id);
            complete::complete(idp, req, &request, &login, code).await
        }
        Answer::Refusal => {
            tracing::info!(client, user = login.sub, "consent denied");
            Ok(answer::refuse_request(idp, req, &request, &denied()))
        }
    }
}

pub(super) fn denied() -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, "The user did not allow it.")
}
