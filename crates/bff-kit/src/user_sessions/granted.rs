//! Sessions that no store holds (`stateless`). The app knows the one that asks;
//! of the others the provider knows the grants, if it tells them.

use actix_web::{HttpRequest, http::header};
use oauth_types::ErrorCode;
use web_kit::{device, problem::Problem};

use super::UserSession;
use crate::{
    cookies::Cookies,
    provider::{ProviderError, UserGrant},
    sessions::{Ended, Session, SessionMode},
    state::Bff,
    tokens::error::provider_trouble,
};

/// `session` and what the provider knows of others of its user.
pub(super) async fn list(
    bff: &Bff,
    req: &HttpRequest,
    session: &Session,
) -> Result<Vec<UserSession>, Problem> {
    let user_agent = req.headers().get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let handle = session.id.handle();
    let own = UserSession::new(handle.as_str(), user_agent, session.about(), true);
    let others = match refresh_token(bff, req, session) {
        Some(token) => told(bff.provider.grants(&token).await)?,
        None => Vec::new(),
    };
    let others = others.iter().filter(|grant| !grant.current);
    Ok(std::iter::once(own).chain(others.map(of_grant)).collect())
}

/// Ends the grant that is named `handle`, if it is the same user's.
pub(super) async fn end(
    bff: &Bff,
    req: &HttpRequest,
    session: &Session,
    handle: &str,
) -> Result<Option<Ended>, Problem> {
    let Some(token) = refresh_token(bff, req, session) else {
        return Ok(None);
    };
    let ended = bff.provider.end_grant(&token, handle).await;
    let ended = ended.map_err(|error| provider_trouble(&error))?;
    // Nothing of it is here.
    Ok(ended.then(Ended::default))
}

fn refresh_token(bff: &Bff, req: &HttpRequest, session: &Session) -> Option<String> {
    let carrier = bff.sessions.carrier();
    let renewal = carrier.renewal_in(&session.id, &Cookies::of(req))?;
    renewal.refresh_token
}

/// What the provider told; nothing where it tells no such thing, or where this
/// session's own grant is over.
fn told(grants: Result<Option<Vec<UserGrant>>, ProviderError>) -> Result<Vec<UserGrant>, Problem> {
    match grants {
        Ok(grants) => Ok(grants.unwrap_or_default()),
        Err(error) if error.is_refused_as(ErrorCode::InvalidGrant) => Ok(Vec::new()),
        Err(error) => Err(provider_trouble(&error)),
    }
}

fn of_grant(grant: &UserGrant) -> UserSession {
    UserSession {
        handle: grant.id.clone(),
        device: device::in_words(grant.user_agent.as_deref()),
        mode: SessionMode::Stateless,
        created_at: grant.created_at().secs(),
        last_used_at: grant.last_used_at().secs(),
        expires_at: None,
        current: false,
    }
}
