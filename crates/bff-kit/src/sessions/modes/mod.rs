//! One trait, an implementation a mode. Nobody outside of `sessions` can tell
//! which one is at work.

mod cached;
mod hybrid;
mod stateful;
mod stateless;

use actix_web::cookie::Cookie;
use async_trait::async_trait;

pub(super) use self::{cached::Cached, hybrid::Hybrid, stateful::Stateful, stateless::Stateless};
use super::{Ended, Minted, Purpose, Record, Session, SessionError, SessionId};
use crate::cookies::Cookies;

/// How sessions of one mode are kept.
#[async_trait(?Send)]
pub(super) trait Mode {
    /// Keeps a new session; gives the cookies that carry it.
    async fn begin(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Vec<Cookie<'static>>, SessionError>;

    /// The live session of `id`, as far as `purpose` needs it.
    async fn open(
        &self,
        id: SessionId,
        cookies: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError>;

    /// The cookies that carry on what was minted for a session. What fits none
    /// is left out: the call is answered all the same, and the next one mints again.
    fn carry(&self, _: &SessionId, _: &Minted) -> Vec<Cookie<'static>> {
        Vec::new()
    }

    /// Ends a session that [`Mode::open`] gave for a look.
    async fn end(&self, session: &Session, cookies: &Cookies<'_>) -> Result<Ended, SessionError>;
}
