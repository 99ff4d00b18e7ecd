//! What the sessions of an app are made from.

use std::{sync::Arc, time::Duration};

use kit::Deps;
use store::SharedStore;
use token_verify::Jwks;

use super::{mode::SessionMode, record::SessionLifetimes};
use crate::{
    credentials::Credentials,
    meters::Meters,
    provider::{AudienceBy, Provider},
};

/// What sessions are made from.
pub(crate) struct SessionParts<'a> {
    pub(crate) store: &'a SharedStore,
    pub(crate) provider: &'a Arc<Provider>,
    pub(crate) credentials: &'a Arc<Credentials>,
    /// The provider's keys.
    pub(crate) jwks: &'a Arc<Jwks>,
    pub(crate) deps: &'a Deps,
    pub(crate) settings: SessionSettings,
    pub(crate) meters: &'a Meters,
}

/// What a deployment can set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionSettings {
    /// How long sessions last.
    pub(crate) lifetimes: SessionLifetimes,
    /// How many sessions one user has in the store at most.
    pub(crate) per_user: usize,
    /// How new sessions are kept unless their login chooses.
    pub(crate) mode: SessionMode,
    /// Whether a login may choose.
    pub(crate) choice: bool,
    /// An access token that expires within this time is renewed before the call.
    pub(crate) margin: Duration,
    /// How a refresh names the audience.
    pub(crate) audience_by: AudienceBy,
}

impl SessionSettings {
    /// Whether a session can be `cached`.
    pub(super) const fn may_cache(&self) -> bool {
        self.choice || matches!(self.mode, SessionMode::Cached)
    }
}
