//! `cached`: as `stateful`, but a session is read once and kept in the process
//! until the store tells that it changed ([`LocalCache`]). Sessions of `stateful` pass
//! through where both modes are in use: their records say so.

use std::{sync::Arc, time::Duration};

use actix_web::cookie::Cookie;
use async_trait::async_trait;
use kit::clock::Clock;
use store::LocalCache;
use tracing::Span;

use super::{Mode, stateful};
use crate::{
    cookies::{self, Cookies},
    sessions::{
        Ended, Handle, Kept, Purpose, Record, Session, SessionError, SessionId, SessionMode,
        Stored, shelf::Shelf,
    },
};

pub(in crate::sessions) struct Cached {
    pub(in crate::sessions) shelf: Arc<Shelf>,
    pub(in crate::sessions) cache: Arc<LocalCache<Arc<Stored>>>,
    pub(in crate::sessions) clock: Arc<dyn Clock>,
    pub(in crate::sessions) idle: Duration,
}

#[async_trait(?Send)]
impl Mode for Cached {
    async fn begin(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Vec<Cookie<'static>>, SessionError> {
        stateful::put(&self.shelf, id, record).await?;
        Ok(vec![cookies::session(id.expose())])
    }

    async fn open(
        &self,
        id: SessionId,
        _: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let handle = id.handle();
        // A look asks the store in every mode that has one.
        let Purpose::Call(_) = purpose else {
            return Box::pin(stateful::open(&self.shelf, id, purpose)).await;
        };
        let now = self.clock.now();
        if let Some(stored) = self.cache.get(handle.as_str())
            && stored.record.about.is_live(now)
            && stored.record.about.slid(now, self.idle).is_none()
        {
            Span::current().record("sso.cache_hit", true);
            return Ok(Some(Session::new(id, Kept::Stored(stored))));
        }
        Span::current().record("sso.cache_hit", false);
        // Boxed: most calls find a copy, and need no room for this.
        Box::pin(self.read(id, &handle)).await
    }

    async fn end(&self, session: &Session, _: &Cookies<'_>) -> Result<Ended, SessionError> {
        stateful::end(&self.shelf, session).await
    }
}

impl Cached {
    /// The session of `id` from the store, kept from now on.
    async fn read(&self, id: SessionId, handle: &Handle) -> Result<Option<Session>, SessionError> {
        let pending = self.cache.begin_read(handle.as_str());
        let Some(stored) = self.shelf.load(handle).await? else {
            return Ok(None);
        };
        if let Some(pending) = pending
            && stored.record.about.mode == SessionMode::Cached
        {
            pending.complete(stored.clone());
        }
        Ok(Some(Session::new(id, Kept::Stored(stored))))
    }
}
