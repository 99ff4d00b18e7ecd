//! The acting party (RFC 8693 §1.1, §2.1): the client itself, or the subject of an
//! actor token; and the claims `act` (§4.1) and `may_act` (§4.4).

use oauth_types::claims::Actor;

use super::{
    refused as subject_refused,
    subject::{self, SubjectToken},
    unacceptable,
};
use crate::{
    Idp,
    error::OAuthError,
    policy::Permit,
    settings::{Client, Exchange, ExchangeMode},
};

/// The acting party.
pub(super) struct ActingParty {
    /// A client_id, or a user's `sub`.
    sub: String,
    /// When its token expires, if it sent one.
    pub(super) exp: Option<i64>,
}

fn refused(why: &str) -> OAuthError {
    OAuthError::request(format!("actor_token: {why}."))
}

/// The acting party of this request, if `policy` allows it.
pub(super) async fn read(
    idp: &Idp,
    client: &Client,
    policy: &Exchange,
    token: Option<&str>,
) -> Result<ActingParty, OAuthError> {
    let actor = match token {
        None => ActingParty {
            sub: client.client_id.clone(),
            exp: None,
        },
        Some(token) => of_token(idp, client, policy, token).await?,
    };
    if policy.actors.contains(&actor.sub) {
        return Ok(actor);
    }
    Err(match token {
        None => refused("this exchange needs one: the client itself is not an allowed actor"),
        Some(_) => refused("its subject is not an allowed actor of this exchange"),
    })
}

/// The subject of an actor token: live, without actors of its own, and issued to this
/// client or sent to it as a resource server.
async fn of_token(
    idp: &Idp,
    client: &Client,
    policy: &Exchange,
    token: &str,
) -> Result<ActingParty, OAuthError> {
    let access = subject::own(idp, token, refused).await?;
    let claims = &access.claims;
    if claims.act.is_some() {
        return Err(refused("it has an actor itself"));
    }
    let is_own = claims.client_id == client.client_id;
    if !is_own && !claims.aud.contains(&policy.from) {
        return Err(refused("it is neither this client's nor for its audience"));
    }
    let permit = Permit::of_token(idp, claims, access.grant.as_ref()).map_err(unacceptable)?;
    Ok(ActingParty {
        sub: permit.subject().to_owned(),
        exp: Some(claims.exp),
    })
}

/// RFC 8693 §4.4: a subject token that names the party that may act is exchanged for
/// this party alone.
pub(super) fn check_may_act(
    idp: &Idp,
    subject: &SubjectToken<'_>,
    actor: &ActingParty,
) -> Result<(), OAuthError> {
    let Some(may_act) = &subject.may_act else {
        return Ok(());
    };
    // Without an issuer the name is one of the token's issuer.
    let named_by = may_act.iss.as_ref().or(subject.issuer.as_ref());
    let is_named_here = named_by.is_none_or(|issuer| *issuer == idp.issuer);
    if is_named_here && may_act.sub == actor.sub {
        return Ok(());
    }
    let why = "its may_act names another party (RFC 8693 section 4.4)";
    Err(subject_refused(why))
}

/// The `act` of the new token: the acting party, and those before it.
pub(super) fn chain(
    policy: &Exchange,
    subject: &SubjectToken<'_>,
    actor: &ActingParty,
) -> Result<Option<Actor>, OAuthError> {
    match (policy.mode, &subject.act) {
        (ExchangeMode::Impersonation, None) => Ok(None),
        (ExchangeMode::Impersonation, Some(_)) => Err(subject_refused(
            "it has an actor, which an impersonation would hide",
        )),
        (ExchangeMode::Delegation, before) => {
            let act = Actor {
                sub: actor.sub.clone(),
                act: before.clone().map(Box::new),
            };
            if act.count() > policy.max_actors {
                let most = policy.max_actors;
                let why = format!("the new token would have more than {most} actors");
                return Err(subject_refused(&why));
            }
            Ok(Some(act))
        }
    }
}
