//! A form that a client sends, with the client authenticated.

use actix_web::{HttpRequest, http::header};
use oauth_types::{Params, names::grant};
use web_kit::{body::mark_client_authenticated, client::client_addr, peer_certificates};

use super::{Presented, authenticate};
use crate::{Idp, error::OAuthError, forms::ClientForm, settings::Client, used_once::Cause};

/// The parameters of a form and the client that sent them.
pub struct AuthenticatedForm<'i> {
    /// The client.
    pub client: &'i Client,
    /// The parameters.
    pub params: Params,
    /// Who makes the client send it.
    pub cause: Cause,
}

impl<'i> AuthenticatedForm<'i> {
    /// Decodes `form` and authenticates its client.
    pub async fn read(
        idp: &'i Idp,
        req: &HttpRequest,
        form: &ClientForm,
    ) -> Result<Self, OAuthError> {
        let params = form.params()?;
        let cause = cause_of(&params)?;
        let presented = Presented {
            authorization: authorization(req)?,
            certificate: peer_certificates(req),
            cause,
        };
        let client = authenticate(idp, presented, client_addr(req), &params).await?;
        // Anybody can send a public client's id: it authenticates nobody.
        if !client.is_public() {
            mark_client_authenticated(req);
        }
        Ok(Self {
            client,
            params,
            cause,
        })
    }
}

/// A pushed request and the redemption of a code come from a login at an app, which anybody
/// can begin, and end with a made-up code.
fn cause_of(params: &Params) -> Result<Cause, OAuthError> {
    let pushes = params.has("response_type");
    let redeems_code = params.one("grant_type")? == Some(grant::AUTHORIZATION_CODE);
    Ok(if pushes || redeems_code {
        Cause::Login
    } else {
        Cause::Client
    })
}

/// The Authorization header, of which there may be one.
fn authorization(req: &HttpRequest) -> Result<Option<&str>, OAuthError> {
    let mut headers = req.headers().get_all(header::AUTHORIZATION);
    let first = headers.next();
    if headers.next().is_some() {
        return Err(OAuthError::request("More than one Authorization header."));
    }
    let text = first.map(|value| value.to_str());
    text.transpose()
        .map_err(|_| OAuthError::request("The Authorization header is not ASCII."))
}
