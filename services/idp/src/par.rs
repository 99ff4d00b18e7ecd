//! Pushed authorization requests (RFC 9126).

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::seal::fingerprint;
use oauth_types::names::REQUEST_URI_PREFIX;
use serde::Serialize;
use store::Budget;
use web_kit::client::client_addr;

use crate::{
    authorize::{check, checked_in_span, find_redirect_uri},
    bodies::{self, ClientForm},
    budgets,
    client_auth::authenticate,
    domain::{AuthorizationRequest, PushedContent, PushedRequest},
    error::OAuthError,
    params::Params,
    records::{RecordError, Stored},
    settings::{Client, GrantType},
    state::Idp,
    token::{authorization, form_params},
};

/// RFC 9126 §2.2.
#[derive(Serialize)]
struct Answer {
    request_uri: String,
    expires_in: u64,
}

/// `POST /par`: authenticates the client, checks the request as `/authorize`
/// would (RFC 9126 §2.1), and keeps it.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let params = form_params(&req, &body)?;
    let client = authenticate(&idp, authorization(&req)?, client_addr(&req), &params).await?;
    bodies::mark_client_authenticated(&req, client);
    if params.has("request_uri") {
        return Err(OAuthError::request(
            "request_uri is not taken here (RFC 9126 section 2.1).",
        ));
    }
    if !client.may(GrantType::AuthorizationCode) {
        return Err(OAuthError::new(
            oauth_types::ErrorCode::UnauthorizedClient,
            "This client has no authorization code grant.",
        ));
    }
    let uri = find_redirect_uri(client, &params).map_err(OAuthError::request)?;
    let request = checked_in_span(&idp, client, &params, uri)
        .map_err(|refusal| OAuthError::new(refusal.code, refusal.description))?;
    let id = idp.random.token();
    let lifetimes = &idp.settings.lifetimes;
    let usable_until = idp.now() + lifetimes.pushed_request;
    let mut record = PushedRequest {
        client_id: client.client_id.clone(),
        content: PushedContent::Request(Box::new(request)),
        usable_until,
        expires_at: usable_until,
        opened: false,
        charge: None,
    };
    let (budget, owner) = if client.is_public() {
        (&idp.budgets.requests, budgets::sender(&req))
    } else {
        (&idp.budgets.pushed, budgets::client(client))
    };
    let name = fingerprint(&id);
    budgets::keep(&idp.records, budget, owner, &name, &mut record).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Answer {
            request_uri: format!("{REQUEST_URI_PREFIX}{id}"),
            expires_in: lifetimes.pushed_request.as_secs(),
        }))
}

/// A pushed request whose page was asked for.
pub struct Pushed {
    /// What it asks for.
    pub request: AuthorizationRequest,
    id: String,
    stored: Stored<PushedRequest>,
}

/// The request that `client` pushed.
pub async fn pushed(
    idp: &Idp,
    client: &Client,
    request_uri: &str,
) -> Result<Option<Pushed>, RecordError> {
    let Some(id) = request_uri.strip_prefix(REQUEST_URI_PREFIX) else {
        return Ok(None);
    };
    let id = fingerprint(id);
    let found: Option<Stored<PushedRequest>> = idp.records.get(&id).await?;
    let usable = found.filter(|stored| {
        let pushed = &stored.record;
        // RFC 9126 §2.2: bound to the client that pushed it.
        pushed.client_id == client.client_id && pushed.usable_until > idp.now()
    });
    let Some(stored) = usable else {
        return Ok(None);
    };
    let request = match &stored.record.content {
        PushedContent::Request(request) => Some((**request).clone()),
        PushedContent::Params(params) => checked_before(idp, client, params),
    };
    Ok(request.map(|request| Pushed {
        request: AuthorizationRequest {
            pushed: Some(id.clone()),
            ..request
        },
        id,
        stored,
    }))
}

/// Parameters that a process of the version before has checked and kept.
fn checked_before(
    idp: &Idp,
    client: &Client,
    params: &[(String, String)],
) -> Option<AuthorizationRequest> {
    let params = Params::from_pairs(params.iter().cloned()).ok()?;
    let uri = find_redirect_uri(client, &params).ok()?;
    check(idp, client, &params, uri).ok()
}

impl Pushed {
    /// Its page is shown: it lasts as long as the page, and counts for the
    /// browser's address from now on.
    pub async fn opened(
        self,
        idp: &Idp,
        client: &Client,
        req: &HttpRequest,
    ) -> Result<(), RecordError> {
        let Self { id, stored, .. } = self;
        let before = &stored.record;
        // One of the version before lasts as long already.
        if before.opened || before.charge.is_none() {
            return Ok(());
        }
        let mut opened = PushedRequest {
            opened: true,
            expires_at: idp.now() + idp.settings.lifetimes.sign_in,
            ..before.clone()
        };
        let charge = budgets::charge(budgets::sender(req), &id, &opened)?;
        opened.charge = Some(charge.clone());
        // Where another page of it was opened just now, that one has done this.
        if !idp.records.swap(&id, &stored, &opened).await? {
            return Ok(());
        }
        let former = budget_of(idp, client, before);
        budgets::leave::<PushedRequest>(former, before.charge.as_ref(), &id).await;
        budgets::enter(&idp.records, &idp.budgets.requests, &charge, &id, &opened).await
    }
}

/// Uses up the request `id` that `client` pushed; whether it was there.
pub async fn use_up(idp: &Idp, client: &Client, id: &str) -> Result<bool, RecordError> {
    let Some(pushed) = idp.records.take::<PushedRequest>(id).await? else {
        return Ok(false);
    };
    let budget = budget_of(idp, client, &pushed);
    budgets::leave::<PushedRequest>(budget, pushed.charge.as_ref(), id).await;
    Ok(true)
}

fn budget_of<'i>(idp: &'i Idp, client: &Client, pushed: &PushedRequest) -> &'i Budget {
    if pushed.opened || client.is_public() {
        &idp.budgets.requests
    } else {
        &idp.budgets.pushed
    }
}
