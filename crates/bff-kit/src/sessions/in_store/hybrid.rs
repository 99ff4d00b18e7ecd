//! The short cut of `hybrid`: the browser has the access tokens in cookies, beside a
//! sealed cookie that says who is signed in. A call reads the record only when its token
//! has to be renewed, and once after the record has changed.

use std::sync::Arc;

use actix_web::cookie::Cookie;

use super::super::{
    cookie_codec::{CookieCodec, CookieContent},
    error::SessionError,
    id::SessionId,
    mode::SessionMode,
    record::{AccessToken, Record},
    records::Records,
};
use crate::{audiences::Audience, cookies::Cookies, credentials::UserToken};

/// Access tokens in cookies.
pub(super) struct Hybrid {
    pub(super) codec: Arc<CookieCodec>,
    pub(super) records: Arc<Records>,
}

impl Hybrid {
    /// The cookies of a new session, beside its id.
    pub(super) fn cookies(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Vec<Cookie<'static>>, SessionError> {
        // The record decides when the session is idle: at each renewal.
        let mut about = record.about.clone();
        about.expires_at = about.ends_at;
        let mut cookies = self.codec.identity(id, &about)?;
        cookies.extend(self.codec.tokens(id, &about, &record.tokens)?);
        Ok(cookies)
    }

    /// The session of `id` by its cookies.
    pub(super) async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        audience: &'static Audience,
    ) -> Result<Option<Arc<CookieContent>>, SessionError> {
        let (mode, audience) = (SessionMode::Hybrid, Some(audience));
        let records = Some(&*self.records);
        self.codec.open(id, cookies, mode, audience, records).await
    }

    /// The cookies of a renewed access token.
    pub(super) fn renewed(
        &self,
        id: &SessionId,
        of: (&Audience, UserToken),
        token: &AccessToken,
    ) -> Vec<Cookie<'static>> {
        self.codec.renewed_token(id, of, token)
    }
}
