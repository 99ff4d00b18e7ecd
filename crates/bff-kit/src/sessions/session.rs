//! A session as a request has it.

use std::{sync::Arc, time::Duration};

use kit::clock::Timestamp;

use super::{
    cookie_codec::{Carried, Renewal},
    id::SessionId,
    record::{About, AccessToken},
    records::Stored,
};
use crate::{audiences::Audience, bearer::Bearer, cookies::SetCookies};

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
    /// What opening it and renewing its tokens changed of its cookies.
    pub(super) cookies: SetCookies,
    /// What renews it since this request's own refresh, where its cookies do that.
    pub(super) renewal: Option<Box<Renewal>>,
}

/// What a session was opened from.
#[derive(Clone)]
pub(super) enum Source {
    /// Its record in the store, or the local copy of that.
    Record(Arc<Stored>),
    /// The request's cookies.
    Cookies(Arc<Carried>),
}

/// The access token that a call needs.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// For this audience.
    pub(crate) audience: &'static Audience,
    /// The token that the API rejected: any other one will do.
    pub(crate) rejected: Option<Bearer>,
}

impl Purpose {
    /// To know who is signed in, which counts as a use of the session.
    pub(crate) const USE: Self = Self::Identify { slide: true };
    /// To know who is signed in, which does not.
    pub(crate) const PEEK: Self = Self::Identify { slide: false };
}

impl Wanted {
    /// Whether `token` will do.
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
            Source::Cookies(carried) => &carried.about,
        }
    }

    /// Whether it was opened from a record, which can be read again.
    pub(crate) const fn has_record(&self) -> bool {
        matches!(self.source, Source::Record(_))
    }

    /// The access token for `audience` that came with it, if it is valid for
    /// longer than `margin`.
    pub(crate) fn access_token(
        &self,
        audience: &Audience,
        now: Timestamp,
        margin: Duration,
    ) -> Option<&AccessToken> {
        match &self.source {
            Source::Record(stored) => stored.record.access_token(audience.uri, now, margin),
            // It was opened for this very audience.
            Source::Cookies(carried) => {
                let token = carried.token.as_ref()?;
                token.lives_beyond(now, margin).then_some(token)
            }
        }
    }
}
