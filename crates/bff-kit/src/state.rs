//! What every handler has at hand.

use std::sync::Arc;

use actix_web::HttpRequest;
use kit::{clock::Clock, config::Addresses, random::Random, telemetry::names::span};
use tracing::{Instrument as _, Span};
use web_kit::{look::Accent, problem::Problem};

use crate::{
    app::App,
    cookies,
    pre_session::PreSessions,
    provider::Provider,
    sessions::{Session, SessionId, Sessions},
    tokens::{
        Tokens,
        error::{not_signed_in, store_away},
    },
};

/// One app at work.
pub(crate) struct Bff {
    pub(crate) app: App,
    pub(crate) addresses: Addresses,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) pre_sessions: PreSessions,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) tokens: Tokens,
}

impl Bff {
    /// The colour of the app's pages.
    pub(crate) fn accent(&self) -> Accent {
        Accent::from(self.app.site)
    }

    /// The live session that the request's cookie names, with its id. One read
    /// of the store, and none where there is no cookie.
    pub(crate) async fn session(
        &self,
        req: &HttpRequest,
    ) -> Result<Option<(SessionId, Session)>, Problem> {
        let cookie = cookies::read(req, cookies::SESSION);
        let Some(id) = cookie.as_deref().and_then(SessionId::read) else {
            return Ok(None);
        };
        let span = kit::step!(span::SESSION_LOAD, "enduser.id" = tracing::field::Empty);
        let load = async {
            let session = self.sessions.load(&id).await;
            if let Ok(Some(session)) = &session {
                Span::current().record("enduser.id", session.record.user.sub.as_str());
            }
            session
        };
        let session = load
            .instrument(span)
            .await
            .map_err(|error| store_away(&error.to_string()))?;
        Ok(session.map(|session| (id, session)))
    }

    /// The same, where there has to be one: 401 otherwise.
    pub(crate) async fn required_session(&self, req: &HttpRequest) -> Result<Session, Problem> {
        self.session(req)
            .await?
            .map(|(_, session)| session)
            .ok_or_else(not_signed_in)
    }
}
