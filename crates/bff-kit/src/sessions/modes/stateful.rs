//! `stateful`: everything is in the store, and each request reads it.

use std::sync::Arc;

use actix_web::cookie::Cookie;
use async_trait::async_trait;

use super::Mode;
use crate::{
    cookies::{self, Cookies},
    sessions::{Ended, Kept, Purpose, Record, Session, SessionError, SessionId, shelf::Shelf},
};

pub(in crate::sessions) struct Stateful(pub(in crate::sessions) Arc<Shelf>);

#[async_trait(?Send)]
impl Mode for Stateful {
    async fn begin(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Vec<Cookie<'static>>, SessionError> {
        put(&self.0, id, record).await?;
        Ok(vec![cookies::session(id.expose())])
    }

    async fn open(
        &self,
        id: SessionId,
        _: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        open(&self.0, id, purpose).await
    }

    async fn end(&self, session: &Session, _: &Cookies<'_>) -> Result<Ended, SessionError> {
        end(&self.0, session).await
    }
}

/// Saves a new session in the store.
pub(super) async fn put(
    shelf: &Shelf,
    id: &SessionId,
    record: &Record,
) -> Result<(), SessionError> {
    let kept = shelf.put(&id.handle(), record).await?;
    kept.then_some(()).ok_or(SessionError::EndedMeanwhile)
}

/// Reads a session from the store.
pub(super) async fn open(
    shelf: &Shelf,
    id: SessionId,
    purpose: Purpose,
) -> Result<Option<Session>, SessionError> {
    let handle = id.handle();
    let stored = match purpose {
        Purpose::Look { slide: false } => shelf.look(&handle).await?,
        Purpose::Look { slide: true } | Purpose::Call(_) => shelf.load(&handle).await?,
    };
    Ok(stored.map(|stored| Session::new(id, Kept::Stored(stored))))
}

/// Ends a session in the store.
pub(super) async fn end(shelf: &Shelf, session: &Session) -> Result<Ended, SessionError> {
    let Kept::Stored(stored) = &session.kept else {
        return Ok(Ended::default());
    };
    shelf.remove(&stored.handle, &stored.record).await?;
    Ok(Ended::of(&stored.record))
}
