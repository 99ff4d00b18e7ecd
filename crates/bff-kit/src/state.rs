//! What every handler uses.

use std::sync::Arc;

use actix_web::HttpRequest;
use kit::{
    clock::Clock,
    config::{Addresses, Weakness, Weaknesses},
    random::Random,
};

use crate::{
    app::App, meters::Meters, pre_session::PreSessions, provider::Provider, sessions::Sessions,
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
    pub(crate) pre_sessions: PreSessions,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) used_logout_tokens: UsedLogoutTokens,
    pub(crate) meters: Meters,
}

impl Bff {
    /// The app's own origin. It comes from the configuration: a client can write any
    /// name into a header.
    pub(crate) fn origin(&self, req: &HttpRequest) -> String {
        if self.weaknesses.has(Weakness::HostDecides) {
            let said = req.connection_info();
            return format!("{}://{}", said.scheme(), said.host());
        }
        self.addresses.url(self.app.site)
    }
}
