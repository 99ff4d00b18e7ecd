//! `stateless`: the browser holds the whole session, and this process nothing.

use std::{sync::Arc, time::Duration};

use actix_web::cookie::Cookie;
use async_trait::async_trait;
use kit::clock::Clock;

use super::Mode;
use crate::{
    cookies::{self, Cookies},
    sessions::{
        Ended, Kept, Minted, Purpose, Record, Session, SessionError, SessionId, SessionMode,
        carrier::{Carried, Carrier, Renewal},
    },
};

pub(in crate::sessions) struct Stateless {
    pub(in crate::sessions) carrier: Arc<Carrier>,
    pub(in crate::sessions) clock: Arc<dyn Clock>,
    pub(in crate::sessions) idle: Duration,
}

#[async_trait(?Send)]
impl Mode for Stateless {
    async fn begin(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Vec<Cookie<'static>>, SessionError> {
        let mut carried = self.carrier.identity(id, &record.about)?;
        carried.extend(self.carrier.renewal(id, &Renewal::of(record))?);
        carried.extend(self.carrier.tokens(&record.tokens)?);
        carried.push(cookies::session(id.expose()));
        Ok(carried)
    }

    async fn open(
        &self,
        id: SessionId,
        cookies: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let (audience, slide) = match purpose {
            Purpose::Call(audience) => (Some(audience), true),
            Purpose::Look { slide } => (None, slide),
        };
        let carried = self
            .carrier
            .open(&id, cookies, SessionMode::Stateless, audience, None)
            .await?;
        let Some(carried) = carried else {
            return Ok(None);
        };
        let slid = carried.about.slid(self.clock.now(), self.idle);
        let Some(about) = slid.filter(|_| slide) else {
            return Ok(Some(Session::new(id, Kept::Carried(carried))));
        };
        let cookies = self.carrier.identity(&id, &about)?;
        let token = carried.token.clone();
        let moved = Arc::new(Carried { about, token });
        let session = Session::new(id, Kept::Carried(moved));
        Ok(Some(Session { cookies, ..session }))
    }

    fn carry(&self, id: &SessionId, minted: &Minted) -> Vec<Cookie<'static>> {
        let mut carried = self.carrier.carried_token(minted);
        if let Some(renewal) = &minted.renewal {
            match self.carrier.renewal(id, renewal) {
                Ok(cookies) => carried.extend(cookies),
                Err(error) => tracing::warn!("a refresh token fits no cookie: {error}"),
            }
        }
        carried
    }

    async fn end(&self, session: &Session, cookies: &Cookies<'_>) -> Result<Ended, SessionError> {
        let renewal = self.carrier.renewal_in(&session.id, cookies);
        Ok(renewal.map_or_else(Ended::default, Renewal::ended))
    }
}
