//! A pushed request that is opened again, by a reload or by the back button. It counts once
//! (RFC 9126 §2.2) and is gone: the page says so, and whether the browser is signed in. Where
//! explain mode waits with its code, the code is derived (`form_secrets`), so the same page
//! is shown again for as long as the code counts.

use actix_web::{HttpRequest, HttpResponse};
use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::names::REQUEST_URI_PREFIX;
use web_kit::explain;

use super::complete;
use crate::{
    Idp,
    domain::{AuthorizationRequest, Authorized, Code, CodeState},
    page_error::PageError,
    sessions,
    settings::Client,
};

/// A code for the answer to `request`.
pub(super) fn code(idp: &Idp, request: &AuthorizationRequest) -> String {
    match &request.pushed {
        Some(id) if explain::is_on() => idp.form_secrets.code_of_pushed(id),
        _ => idp.random.token(),
    }
}

/// A pushed request that has its code.
pub(super) struct Answered {
    authorized: Box<Authorized>,
    code: String,
    /// When the code ends.
    ends: Timestamp,
}

/// The answered request of `client`, which is gone, if this browser is the one that got the
/// answer, and if the answer still leads on.
pub(super) async fn find(
    idp: &Idp,
    req: &HttpRequest,
    client: &Client,
    request_uri: &str,
) -> Result<Answered, PageError> {
    let login = sessions::current(idp, req).await?;
    let login = login.ok_or_else(|| PageError::pushed_request_gone(client, false))?;
    let id = request_uri.strip_prefix(REQUEST_URI_PREFIX);
    let id = id.filter(|_| explain::is_on());
    let id = id.ok_or_else(|| PageError::pushed_request_gone(client, true))?;
    let code = idp.form_secrets.code_of_pushed(&fingerprint(id));
    let issued = idp.records.get::<Code>(&fingerprint(&code)).await?;
    let issued = issued.map(|stored| stored.record);
    match issued.filter(|issued| issued.client_id == client.client_id) {
        Some(Code {
            state: CodeState::Pending(authorized),
            redeemable_until: ends,
            ..
        }) if authorized.login.sid == login.sid => Ok(Answered {
            authorized,
            code,
            ends,
        }),
        Some(Code {
            state: CodeState::Exchanged,
            ..
        }) => Err(PageError::signed_in_already(Some(client))),
        _ => Err(PageError::step_over(Some(client))),
    }
}

impl Answered {
    pub(super) fn state(&self) -> Option<&str> {
        self.authorized.request.state.as_deref()
    }

    /// The answer once more.
    pub(super) fn respond(&self, idp: &Idp, req: &HttpRequest) -> HttpResponse {
        complete::redirect(
            idp,
            req,
            &self.authorized.request,
            &self.code,
            Some(self.ends),
        )
    }
}
