//! The configuration file (TOML): clients, users, resources and policies. Every error is
//! reported at once.

mod auth_method;
mod bounds;
mod client;
mod client_keys;
mod client_tls;
mod demo;
mod exchange;
mod file;
mod file_client;
mod file_users;
mod grant_types;
mod reader;
mod tables;
mod user;

use std::{collections::BTreeMap, path::Path, time::Duration};

pub use auth_method::AuthMethod;
pub use client::Client;
pub use client_keys::{ASSERTION_ALGORITHM_NAMES, ASSERTION_ALGORITHMS, ClientKeys};
pub use client_tls::{CertificateSource, ClientTls};
pub use exchange::{Exchange, ExchangeMode, TrustedIssuer};
pub(crate) use grant_types::grant_types;
pub use grant_types::{GrantKind, GrantType};
use kit::config::{Addresses, Problems};
use oauth_types::Scope;
use serde::Deserialize;
pub use user::User;

use crate::passwords::typed;

/// The built-in configuration.
pub const DEFAULT: &str = include_str!("default.toml");

/// Scopes that belong to no resource (OIDC Core §5.4, §11).
pub const IDENTITY_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The configuration file.
#[derive(Debug)]
pub struct Settings {
    /// Lifetimes.
    pub lifetimes: Lifetimes,
    /// Limits of failed sign-ins.
    pub limits: SignInLimits,
    resources: Vec<Resource>,
    clients: BTreeMap<String, Client>,
    /// Allowed token exchanges.
    pub exchanges: Vec<Exchange>,
    trusted_issuers: Vec<TrustedIssuer>,
    users: Vec<User>,
}

/// Lifetimes.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// Access tokens.
    pub access_token: Duration,
    /// ID tokens.
    pub id_token: Duration,
    /// Authorization codes; at most 60 s.
    pub code: Duration,
    /// Pushed requests, until the sign-in page is opened.
    pub pushed_request: Duration,
    /// From the first page to the code.
    pub sign_in: Duration,
    /// Login sessions.
    pub idp_session: Duration,
    /// Refresh tokens, rotation included.
    pub refresh_token: Duration,
    /// How long a used refresh token still gets its successor (the grace period).
    pub refresh_grace: Duration,
    /// The longest lifetime of a client assertion.
    pub client_assertion: Duration,
}

impl Lifetimes {
    /// The longest lifetime of a record: a session, or a grant with its last access
    /// token.
    pub fn longest_record(&self) -> Duration {
        self.idp_session.max(self.refresh_token) + self.access_token
    }
}

/// Limits of failed sign-ins.
#[derive(Clone, Debug)]
pub struct SignInLimits {
    /// Failures of a pair of user and address, before attempts have to wait.
    pub per_user_and_address: u64,
    /// Failures of an address, before attempts have to wait.
    pub per_address: u64,
    /// Failures of a user over all addresses, before attempts are delayed.
    pub per_user: u64,
    /// How long failures count.
    pub remembered: Duration,
    /// The longest wait between two attempts.
    pub longest_wait: Duration,
    /// The longest delay of an attempt.
    pub longest_delay: Duration,
}

/// The form of the access tokens for a resource server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenFormat {
    /// A JWT (RFC 9068), which the resource server can verify itself.
    #[default]
    Jwt,
    /// A random text, about which the resource server asks (RFC 7662).
    Opaque,
}

/// A resource server.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its audience (RFC 8707: its resource identifier).
    pub audience: String,
    /// Its title on the consent page.
    pub title: String,
    /// The one client that may exchange its tokens (RFC 8693 §4.4); none: those that a
    /// policy allows.
    pub may_act: Option<String>,
    /// The form of its access tokens.
    pub token_format: TokenFormat,
    /// Its scopes, each with its text on the consent page.
    pub scopes: BTreeMap<String, String>,
}

impl Settings {
    /// Reads `text` (called `name` in errors).
    pub fn parse(
        name: &str,
        text: &str,
        addresses: &Addresses,
        state_dir: Option<&Path>,
    ) -> Result<Self, Problems> {
        file::parse(name, &addresses.fill(text), state_dir)
    }

    /// The client `client_id`.
    pub fn client(&self, client_id: &str) -> Option<&Client> {
        self.clients.get(client_id)
    }

    /// Sets the keys of `client_id`.
    pub fn give_keys(&mut self, client_id: &str, jwks: serde_json::Value) {
        if let Some(client) = self.clients.get_mut(client_id) {
            client.keys = Some(ClientKeys::Inline(jwks));
        }
    }

    /// All clients.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.values()
    }

    /// Other issuers whose tokens may be exchanged.
    pub fn trusted_issuers(&self) -> &[TrustedIssuer] {
        &self.trusted_issuers
    }

    /// The trusted issuer of this name.
    pub fn trusted_issuer(&self, issuer: &str) -> Option<&TrustedIssuer> {
        let mut all = self.trusted_issuers.iter();
        all.find(|trusted| trusted.issuer == issuer)
    }

    /// Whether `client` may name `user` in an assertion (RFC 7523 §2.1).
    pub fn may_name(&self, client: &Client, user: &User) -> bool {
        let mut named = client.jwt_bearer_users.iter();
        named.any(|named| {
            let named = self.user_by_name_or_sub(named);
            named.is_some_and(|named| named.sub == user.sub)
        })
    }

    /// Whether a policy lets `client` exchange a token of a trusted issuer that is about
    /// `user`.
    pub fn maps(&self, client: &Client, user: &User) -> bool {
        let own = |exchange: &&Exchange| exchange.client == client.client_id;
        let issuers = self.exchanges.iter().filter(own);
        let mut issuers = issuers.filter_map(|own| self.trusted_issuer(own.issuer.as_deref()?));
        issuers.any(|issuer| issuer.users.values().any(|sub| *sub == user.sub))
    }

    /// All resources.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The resource with this audience.
    pub fn resource(&self, audience: &str) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|resource| resource.audience == audience)
    }

    /// Whether access tokens for `audience` are opaque.
    pub fn has_opaque_tokens(&self, audience: &str) -> bool {
        let resource = self.resource(audience);
        resource.is_some_and(|resource| resource.token_format == TokenFormat::Opaque)
    }

    /// The part of `scope` that belongs to `audience`.
    pub fn scope_at(&self, scope: &Scope, audience: &str) -> Scope {
        self.resource(audience)
            .map(|resource| scope.filter(|token| resource.scopes.contains_key(token)))
            .unwrap_or_default()
    }

    /// Whether `client` may request the scope `token`.
    pub fn allows(&self, client: &Client, token: &str) -> bool {
        if IDENTITY_SCOPES.contains(&token) {
            return client.signs_users_in();
        }
        let own = client.audiences.iter();
        let mut resources = own.filter_map(|audience| self.resource(audience));
        resources.any(|resource| resource.scopes.contains_key(token))
    }

    /// Every scope that `client` may request.
    pub fn scopes_of(&self, client: &Client) -> Scope {
        let identity = IDENTITY_SCOPES
            .into_iter()
            .filter(|_| client.signs_users_in());
        let resources = client
            .audiences
            .iter()
            .filter_map(|audience| self.resource(audience));
        identity
            .chain(resources.flat_map(|resource| resource.scopes.keys().map(String::as_str)))
            .collect()
    }

    /// The user with this `sub`.
    pub fn user(&self, sub: &str) -> Option<&User> {
        self.users.iter().find(|user| user.sub == sub)
    }

    /// The user with this name as it was typed.
    pub fn user_named(&self, typed: &str) -> Option<&User> {
        let name = typed::user_name(typed).ok()?;
        self.user_of_prepared_name(&name)
    }

    /// The user with this prepared name (RFC 8265).
    pub fn user_of_prepared_name(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username == name)
    }

    /// The user with this name or `sub`.
    pub fn user_by_name_or_sub(&self, name_or_sub: &str) -> Option<&User> {
        self.user_named(name_or_sub)
            .or_else(|| self.user(name_or_sub))
    }

    /// All users.
    pub fn users(&self) -> &[User] {
        &self.users
    }
}

#[cfg(test)]
mod tests;
