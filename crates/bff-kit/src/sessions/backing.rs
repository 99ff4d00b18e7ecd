//! The places where a session can live: [`StoreSessions`](super::StoreSessions)
//! and [`CookieSessions`](super::CookieSessions).

use actix_web::HttpRequest;
use async_trait::async_trait;
use kit::clock::Timestamp;

use super::{
    ended::Ended,
    error::{SessionError, TokenError},
    id::SessionId,
    mode::SessionMode,
    record::{About, Record},
    session::{Purpose, Session, Wanted},
};
use crate::{
    bearer::Bearer,
    cookies::{Cookies, SetCookies},
};

/// A place where sessions live.
#[async_trait(?Send)]
pub(super) trait Backing {
    /// Saves a new session.
    async fn begin(&self, id: &SessionId, record: &Record) -> Result<Begun, SessionError>;

    /// The live session of `id`, as far as `purpose` needs it.
    async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError>;

    /// An access token by the session's refresh token. The session gets the
    /// cookies that save it in the browser.
    async fn renew(
        &self,
        req: &HttpRequest,
        session: &mut Session,
        wanted: Wanted,
    ) -> Result<Bearer, TokenError>;

    /// The sessions of the same user, `session` among them.
    async fn list(&self, req: &HttpRequest, session: &Session)
    -> Result<Vec<Listed>, SessionError>;

    /// Ends `session`.
    async fn end(&self, req: &HttpRequest, session: &Session) -> Result<Ended, SessionError>;

    /// Ends another session of the same user, as [`list`](Self::list) names it.
    async fn end_other(
        &self,
        req: &HttpRequest,
        session: &Session,
        handle: &str,
    ) -> Result<Option<Ended>, SessionError>;
}

/// A session that has begun.
pub(crate) struct Begun {
    /// Its cookies.
    pub(crate) cookies: SetCookies,
    /// The user's sessions that ended because there were too many.
    pub(crate) surplus: Vec<Ended>,
}

/// One of a user's sessions.
pub(crate) struct Listed {
    /// Its handle.
    pub(crate) handle: String,
    /// The browser's User-Agent.
    pub(crate) user_agent: Option<String>,
    /// Its mode.
    pub(crate) mode: SessionMode,
    /// When the user signed in.
    pub(crate) created_at: Timestamp,
    /// When it was last used, to a twentieth of the idle time.
    pub(crate) last_used_at: Timestamp,
    /// When it ends without use; `None` if the app does not know.
    pub(crate) expires_at: Option<Timestamp>,
    /// Whether it is this request's session.
    pub(crate) current: bool,
}

impl Listed {
    /// The session of `handle` that `about` describes.
    pub(super) fn new(
        handle: &str,
        user_agent: Option<&str>,
        about: &About,
        current: bool,
    ) -> Self {
        Self {
            handle: handle.to_owned(),
            user_agent: user_agent.map(ToOwned::to_owned),
            mode: about.mode,
            created_at: about.created_at,
            last_used_at: about.slid_at,
            expires_at: Some(about.expires_at),
            current,
        }
    }
}
