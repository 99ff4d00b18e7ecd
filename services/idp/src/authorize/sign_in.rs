//! The sign-in form: shown for an authorization session, and its answer.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use kit::seal::fingerprint;
use oauth_types::secret::same_secret;
use tracing::Instrument as _;

use super::{
    Refusal, Shown, answer,
    client::is_registered,
    complete, consent,
    decide::{self, Verdict},
    join_login_trace_of, twice,
};
use crate::{
    bodies::PageForm,
    budgets,
    cookies::{self, with_cookie},
    credentials,
    domain::{Answer, AuthorizationRequest, AuthorizationSession, LoginSession, SignedIn},
    pages::LoginPage,
    params::Params,
    records::Stored,
    sessions,
    settings::Client,
    state::Idp,
    token::form_params,
    trouble::Trouble,
};

/// Where the form is posted.
pub const PATH: &str = "/sign-in";
/// The hidden field that names the authorization session. It is unguessable
/// and bound to a cookie, and so the form's CSRF token too.
pub(super) const FIELD: &str = "authorization_session";

/// Shows the form.
pub(super) fn ask(client: &Client, shown: &Shown) -> HttpResponse {
    let request = &shown.session.request;
    let page = LoginPage {
        username: request.login_hint.clone().unwrap_or_default(),
        ..form(client, &shown.id)
    };
    with_cookie(
        page.respond(StatusCode::OK, &request.redirect_uri),
        &shown.cookie,
    )
}

/// `POST /sign-in`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, body: PageForm) -> HttpResponse {
    let handled = match answered(&idp, &req, &body).await {
        Ok(answered) => {
            let span = join_login_trace_of(&req, answered.stored.record.request.state.as_deref());
            sign_in(&idp, &req, answered).instrument(span).await
        }
        Err(trouble) => Err(trouble),
    };
    handled.unwrap_or_else(|trouble| trouble.page(&req))
}

/// A form that came back, with the session that it belongs to.
pub(super) struct Answered<'i> {
    pub(super) id: String,
    pub(super) stored: Stored<AuthorizationSession>,
    pub(super) client: &'i Client,
    pub(super) params: Params,
}

/// Reads a form of ours: the session that it names must be there and belong to
/// this browser.
pub(super) async fn answered<'i>(
    idp: &'i Idp,
    req: &HttpRequest,
    body: &[u8],
) -> Result<Answered<'i>, Trouble> {
    let params = form_params(req, body).map_err(|e| Trouble::request(e.description))?;
    let one = |name| {
        params
            .one(name)
            .map_err(|e| Trouble::request(e.to_string()))
    };
    let named = one("client_id")?.and_then(|id| idp.settings.client(id));
    let id = one(FIELD)?
        .ok_or_else(|| Trouble::sign_in_over(named))?
        .to_owned();
    let stored: Option<Stored<AuthorizationSession>> = idp.records.get(&fingerprint(&id)).await?;
    let stored = stored.ok_or_else(|| Trouble::sign_in_over(named))?;
    cookies::none_twice(req)?;
    let browser = cookies::read(req, cookies::BROWSER).ok_or_else(Trouble::another_browser)?;
    if !same_secret(&stored.record.browser, &fingerprint(&browser)) {
        return Err(Trouble::another_browser());
    }
    let client = idp.settings.client(&stored.record.request.client_id);
    let client = client.ok_or_else(Trouble::unknown_client)?;
    // The configuration may be another than when the request came.
    if !is_registered(client, &stored.record.request.redirect_uri) {
        let why = "The app's request named an address that is no longer the app's.";
        return Err(Trouble::redirect_uri(why));
    }
    Ok(Answered {
        id,
        stored,
        client,
        params,
    })
}

async fn sign_in(
    idp: &web::Data<Idp>,
    req: &HttpRequest,
    answered: Answered<'_>,
) -> Result<HttpResponse, Trouble> {
    let request = &answered.stored.record.request;
    let user = match credentials::check(idp, req, &answered.params).await? {
        Ok(user) => user,
        Err(again) => {
            let form = form(answered.client, &answered.id);
            return Ok(again.respond(form, &request.redirect_uri));
        }
    };
    let record = &answered.stored.record;
    if let Some(same) = twice::signed_in(idp, req, &answered, record, user).await? {
        return Ok(same);
    }
    if record.answered.is_some() {
        return Err(Trouble::sign_in_over(Some(answered.client)));
    }
    let before = sessions::stored(idp, req).await?;
    let known = before.as_ref().map(|stored| &stored.record);
    let secret = |sid: &str, at| idp.form_secrets.session(&answered.id, sid, at);
    let (login, cookie) = sessions::make(idp, req, known, user, secret);
    // The request is claimed before the session begins: a second answer to it
    // must not change the browser's session.
    let Some(claimed) = claim(idp, &answered, &login).await? else {
        // The same form was sent twice, and the other one was faster.
        let over = || Trouble::sign_in_over(Some(answered.client));
        let done = twice::done(idp, &answered).await?.ok_or_else(over)?;
        let same = twice::signed_in(idp, req, &answered, &done, user).await?;
        return same.ok_or_else(over);
    };
    sessions::save(idp, before.as_ref(), &login).await?;
    let response = match claimed {
        Claimed::Consent => Ok(consent::page(
            idp,
            answered.client,
            &answered.id,
            request,
            &login.sub,
        )),
        Claimed::Complete(request) => {
            let code = idp.form_secrets.code(&answered.id);
            complete::complete(idp, req, &request, &login, code).await
        }
        Claimed::Refuse(request, refusal) => {
            Ok(answer::refuse_request(idp, req, &request, &refusal))
        }
    };
    // The session has begun: its cookie goes along whatever happens now.
    let response = response.unwrap_or_else(|trouble| trouble.page(req));
    let known = credentials::known_browser(idp, req, user);
    Ok(with_cookie(with_cookie(response, &cookie), &known))
}

/// An authorization session that nobody else can answer any more.
enum Claimed {
    Consent,
    Complete(AuthorizationRequest),
    Refuse(AuthorizationRequest, Refusal),
}

/// `None` where another form was faster.
async fn claim(
    idp: &Idp,
    answered: &Answered<'_>,
    login: &LoginSession,
) -> Result<Option<Claimed>, Trouble> {
    let read = &answered.stored;
    let signed_in = SignedIn::by_form(login);
    match decide::after_sign_in(answered.client, &read.record.request, &login.sub) {
        Verdict::Complete => {
            let request = finish(idp, answered, signed_in, Answer::Code).await?;
            Ok(request.map(Claimed::Complete))
        }
        Verdict::Refuse(refusal) => {
            let request = finish(idp, answered, signed_in, Answer::Refusal).await?;
            Ok(request.map(|request| Claimed::Refuse(request, refusal)))
        }
        Verdict::Consent => {
            let session = AuthorizationSession {
                signed_in: Some(signed_in),
                ..read.record.clone()
            };
            let id = fingerprint(&answered.id);
            let swapped = idp.records.swap(&id, read, &session).await?;
            Ok(swapped.then_some(Claimed::Consent))
        }
    }
}

/// Ends the authorization session: one answer alone completes it, and is known
/// for a while. `None` where another was faster.
pub(super) async fn finish(
    idp: &Idp,
    answered: &Answered<'_>,
    signed_in: SignedIn,
    answer: Answer,
) -> Result<Option<AuthorizationRequest>, Trouble> {
    let (id, read) = (fingerprint(&answered.id), &answered.stored);
    let done = AuthorizationSession {
        signed_in: Some(signed_in),
        answered: Some(answer),
        expires_at: idp.now() + twice::GRACE,
        charge: None,
        ..read.record.clone()
    };
    if !idp.records.swap(&id, read, &done).await? {
        return Ok(None);
    }
    // What is kept of it now was left by a user who signed in.
    let (budget, charge) = (&idp.budgets.requests, read.record.charge.as_ref());
    budgets::leave::<AuthorizationSession>(budget, charge, &id).await;
    if let Err(trouble) = complete::use_up(idp, &done.request).await {
        // Nothing came of it that could be given again.
        idp.records.take::<AuthorizationSession>(&id).await?;
        return Err(trouble);
    }
    Ok(Some(done.request))
}

fn form(client: &Client, id: &str) -> LoginPage {
    LoginPage {
        action: PATH.to_owned(),
        hidden: hidden(client, id),
        client_name: Some(client.name.clone()),
        username: String::new(),
        problem: None,
    }
}

/// The hidden fields of the forms. The client is there for the page that says
/// that the session is over.
pub(super) fn hidden(client: &Client, id: &str) -> Vec<(String, String)> {
    vec![
        (FIELD.to_owned(), id.to_owned()),
        ("client_id".to_owned(), client.client_id.clone()),
    ]
}
