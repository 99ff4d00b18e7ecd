//! A session as a request has it.

use std::{sync::Arc, time::Duration};

use actix_web::cookie::Cookie;
use kit::clock::Timestamp;
use store::StoreError;

use super::{AccessToken, Carried, Renewal, SessionId, Stored, record::About};
use crate::{audiences::Audience, cookies::TooLarge};

/// What a request wants of its session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// A call to this API.
    Call(&'static Audience),
    /// To know whose it is. It asks the store in every mode that has one.
    Look {
        /// Whether that counts as a use.
        slide: bool,
    },
}

/// A live session, as a request opened it.
#[derive(Clone)]
pub(crate) struct Session {
    /// Its id.
    pub(crate) id: SessionId,
    /// What is known of it.
    pub(crate) kept: Kept,
    /// To be set with the answer.
    pub(super) cookies: Vec<Cookie<'static>>,
}

/// Where a session was found.
#[derive(Clone)]
pub(crate) enum Kept {
    /// In the store, or near.
    Stored(Arc<Stored>),
    /// In the request's cookies.
    Carried(Arc<Carried>),
}

/// What was minted for a session.
pub(crate) struct Minted {
    /// For whom.
    pub(crate) audience: &'static Audience,
    /// The access token.
    pub(crate) token: AccessToken,
    /// What renews the session from now on, where the browser carries that.
    pub(crate) renewal: Option<Renewal>,
}

/// Why nothing is known of a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider's keys were never had: no token can be checked.
    #[error("the provider's keys could not be had")]
    NoKeys,
    /// A browser would not keep its cookies.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The provider's access tokens are not JWTs: one that came back in a cookie
    /// could not be checked.
    #[error("the provider's access tokens cannot be checked here")]
    Opaque,
    /// The provider ended its session while this one began.
    #[error("the provider's session has ended meanwhile")]
    EndedMeanwhile,
}

impl Session {
    pub(super) fn new(id: SessionId, kept: Kept) -> Self {
        Self {
            id,
            kept,
            cookies: Vec::new(),
        }
    }

    /// Whose it is and how long it lasts.
    pub(crate) fn about(&self) -> &About {
        match &self.kept {
            Kept::Stored(stored) => &stored.record.about,
            Kept::Carried(carried) => &carried.about,
        }
    }

    /// The access token for `audience` that came with it, if it still lives
    /// longer than `margin`.
    pub(crate) fn usable(
        &self,
        audience: &Audience,
        now: Timestamp,
        margin: Duration,
    ) -> Option<&AccessToken> {
        match &self.kept {
            Kept::Stored(stored) => stored.record.usable(audience.uri, now, margin),
            // It was opened for this very audience.
            Kept::Carried(carried) => {
                let token = carried.token.as_ref()?;
                token.lives_beyond(now, margin).then_some(token)
            }
        }
    }
}
