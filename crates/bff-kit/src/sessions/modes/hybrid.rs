//! `hybrid`: the access tokens are in cookies and are checked here; the refresh
//! token and the rest are in the store, which a call needs only when a token
//! has to be renewed, and once after the store told that the record changed.

use std::sync::Arc;

use actix_web::cookie::Cookie;
use async_trait::async_trait;

use super::{Mode, stateful};
use crate::{
    cookies::{self, Cookies},
    sessions::{
        Ended, Kept, Minted, Purpose, Record, Session, SessionError, SessionId, SessionMode,
        carrier::Carrier, shelf::Shelf,
    },
};

pub(in crate::sessions) struct Hybrid {
    pub(in crate::sessions) shelf: Arc<Shelf>,
    pub(in crate::sessions) carrier: Arc<Carrier>,
}

#[async_trait(?Send)]
impl Mode for Hybrid {
    async fn begin(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Vec<Cookie<'static>>, SessionError> {
        // What no cookie can hold is found out before anything is kept.
        // The record decides when the session is idle: at each renewal.
        let mut about = record.about.clone();
        about.expires_at = about.ends_at;
        let mut carried = self.carrier.identity(id, &about)?;
        carried.extend(self.carrier.tokens(&record.tokens)?);
        stateful::put(&self.shelf, id, record).await?;
        carried.push(cookies::session(id.expose()));
        Ok(carried)
    }

    async fn open(
        &self,
        id: SessionId,
        cookies: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let Purpose::Call(audience) = purpose else {
            return Box::pin(stateful::open(&self.shelf, id, purpose)).await;
        };
        let carried = self
            .carrier
            .open(
                &id,
                cookies,
                SessionMode::Hybrid,
                Some(audience),
                Some(&self.shelf),
            )
            .await?;
        Ok(carried.map(|carried| Session::new(id, Kept::Carried(carried))))
    }

    fn carry(&self, _: &SessionId, minted: &Minted) -> Vec<Cookie<'static>> {
        self.carrier.carried_token(minted)
    }

    async fn end(&self, session: &Session, _: &Cookies<'_>) -> Result<Ended, SessionError> {
        stateful::end(&self.shelf, session).await
    }
}
