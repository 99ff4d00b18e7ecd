//! What the provider knows, from one TOML file: typed, and refused with every
//! error at once.

mod bounds;
mod client;
mod client_keys;
mod demo;
mod file;
mod file_client;
mod file_users;
mod tables;
mod user;

use std::{collections::BTreeMap, path::Path, time::Duration};

pub use client::{AuthMethod, Client, GrantType};
pub use client_keys::ClientKeys;
use kit::config::{Addresses, Problems};
use oauth_types::Scope;
pub use user::User;

use crate::passwords::typed;

/// The built-in configuration.
pub const DEFAULT: &str = include_str!("default.toml");

/// Scopes that belong to no resource (OIDC Core §5.4, §11).
pub const IDENTITY_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// All of it.
#[derive(Debug)]
pub struct Settings {
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// When sign-in is slowed.
    pub limits: SignInLimits,
    resources: Vec<Resource>,
    clients: BTreeMap<String, Client>,
    /// Who may exchange what into what.
    pub exchanges: Vec<Exchange>,
    users: Vec<User>,
}

/// How long things last.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// Access tokens.
    pub access_token: Duration,
    /// ID tokens.
    pub id_token: Duration,
    /// Authorization codes; at most 60 s.
    pub code: Duration,
    /// Pushed requests, until their page is opened.
    pub pushed_request: Duration,
    /// From the first page to the code.
    pub sign_in: Duration,
    /// The browser's session here.
    pub idp_session: Duration,
    /// Refresh tokens, rotation included.
    pub refresh_token: Duration,
    /// How long a used refresh token still gets its successor.
    pub refresh_grace: Duration,
    /// How far ahead a client's assertion may end.
    pub client_assertion: Duration,
}

impl Lifetimes {
    /// How long the longest of the provider's records lasts: a session, or a grant
    /// with its last access token.
    pub fn longest_record(&self) -> Duration {
        self.idp_session.max(self.refresh_token) + self.access_token
    }
}

/// When sign-in is slowed.
#[derive(Clone, Debug)]
pub struct SignInLimits {
    /// From this failure on, for a pair of user and address.
    pub per_user_and_address: u64,
    /// From this failure on, for an address alone.
    pub per_address: u64,
    /// From this failure on, for a user over all addresses: tries are delayed.
    pub per_user: u64,
    /// How long failures count.
    pub remembered: Duration,
    /// The longest wait between two tries.
    pub longest_wait: Duration,
    /// The longest delay of a try.
    pub longest_delay: Duration,
}

/// Who takes access tokens.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its audience (RFC 8707: its resource identifier).
    pub audience: String,
    /// What the consent page calls it.
    pub title: String,
    /// Its scopes, each with what the consent page says of it.
    pub scopes: BTreeMap<String, String>,
}

/// One allowed exchange (RFC 8693).
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The client that may do it.
    pub client: String,
    /// The audience of the subject token.
    pub from: String,
    /// The audience of the result.
    pub to: String,
    /// What each scope becomes.
    pub scopes: BTreeMap<String, Scope>,
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

    /// Lets `client_id` authenticate by these keys.
    pub fn give_keys(&mut self, client_id: &str, jwks: serde_json::Value) {
        if let Some(client) = self.clients.get_mut(client_id) {
            client.keys = Some(ClientKeys::Inline(jwks));
        }
    }

    /// All clients.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.values()
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

    /// The part of `scope` that belongs to `audience`.
    pub fn scope_at(&self, scope: &Scope, audience: &str) -> Scope {
        self.resource(audience)
            .map(|resource| scope.filter(|token| resource.scopes.contains_key(token)))
            .unwrap_or_default()
    }

    /// Whether `client` may ask for the scope `token`.
    pub fn allows(&self, client: &Client, token: &str) -> bool {
        if IDENTITY_SCOPES.contains(&token) {
            return client.may(GrantType::AuthorizationCode);
        }
        let own = client.audiences.iter();
        let mut resources = own.filter_map(|audience| self.resource(audience));
        resources.any(|resource| resource.scopes.contains_key(token))
    }

    /// Every scope that `client` may ask for.
    pub fn scopes_of(&self, client: &Client) -> Scope {
        let identity = IDENTITY_SCOPES
            .into_iter()
            .filter(|_| client.may(GrantType::AuthorizationCode));
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

    /// The user with this name, however it was typed.
    pub fn user_named(&self, typed: &str) -> Option<&User> {
        let name = typed::user_name(typed).ok()?;
        self.user_of_that_name(&name)
    }

    /// The user with this name, as names are compared.
    pub fn user_of_that_name(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username == name)
    }

    /// The user whom an operator calls so: by name, or by `sub`.
    pub fn user_called(&self, name_or_sub: &str) -> Option<&User> {
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
