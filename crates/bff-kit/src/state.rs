//! What every handler uses.

use std::sync::Arc;

use actix_web::HttpRequest;
use kit::{
    clock::Clock,
    config::{Addresses, Site, Weakness, Weaknesses},
    lab_control::Control,
    random::Random,
};

use crate::{
    app::App,
    credentials::Credential,
    meters::Meters,
    pre_session::PreSessions,
    prover::{CallProver, Server},
    provider::Provider,
    recent_logouts::RecentLogouts,
    sessions::Sessions,
    used_logout_tokens::UsedLogoutTokens,
};

/// One app.
pub(crate) struct Bff {
    pub(crate) app: App,
    pub(crate) addresses: Addresses,
    /// The defences that the lab has switched off.
    pub(crate) weaknesses: Weaknesses,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) provider: Arc<Provider>,
    /// The attacker's, in a lab.
    pub(crate) second_provider: Option<Arc<Provider>>,
    /// The lab's hold on the app, in a lab.
    pub(crate) control: Option<Arc<Control>>,
    pub(crate) pre_sessions: PreSessions,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) used_logout_tokens: UsedLogoutTokens,
    pub(crate) recent_logouts: RecentLogouts,
    pub(crate) meters: Meters,
}

impl Bff {
    /// What proves the calls with `credential` to `server`; none if that is bound to no key
    /// of the app.
    pub(crate) fn call_prover<'a>(
        &'a self,
        server: Server,
        credential: &'a Credential,
    ) -> Option<CallProver<'a>> {
        let token = credential.token().filter(|token| token.is_bound())?;
        let prover = self.provider.prover()?;
        Some(prover.of_calls(server, token.token()))
    }

    /// In a lab: remembers the failures that the API at `site` names in its answer.
    pub(crate) fn note_failures(&self, site: Site, headers: &http::HeaderMap) {
        if let Some(control) = &self.control {
            control.note_peer_failures(site, headers);
        }
    }

    /// The app's own origin. It comes from the configuration: a client can write any
    /// name into a header.
    pub(crate) fn origin(&self, req: &HttpRequest) -> String {
        if self.weaknesses.has(Weakness::HostDecides) {
            let (scheme, said) = (self.addresses.scheme(), req.connection_info());
            return format!("{scheme}://{}", said.host());
        }
        self.addresses.url(self.app.site)
    }
}
