//! The forms of an authorization session: sign-in and consent. A submitted form
//! must come from the browser that it was shown in, and one submission alone
//! completes the session.

use actix_web::{HttpRequest, HttpResponse};
use kit::seal::fingerprint;
use oauth_types::{Params, secret::same_secret};
use web_kit::explain::{self, GoOnForm, Pause};

use super::{GRACE, client::is_registered, complete, explained};
use crate::{
    Idp, budgets, cookies,
    domain::{Answer, AuthorizationRequest, AuthorizationSession, SignedIn},
    forms::PageForm,
    page_error::PageError,
    pages::explain::Done,
    records::Stored,
    sessions,
    settings::Client,
};

/// The hidden field that names the authorization session. The id is unguessable
/// and bound to a cookie, so it is the form's CSRF token too.
const FIELD: &str = "authorization_session";

/// Where the form of a pause before the code is posted.
pub const CONTINUE_PATH: &str = "/authorize/continue";

/// A submitted form, with its authorization session.
pub(super) struct Submission<'i> {
    pub(super) id: String,
    pub(super) stored: Stored<AuthorizationSession>,
    pub(super) client: &'i Client,
    pub(super) params: Params,
}

impl<'i> Submission<'i> {
    /// Reads a form. Its session must exist and belong to this browser.
    pub(super) async fn read(
        idp: &'i Idp,
        req: &HttpRequest,
        form: &PageForm,
    ) -> Result<Self, PageError> {
        let params = form.params()?;
        let named = params.one("client_id")?;
        let named = named.and_then(|id| idp.settings.client(id));
        let id = params.one(FIELD)?;
        let id = id.ok_or_else(|| PageError::sign_in_over(named))?.to_owned();
        let stored = idp
            .records
            .get::<AuthorizationSession>(&fingerprint(&id))
            .await?;
        cookies::none_twice(req)?;
        let Some(stored) = stored else {
            return Err(over(idp, req, named).await?);
        };
        let browser = cookies::read(req, cookies::BROWSER);
        let browser = browser.ok_or_else(PageError::another_browser)?;
        if !same_secret(&stored.record.browser, &fingerprint(&browser)) {
            return Err(PageError::another_browser());
        }
        let client = idp.settings.client(&stored.record.request.client_id);
        let client = client.ok_or_else(PageError::unknown_client)?;
        // The configuration may have changed since the request was checked.
        if !is_registered(client, &stored.record.request.redirect_uri) {
            let why = "The app's request named an address that is no longer registered.";
            return Err(PageError::redirect_uri(why));
        }
        Ok(Self {
            id,
            stored,
            client,
            params,
        })
    }

    /// The session as it was read.
    pub(super) fn session(&self) -> &AuthorizationSession {
        &self.stored.record
    }

    /// The page at which `session`, as it is now, waits before its code is issued.
    pub(super) fn wait(
        &self,
        idp: &Idp,
        req: &HttpRequest,
        pause: &Pause,
        session: &AuthorizationSession,
        done: &Done,
    ) -> HttpResponse {
        let mut hidden = hidden_fields(self.client, &self.id);
        if matches!(done, Done::Consented) {
            hidden.push(("decision".to_owned(), "allow".to_owned()));
        }
        let form = GoOnForm {
            action: CONTINUE_PATH,
            hidden,
            leads_to: session.request.redirect_uri.clone(),
        };
        explained::code_follows(idp, req, pause, self.client, session, done, form)
    }

    /// The session as it is now, changed by a concurrent submission.
    pub(super) async fn reread(
        &self,
        idp: &Idp,
    ) -> Result<Option<AuthorizationSession>, PageError> {
        let found = idp.records.get(&fingerprint(&self.id)).await?;
        Ok(found.map(|stored| stored.record))
    }

    /// Completes the authorization session. `None` if a concurrent submission has
    /// done so. The answer is remembered for [`GRACE`]; in explain mode for as long as its
    /// code counts, because the browser waits with it at a page that can be loaded again.
    pub(super) async fn finish(
        &self,
        idp: &Idp,
        signed_in: SignedIn,
        answer: Answer,
    ) -> Result<Option<AuthorizationRequest>, PageError> {
        let id = fingerprint(&self.id);
        let read = &self.stored;
        let remembered = if explain::is_on() {
            idp.settings.lifetimes.code
        } else {
            GRACE
        };
        let done = AuthorizationSession {
            signed_in: Some(signed_in),
            answered: Some(answer),
            expires_at: idp.now() + remembered,
            charge: None,
            ..read.record.clone()
        };
        if !idp.records.swap(&id, read, &done).await? {
            return Ok(None);
        }
        // A user has signed in: the record is no longer charged to the address.
        let (budget, charge) = (&idp.budgets.requests, read.record.charge.as_ref());
        budgets::leave::<AuthorizationSession>(budget, charge, &id).await;
        if let Err(error) = complete::consume_pushed(idp, &done.request).await {
            // There is no answer that a second submission could get.
            idp.records.take::<AuthorizationSession>(&id).await?;
            return Err(error);
        }
        Ok(Some(done.request))
    }
}

/// The page for a form whose authorization session is gone: it was completed some time ago,
/// or has expired.
async fn over(
    idp: &Idp,
    req: &HttpRequest,
    client: Option<&Client>,
) -> Result<PageError, PageError> {
    let login = sessions::current(idp, req).await?;
    Ok(match login {
        Some(_) if explain::is_on() => PageError::step_over(client),
        Some(_) => PageError::signed_in_already(client),
        None => PageError::sign_in_over(client),
    })
}

/// The hidden fields of the forms. `client_id` serves the error page, after the
/// session is gone.
pub(super) fn hidden_fields(client: &Client, id: &str) -> Vec<(String, String)> {
    vec![
        (FIELD.to_owned(), id.to_owned()),
        ("client_id".to_owned(), client.client_id.clone()),
    ]
}
