//! The subject token: on whose behalf the exchange is requested (RFC 8693 §2.1).

use oauth_types::{
    Scope,
    claims::{AccessToken, Actor, Audience, MayAct},
};

use super::{foreign, refused, unacceptable};
use crate::{
    Idp,
    error::OAuthError,
    grants,
    issue::Subject,
    policy::Permit,
    presented_token::{InvalidToken, Presented, PresentedAccess, presented},
    settings::Client,
    token_id::Origin,
};

/// A valid subject token.
pub(super) struct SubjectToken<'i> {
    /// Its issuer, if that is not this provider.
    pub(super) issuer: Option<String>,
    /// The client that it was issued to; none: another issuer's.
    pub(super) client_id: Option<String>,
    /// Its audience.
    pub(super) audience: Audience,
    /// What it allows now.
    pub(super) scope: Scope,
    /// When it expires.
    pub(super) exp: i64,
    /// Its actors.
    pub(super) act: Option<Actor>,
    /// The one party that may exchange it.
    pub(super) may_act: Option<MayAct>,
    /// Whether it has the email address of its user, and still may.
    pub(super) with_email: bool,
    /// What may be issued for its subject.
    pub(super) permit: Permit<'i>,
    /// What it stems from.
    pub(super) origin: Origin,
    sign_in: Option<SignIn>,
}

struct SignIn {
    sid: String,
    auth_time: i64,
    acr: String,
}

impl SubjectToken<'_> {
    /// The sign-in of its user, as the new token tells it.
    pub(super) fn sign_in(&self) -> Subject<'_> {
        match (&self.sign_in, self.permit.user()) {
            (Some(sign_in), Some(_)) => Subject::User {
                sid: &sign_in.sid,
                auth_time: sign_in.auth_time,
                acr: &sign_in.acr,
            },
            (None, Some(_)) => Subject::NamedUser,
            (_, None) => Subject::Client,
        }
    }
}

/// Reads `token`, which `client` exchanges.
pub(super) async fn read<'i>(
    idp: &'i Idp,
    client: &'i Client,
    token: &str,
) -> Result<SubjectToken<'i>, OAuthError> {
    if let Some(issuer) = foreign::issuer_of(idp, token) {
        let claims = foreign::verify(idp, client, issuer, token).await?;
        let user = foreign::user(idp, issuer, &claims)?;
        return Ok(SubjectToken {
            issuer: Some(issuer.issuer.clone()),
            client_id: None,
            audience: claims.aud,
            scope: claims.scope,
            exp: claims.exp,
            act: None,
            may_act: claims.may_act,
            with_email: false,
            permit: Permit::of_mapped_user(idp, client, user).map_err(unacceptable)?,
            origin: Origin::Client(client.client_id.clone()),
            sign_in: None,
        });
    }
    let PresentedAccess { claims, grant, .. } = own(idp, token, refused).await?;
    let permit = Permit::of_token(idp, &claims, grant.as_ref()).map_err(unacceptable)?;
    let scope = permit.effective_scope(&claims);
    let origin = Origin::of(&claims);
    let AccessToken {
        client_id,
        aud,
        exp,
        act,
        may_act,
        email,
        sid,
        auth_time,
        acr,
        ..
    } = claims;
    let granted_email = grant.is_none() || permit.scope().contains("email");
    Ok(SubjectToken {
        issuer: None,
        client_id: Some(client_id),
        audience: aud,
        scope,
        exp,
        act,
        may_act,
        with_email: email.is_some() && granted_email,
        permit,
        origin,
        sign_in: sid.map(|sid| SignIn {
            sid,
            auth_time: auth_time.unwrap_or_default(),
            acr: acr.unwrap_or_default(),
        }),
    })
}

/// A live access token of this provider whose grant, if it has one, has not ended.
pub(super) async fn own(
    idp: &Idp,
    token: &str,
    refused: impl Fn(&str) -> OAuthError,
) -> Result<PresentedAccess, OAuthError> {
    match presented(idp, token).await {
        Ok(Presented::Access(access)) => match &access.grant {
            Some(grant) if !grants::is_listed(idp, grant).await? => {
                Err(refused("its grant has ended"))
            }
            _ => Ok(access),
        },
        Ok(Presented::Refresh(_) | Presented::IdToken) => Err(refused("not an access token")),
        Err(InvalidToken::Records(error)) => Err(error.into()),
        Err(invalid) => Err(refused(&invalid.to_string())),
    }
}
