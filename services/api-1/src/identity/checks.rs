//! The middleware before every route, and the check of a call.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use kit::{
    clock::{Clock, Timestamp},
    metrics::Counter,
    telemetry::names::{OK, span},
};
use parking_lot::Mutex;
use tracing::field::Empty;
use web_kit::peer_certificates;

use super::{
    Callers,
    callers::{NoCaller, PeerCheck},
    stated::{BadStatement, IdentityCaller, Stated, Statements},
};

/// How often the log says that a statement was removed; all are counted.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Decides which requests state who the user is.
pub(crate) struct StatedIdentities {
    peers: PeerCheck,
    clock: Arc<dyn Clock>,
    checks: Counter,
    /// When a removal was logged.
    said: Mutex<Option<Timestamp>>,
}

impl StatedIdentities {
    /// `callers`: who may; `None`: nobody. `checks` counts the outcomes.
    pub(crate) fn new(callers: Option<Callers>, clock: Arc<dyn Clock>, checks: Counter) -> Self {
        Self {
            peers: PeerCheck::new(callers),
            clock,
            checks,
            said: Mutex::new(None),
        }
    }

    /// Removes header and cookie from `req`, whoever sends it, so that no route can mistake
    /// one for the truth; then the route answers.
    pub(crate) async fn guard<B: MessageBody>(
        self: Arc<Self>,
        mut req: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<B>, actix_web::Error> {
        let statements = Statements::take(req.headers_mut());
        if !statements.is_empty() {
            let peer = peer_certificates(req.request());
            match self.peers.caller(peer, self.clock.now()) {
                Ok((by, scope)) => {
                    let stated = Stated {
                        by,
                        scope,
                        statements,
                    };
                    req.extensions_mut().insert(stated);
                }
                Err(why) => self.count_stripped(&why),
            }
        }
        next.call(req).await
    }

    /// The user whom the peer of `req` states; `None` if it states nobody, or may not.
    /// `is_alone`: whether the request has no other credential.
    pub(crate) fn caller(
        &self,
        req: &HttpRequest,
        is_alone: bool,
    ) -> Option<Result<IdentityCaller, BadStatement>> {
        let stated = req.extensions().get::<Stated>()?.clone();
        let step = kit::step!(
            span::IDENTITY_CHECK,
            "sso.stated_by" = &*stated.by,
            "sso.outcome" = Empty,
            "enduser.id" = Empty
        );
        let caller = if is_alone {
            stated.caller()
        } else {
            Err(BadStatement::OtherCredential)
        };
        let outcome = match &caller {
            Ok(caller) => {
                step.record("enduser.id", caller.sub.as_str());
                OK
            }
            Err(_) => "invalid_request",
        };
        step.record("sso.outcome", outcome);
        self.checks.add(&[outcome]);
        Some(caller)
    }

    /// Counts a user's call that the scope does not allow.
    pub(crate) fn count_insufficient_scope(&self) {
        self.checks.add(&["insufficient_scope"]);
    }

    fn count_stripped(&self, why: &NoCaller) {
        self.checks.add(&["stripped"]);
        let now = self.clock.now();
        let mut said = self.said.lock();
        if said.is_none_or(|said| said.until(now) >= SAY_EVERY) {
            *said = Some(now);
            drop(said);
            tracing::warn!("an identity header or cookie was removed (said once a minute): {why}");
        }
    }
}
