//! A session as a request has it.

use std::{sync::Arc, time::Duration};

use kit::clock::Timestamp;

use super::{
    cookie_codec::{CookieContent, Renewal},
    id::SessionId,
    record::{About, AccessToken},
    records::Stored,
};
use crate::{audiences::Audience, bearer::Bearer, cookies::SetCookies, credentials::UserToken};

/// What a request opens its session for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// To call this API.
    Call(&'static Audience),
    /// To know who is signed in. A session that has a record is read from the store.
    Identify {
        /// Whether that counts as a use of the session, which extends it.
        slide: bool,
    },
}

/// A live session, as a request opened it.
pub(crate) struct Session {
    /// Its id.
    pub(crate) id: SessionId,
    pub(super) source: Source,
    /// The cookies that changed when it was opened and its tokens were renewed.
    pub(super) cookies: SetCookies,
    /// The refresh token after this request's own refresh, if the session is in cookies.
    pub(super) renewal: Option<Box<Renewal>>,
}

/// What a session was opened from.
#[derive(Clone)]
pub(super) enum Source {
    /// Its record in the store, or a local copy of the record.
    Record(Arc<Stored>),
    /// The request's cookies.
    Cookies(Arc<CookieContent>),
}

/// The access token that a call needs.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// For this audience.
    pub(crate) audience: &'static Audience,
    /// Of this kind.
    pub(crate) token: UserToken,
    /// The token that the API rejected; any other is accepted.
    pub(crate) rejected: Option<Bearer>,
}

impl Purpose {
    /// To know who is signed in, which counts as a use of the session.
    pub(crate) const USE: Self = Self::Identify { slide: true };
    /// To know who is signed in, which does not count as a use.
    pub(crate) const PEEK: Self = Self::Identify { slide: false };
}

impl Wanted {
    /// Its name in a session's record.
    pub(super) const fn key(&self) -> &'static str {
        self.token.key(self.audience)
    }

    /// Whether `token` is another one than the API rejected.
    pub(super) fn accepts(&self, token: &Bearer) -> bool {
        self.rejected.as_ref() != Some(token)
    }
}

impl Session {
    pub(super) fn new(id: SessionId, source: Source) -> Self {
        Self {
            id,
            source,
            cookies: SetCookies::default(),
            renewal: None,
        }
    }

    /// Who signed in and how long the session lasts.
    pub(crate) fn about(&self) -> &About {
        match &self.source {
            Source::Record(stored) => &stored.record.about,
            Source::Cookies(content) => &content.about,
        }
    }

    /// Whether it was opened from a record, which can be read again.
    pub(crate) const fn has_record(&self) -> bool {
        matches!(self.source, Source::Record(_))
    }

    /// The access token of the kind `token` for `audience` that came with it, if it is
    /// valid for longer than `margin`.
    pub(crate) fn access_token(
        &self,
        token: UserToken,
        audience: &Audience,
        now: Timestamp,
        margin: Duration,
    ) -> Option<&AccessToken> {
        match &self.source {
            Source::Record(stored) => {
                let key = token.key(audience);
                stored.record.access_token(key, now, margin)
            }
            // The session was opened for this audience, and the token is of its kind.
            Source::Cookies(content) => {
                let token = content.token.as_ref()?;
                token.lives_beyond(now, margin).then_some(token)
            }
        }
    }
}
