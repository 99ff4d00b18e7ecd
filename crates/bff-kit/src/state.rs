//! What every handler has at hand.

use std::sync::Arc;

use actix_web::HttpRequest;
use kit::{
    clock::Clock,
    config::{Addresses, Weakness, Weaknesses},
    random::Random,
    telemetry::names::span,
};
use tracing::Instrument as _;
use web_kit::{look::Accent, problem::Problem};

use crate::{
    app::App,
    audiences::Audience,
    backchannel_logout::UsedLogoutTokens,
    meters::Meters,
    pre_session::PreSessions,
    provider::Provider,
    sessions::{Purpose, Session, Sessions},
    tokens::{Tokens, error::not_signed_in},
};

/// One app at work.
pub(crate) struct Bff {
    pub(crate) app: App,
    pub(crate) addresses: Addresses,
    /// Defences that a lab has switched off.
    pub(crate) weaknesses: Weaknesses,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) pre_sessions: PreSessions,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) tokens: Tokens,
    pub(crate) used_logout_tokens: UsedLogoutTokens,
    pub(crate) meters: Meters,
}

impl Bff {
    /// The colour of the app's pages.
    pub(crate) fn accent(&self) -> Accent {
        Accent::from(self.app.site)
    }

    /// The app's own origin. The configuration says it and no header does: who
    /// sends the request could write anybody's name there.
    pub(crate) fn origin(&self, req: &HttpRequest) -> String {
        if self.weaknesses.has(Weakness::HostDecides) {
            let said = req.connection_info();
            return format!("{}://{}", said.scheme(), said.host());
        }
        self.addresses.url(self.app.site)
    }

    /// The live session that the request's cookies name.
    pub(crate) async fn session(
        &self,
        req: &HttpRequest,
        purpose: Purpose,
    ) -> Result<Option<Session>, Problem> {
        let span = kit::step!(
            span::SESSION_LOAD,
            "sso.session_mode" = tracing::field::Empty,
            "sso.cache_hit" = tracing::field::Empty,
            "enduser.id" = tracing::field::Empty
        );
        let opening = self.sessions.open(req, purpose).instrument(span.clone());
        let session = opening.await?;
        if let Some(session) = &session {
            let about = session.about();
            span.record("sso.session_mode", about.mode.as_str());
            span.record("enduser.id", about.user.sub.as_str());
        }
        Ok(session)
    }

    /// Whoever is signed in, and that counts as a use of the session.
    pub(crate) async fn signed_in(&self, req: &HttpRequest) -> Result<Option<Session>, Problem> {
        self.session(req, Purpose::Look { slide: true }).await
    }

    /// The session for a call to `audience`: 401 without one.
    pub(crate) async fn for_call(
        &self,
        req: &HttpRequest,
        audience: &'static Audience,
    ) -> Result<Session, Problem> {
        let session = self.session(req, Purpose::Call(audience)).await?;
        session.ok_or_else(not_signed_in)
    }
}
