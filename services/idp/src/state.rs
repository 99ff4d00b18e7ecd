//! What the endpoints share.

use std::sync::Arc;

use kit::{
    clock::{Clock, Timestamp},
    config::Weaknesses,
    random::Random,
};

use crate::{
    backchannel::Outbox,
    budgets::Budgets,
    client_auth::{AssertionKeys, Failures},
    config::Quotas,
    form_secrets::FormSecrets,
    keys::Keys,
    known_browsers::KnownBrowsers,
    meters::Meters,
    passwords::Passwords,
    records::Records,
    refresh_tokens::RefreshTokens,
    settings::Settings,
    throttle::{Delays, Table},
};

/// The provider.
pub struct Idp {
    /// The issuer, exactly as browsers see it.
    pub issuer: String,
    /// The userinfo endpoint: the audience of a token that is good there alone.
    pub userinfo: String,
    /// What it knows.
    pub settings: Settings,
    /// What it remembers.
    pub records: Records,
    /// What may be left there by whom.
    pub budgets: Budgets,
    /// What one user may have.
    pub quotas: Quotas,
    /// What apps have to be told.
    pub outbox: Outbox,
    /// What it counts.
    pub meters: Meters,
    /// What it signs with.
    pub keys: Keys,
    /// How refresh tokens are made.
    pub refresh_tokens: RefreshTokens,
    /// What is secret in the answers to forms.
    pub form_secrets: FormSecrets,
    /// How passwords are checked.
    pub passwords: Passwords,
    /// Where failed sign-ins are counted.
    pub throttle: Table,
    /// Sign-ins that are being delayed.
    pub delays: Delays,
    /// Browsers that users signed in with before.
    pub known_browsers: KnownBrowsers,
    /// The keys of clients that authenticate by them.
    pub assertion_keys: AssertionKeys,
    /// Wrong secrets of clients and of the operator.
    pub failures: Failures,
    /// Defences that a lab has switched off.
    pub weaknesses: Weaknesses,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Idp {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The address of one of the endpoints.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}
