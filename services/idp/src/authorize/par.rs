//! Pushed authorization requests (RFC 9126).

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::{Params, names::REQUEST_URI_PREFIX};
use serde::Serialize;
use store::Budget;

use super::{
    checks::{check, check_in_span},
    client::find_redirect_uri,
};
use crate::{
    Idp, budgets,
    client_auth::AuthenticatedForm,
    domain::{AuthorizationRequest, PushedContent, PushedRequest},
    dpop,
    error::OAuthError,
    forms::{ClientForm, LIMITS},
    records::{RecordError, Stored},
    settings::{Client, GrantType},
    token_binding::TokenBinding,
};

/// The path of the endpoint.
pub const PATH: &str = "/par";

/// RFC 9126 §2.2.
#[derive(Serialize)]
struct Answer {
    request_uri: String,
    expires_in: u64,
}

/// `POST /par`: authenticates the client, checks the request as `/authorize`
/// does (RFC 9126 §2.1), and stores it.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let AuthenticatedForm {
        client,
        params,
        cause,
    } = AuthenticatedForm::read(&idp, &req, &form).await?;
    if params.has("request_uri") {
        return Err(OAuthError::request(
            "request_uri is not accepted here (RFC 9126 section 2.1).",
        ));
    }
    if !client.may(GrantType::AuthorizationCode) {
        return Err(OAuthError::new(
            oauth_types::ErrorCode::UnauthorizedClient,
            "This client may not use the authorization code grant.",
        ));
    }
    let uri = find_redirect_uri(client, &params).map_err(OAuthError::request)?;
    let proven = TokenBinding::offered(&idp, (client, cause), &req, PATH).await?;
    let request = check_in_span(&idp, client, &params, uri, &proven)?;
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
    let (budget, owner) = (idp.budgets.of_client(client), budgets::owner(client, &req));
    let name = fingerprint(&id);
    budgets::keep(&idp.records, budget, owner, &name, &mut record).await?;
    let mut response = HttpResponse::Created();
    dpop::add_nonce(&idp, &req, &mut response);
    Ok(response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Answer {
            request_uri: format!("{REQUEST_URI_PREFIX}{id}"),
            expires_in: lifetimes.pushed_request.as_secs(),
        }))
}

/// A pushed request that a browser brings to `/authorize`.
pub struct Pushed {
    /// The request.
    pub request: AuthorizationRequest,
    id: String,
    stored: Stored<PushedRequest>,
}

/// The live request that `client` pushed.
pub async fn find(
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
        PushedContent::Params(params) => of_previous_version(idp, client, params),
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

/// Parameters that a process of the previous version has checked and stored.
fn of_previous_version(
    idp: &Idp,
    client: &Client,
    params: &[(String, String)],
) -> Option<AuthorizationRequest> {
    if params.len() > LIMITS.count {
        return None;
    }
    let params: Params = params.iter().cloned().collect();
    let uri = find_redirect_uri(client, &params).ok()?;
    check(idp, client, &params, uri, &TokenBinding::BEARER).ok()
}

impl Pushed {
    /// The latest time to open its page.
    pub const fn usable_until(&self) -> Timestamp {
        self.stored.record.usable_until
    }

    /// Records that its sign-in page is shown: the request now lasts as long as
    /// the page, and is charged to the browser's address.
    pub async fn open(
        self,
        idp: &Idp,
        client: &Client,
        req: &HttpRequest,
    ) -> Result<(), RecordError> {
        let Self { id, stored, .. } = self;
        let before = &stored.record;
        // A request of the previous version lasts as long already.
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
        // If the swap fails, another page of the same request was opened just now.
        if !idp.records.swap(&id, &stored, &opened).await? {
            return Ok(());
        }
        let former = budget_of(idp, client, before);
        budgets::leave::<PushedRequest>(former, before.charge.as_ref(), &id).await;
        budgets::enter(&idp.records, &idp.budgets.opened, &charge, &id, &opened).await
    }
}

/// Removes the request `id` that `client` pushed. Returns whether it existed.
pub async fn consume(idp: &Idp, client: &Client, id: &str) -> Result<bool, RecordError> {
    let Some(pushed) = idp.records.take::<PushedRequest>(id).await? else {
        return Ok(false);
    };
    let budget = budget_of(idp, client, &pushed);
    budgets::leave::<PushedRequest>(budget, pushed.charge.as_ref(), id).await;
    Ok(true)
}

fn budget_of<'i>(idp: &'i Idp, client: &Client, pushed: &PushedRequest) -> &'i Budget {
    if pushed.opened {
        &idp.budgets.opened
    } else {
        idp.budgets.of_client(client)
    }
}
