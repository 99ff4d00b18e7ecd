//! Sessions in their browsers' cookies (`stateless`): who is signed in and the
//! refresh token, both sealed, and the access tokens. The app stores no session.

mod refresh;

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, cookie::Cookie, http::header};
use async_trait::async_trait;
use kit::clock::{Clock, Timestamp};
use oauth_types::ErrorCode;

use self::refresh::{Recent, Refresher};
use super::{
    backing::{Backing, Begun, Listed},
    cookie_codec::{CookieCodec, CookieContent, Renewal},
    ended::Ended,
    error::{SessionError, TokenError},
    id::SessionId,
    index::Whose,
    mode::SessionMode,
    record::Record,
    session::{Purpose, Session, Source, Wanted},
    settings::SessionParts,
    single_flight::SingleFlight,
};
use crate::{
    bearer::Bearer,
    cookies::{self, Cookies},
    provider::{Provider, ProviderError, UserGrant},
};

/// The sessions of one app that are in cookies.
pub(crate) struct CookieSessions {
    codec: Arc<CookieCodec>,
    refresher: Arc<Refresher>,
    provider: Arc<Provider>,
    clock: Arc<dyn Clock>,
    idle: Duration,
}

#[async_trait(?Send)]
impl Backing for CookieSessions {
    async fn begin(&self, id: &SessionId, record: &Record) -> Result<Begun, SessionError> {
        let mut cookies = self.codec.identity(id, &record.about)?;
        cookies.extend(self.codec.renewal(id, &Renewal::of(record))?);
        cookies.extend(self.codec.tokens(id, &record.about, &record.tokens)?);
        cookies.push(cookies::session(id.expose()));
        Ok(Begun {
            cookies: cookies.into(),
            surplus: Vec::new(),
        })
    }

    async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let (audience, slide) = match purpose {
            Purpose::Call(audience) => (Some(audience), true),
            Purpose::Identify { slide } => (None, slide),
        };
        let mode = SessionMode::Stateless;
        let opening = self.codec.open(id, cookies, mode, audience, None);
        let Some(content) = opening.await? else {
            return Ok(None);
        };
        let slid = content.about.slid(self.clock.now(), self.idle);
        let Some(about) = slid.filter(|_| slide) else {
            return Ok(Some(Session::new(id.clone(), Source::Cookies(content))));
        };
        let cookies = self.codec.identity(id, &about)?;
        let token = content.token.clone();
        let extended = Arc::new(CookieContent::new(about, token));
        let mut session = Session::new(id.clone(), Source::Cookies(extended));
        session.cookies.add(cookies);
        Ok(Some(session))
    }

    async fn renew(
        &self,
        req: &HttpRequest,
        session: &mut Session,
        wanted: Wanted,
    ) -> Result<Bearer, TokenError> {
        let renewal = match &session.renewal {
            Some(renewal) => (**renewal).clone(),
            None => self.renewal_of(req, session).ok_or(TokenError::Ended)?,
        };
        let (audience, kind) = (wanted.audience, wanted.token);
        let sub = session.about().user.sub.clone();
        let renewing = self.refresher.clone().renew(renewal, wanted, sub);
        let renewed = renewing.await?;
        let token = renewed.token.clone();
        session.renewal = Some(Box::new(renewed.renewal()));
        let (codec, refresher) = (self.codec.clone(), self.refresher.clone());
        let (id, bearer) = (session.id.clone(), token.clone().map(|one| one.token));
        // Also where no token could be made: the refresh token was redeemed.
        session.cookies.add_late(move || {
            let mut cookies = token.map_or_else(
                |_| Vec::new(),
                |token| codec.renewed_token(&id, (audience, kind), &token),
            );
            let renewal = refresher.to_be_set(&renewed);
            cookies.extend(renewal.map_or_else(Vec::new, |one| renewal_cookies(&codec, &id, &one)));
            cookies
        });
        bearer
    }

    /// The session of the request, and the user's grants of other sessions, where the
    /// provider lists them.
    async fn list(
        &self,
        req: &HttpRequest,
        session: &Session,
    ) -> Result<Vec<Listed>, SessionError> {
        let user_agent = req.headers().get(header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        let handle = session.id.handle();
        let own = Listed::new(handle.as_str(), user_agent, session.about(), true);
        let others = match self.refresh_token(req, session) {
            Some(token) => listed(self.provider.grants(&token).await)?,
            None => Vec::new(),
        };
        let others = others.iter().filter(|grant| !grant.current);
        Ok(std::iter::once(own).chain(others.map(of_grant)).collect())
    }

    async fn end(&self, req: &HttpRequest, session: &Session) -> Result<Ended, SessionError> {
        let renewal = self.renewal_of(req, session);
        Ok(renewal.map_or_else(Ended::default, Renewal::ended))
    }

    async fn end_other(
        &self,
        req: &HttpRequest,
        session: &Session,
        handle: &str,
    ) -> Result<Option<Ended>, SessionError> {
        let Some(token) = self.refresh_token(req, session) else {
            return Ok(None);
        };
        let ended = self.provider.end_grant(&token, handle).await?;
        // Its tokens are not here.
        Ok(ended.then(Ended::default))
    }
}

impl CookieSessions {
    pub(super) fn new(parts: &SessionParts<'_>, codec: Arc<CookieCodec>) -> Self {
        let (clock, settings) = (&parts.deps.clock, parts.settings);
        let refresher = Refresher {
            provider: parts.provider.clone(),
            credentials: parts.credentials.clone(),
            clock: clock.clone(),
            audience_by: settings.audience_by,
            single_flight: SingleFlight::new(parts.meters.refresh_waits.clone()),
            recent: Recent::default(),
        };
        Self {
            codec,
            refresher: Arc::new(refresher),
            provider: parts.provider.clone(),
            clock: clock.clone(),
            idle: settings.lifetimes.idle,
        }
    }

    /// Refuses the cookies of all sessions of `whose`, by a logout token that the provider
    /// issued at `logout_at`.
    pub(super) fn end_all(&self, whose: Whose<'_>, logout_at: Timestamp) {
        self.codec.refuse_all(whose, logout_at);
    }

    fn renewal_of(&self, req: &HttpRequest, session: &Session) -> Option<Renewal> {
        self.codec.renewal_in(&session.id, &Cookies::of(req))
    }

    fn refresh_token(&self, req: &HttpRequest, session: &Session) -> Option<String> {
        self.renewal_of(req, session)?.refresh_token
    }
}

fn renewal_cookies(codec: &CookieCodec, id: &SessionId, renewal: &Renewal) -> Vec<Cookie<'static>> {
    codec.renewal(id, renewal).unwrap_or_else(|error| {
        tracing::warn!("a refresh token fits no cookie: {error}");
        Vec::new()
    })
}

/// The grants that the provider listed: none where it has no such endpoint, or where
/// this session's own grant has ended.
fn listed(
    grants: Result<Option<Vec<UserGrant>>, ProviderError>,
) -> Result<Vec<UserGrant>, ProviderError> {
    match grants {
        Ok(grants) => Ok(grants.unwrap_or_default()),
        Err(error) if error.is_refused_as(ErrorCode::InvalidGrant) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn of_grant(grant: &UserGrant) -> Listed {
    Listed {
        handle: grant.id.clone(),
        user_agent: grant.user_agent.clone(),
        mode: SessionMode::Stateless,
        created_at: grant.created_at(),
        last_used_at: grant.last_used_at(),
        expires_at: None,
        current: false,
    }
}
