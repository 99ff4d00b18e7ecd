//! The policies of token exchange (RFC 8693), and the other issuers whose tokens it
//! accepts.

use std::collections::BTreeMap;

use oauth_types::Scope;

use super::{
    ClientKeys, Resource, User,
    bounds::{MAX_AUDIENCE, MAX_SUB},
    reader::Reader,
    tables::{ExchangeTable, TrustedIssuerTable},
};

/// The longest chain of actors that a policy may allow. Each actor takes up to 150
/// bytes of the token.
const MAX_ACTORS: usize = 4;
/// The most users that one issuer's subjects are mapped to.
const MAX_MAPPED: usize = 1000;

/// One allowed exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The client that may do it.
    pub client: String,
    /// The issuer of the subject token; none: this provider.
    pub issuer: Option<String>,
    /// The audience of the subject token.
    pub from: String,
    /// The audience of the new token.
    pub to: String,
    /// Whether the subject token must have been issued to the client itself.
    pub own_tokens: bool,
    /// Whether the new token names the actor.
    pub mode: ExchangeMode,
    /// Who may act: clients by their id, users by their `sub`.
    pub actors: Vec<String>,
    /// The most actors in the new token, prior ones included.
    pub max_actors: usize,
    /// The resulting scope for each scope of the subject token.
    pub scopes: BTreeMap<String, Scope>,
}

impl Exchange {
    /// The scope that a token with `scope` gets. What another issuer's scopes are worth
    /// counts here as given: only that issuer's token says which of them it has.
    pub fn given(&self, scope: &Scope) -> Scope {
        let is_foreign = self.issuer.is_some();
        self.mapped(|from| is_foreign || scope.contains(from))
    }

    /// The scope that a token gets which `has` the scopes that this policy maps.
    pub fn mapped(&self, has: impl Fn(&str) -> bool) -> Scope {
        let given = self.scopes.iter().filter(|(from, _)| has(from));
        given.fold(Scope::empty(), |all, (_, to)| all.union(to))
    }
}

/// RFC 8693 §1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeMode {
    /// The new token names the actor in `act`.
    Delegation,
    /// The new token is as if the subject had got it: it has no `act`.
    Impersonation,
}

impl ExchangeMode {
    fn named(name: &str) -> Option<Self> {
        match name {
            "delegation" => Some(Self::Delegation),
            "impersonation" => Some(Self::Impersonation),
            _ => None,
        }
    }
}

/// Another issuer whose tokens may be exchanged.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// The address at which its discovery document is fetched.
    pub reached_at: String,
    /// Its keys, if they are configured and not fetched.
    pub keys: Option<ClientKeys>,
    /// The `sub` of a user here, by the issuer's `sub`.
    pub users: BTreeMap<String, String>,
}

/// What the tables of exchanges refer to.
pub(super) struct Known<'a> {
    pub(super) client_ids: &'a [String],
    pub(super) resources: &'a [Resource],
    pub(super) users: &'a [User],
    pub(super) issuers: &'a [TrustedIssuer],
}

impl Known<'_> {
    fn resource(&self, audience: &str) -> Option<&Resource> {
        let mut all = self.resources.iter();
        all.find(|resource| resource.audience == audience)
    }

    fn user(&self, name_or_sub: &str) -> Option<&User> {
        let mut all = self.users.iter();
        all.find(|user| user.username == name_or_sub || user.sub == name_or_sub)
    }

    fn is_client(&self, id: &str) -> bool {
        self.client_ids.iter().any(|client_id| client_id == id)
    }
}

impl Reader<'_> {
    pub(super) fn exchanges(
        &mut self,
        tables: Vec<ExchangeTable>,
        known: &Known<'_>,
    ) -> Vec<Exchange> {
        let tables = tables.into_iter().enumerate();
        let exchanges = tables.map(|(at, table)| self.exchange(at, table, known));
        exchanges.collect()
    }

    fn exchange(&mut self, at: usize, table: ExchangeTable, known: &Known<'_>) -> Exchange {
        let key = |field: &str| format!("exchanges[{at}].{field}");
        let not_configured =
            |what: &str, name: &str| format!("{name:?} is not a configured {what}");
        if !known.is_client(&table.client) {
            self.wrong(key("client"), not_configured("client", &table.client));
        }
        match &table.issuer {
            Some(issuer) if !known.issuers.iter().any(|one| one.issuer == *issuer) => {
                self.wrong(key("issuer"), not_configured("trusted issuer", issuer));
            }
            Some(_) => self.bounded(key("from"), &table.from, MAX_AUDIENCE),
            None if known.resource(&table.from).is_none() => {
                self.wrong(key("from"), not_configured("resource", &table.from));
            }
            None => {}
        }
        if known.resource(&table.to).is_none() {
            self.wrong(key("to"), not_configured("resource", &table.to));
        }
        self.exchanged_scopes(&key("scopes"), &table, known);
        let mode = ExchangeMode::named(&table.mode);
        if mode.is_none() {
            self.wrong(key("mode"), "delegation or impersonation");
        }
        if table.own_tokens && table.issuer.is_some() {
            self.wrong(
                key("own_tokens"),
                "another issuer has no clients of this provider",
            );
        }
        if !(1..=MAX_ACTORS).contains(&table.max_actors) {
            self.wrong(key("max_actors"), format_args!("from 1 to {MAX_ACTORS}"));
        }
        let actors = self.actors(&key("actors"), &table, known);
        let scopes = table.scopes.into_iter();
        Exchange {
            client: table.client,
            issuer: table.issuer,
            from: table.from,
            to: table.to,
            own_tokens: table.own_tokens,
            mode: mode.unwrap_or(ExchangeMode::Delegation),
            actors,
            max_actors: table.max_actors,
            scopes: scopes
                .map(|(from, to)| (from, to.into_iter().collect()))
                .collect(),
        }
    }

    /// The client itself unless others are named.
    fn actors(&mut self, key: &str, table: &ExchangeTable, known: &Known<'_>) -> Vec<String> {
        let Some(named) = &table.actors else {
            return vec![table.client.clone()];
        };
        self.named(key, named, |name| {
            if known.is_client(name) {
                return Some(name.to_owned());
            }
            known.user(name).map(|user| user.sub.clone())
        })
    }

    /// Each scope belongs to its resource. Those of another issuer are not known here.
    fn exchanged_scopes(&mut self, key: &str, table: &ExchangeTable, known: &Known<'_>) {
        let from = known.resource(&table.from);
        let from = from.filter(|_| table.issuer.is_none());
        let asked = table.scopes.keys().map(|scope| (from, scope));
        let to = known.resource(&table.to);
        let given = table.scopes.values().flatten().map(|scope| (to, scope));
        for (resource, scope) in asked.chain(given) {
            if resource.is_some_and(|resource| !resource.scopes.contains_key(scope)) {
                self.wrong(
                    key,
                    format_args!("{scope:?} is not a scope of that resource"),
                );
            }
        }
    }

    pub(super) fn trusted_issuers(
        &mut self,
        tables: Vec<TrustedIssuerTable>,
        users: &[User],
    ) -> Vec<TrustedIssuer> {
        let mut issuers = Vec::new();
        for (at, table) in tables.into_iter().enumerate() {
            let key = |field: &str| format!("trusted_issuers[{at}].{field}");
            let named = |field: &str| format!("{}: {}", self.file, key(field));
            self.problems.issuer(&named("issuer"), &table.issuer);
            if let Some(url) = &table.internal_url {
                self.problems.http_url(&named("internal_url"), url);
            }
            if table.users.len() > MAX_MAPPED {
                let count = table.users.len();
                self.wrong(
                    key("users"),
                    format_args!("{count} users, at most {MAX_MAPPED}"),
                );
            }
            let mut mapped = BTreeMap::new();
            for (theirs, ours) in table.users {
                self.bounded(key("users"), &theirs, MAX_SUB);
                let user = users
                    .iter()
                    .find(|user| user.username == ours || user.sub == ours);
                match user {
                    Some(user) => drop(mapped.insert(theirs, user.sub.clone())),
                    None => self.wrong(key("users"), format_args!("{ours:?} is not a user")),
                }
            }
            let keys = self.keys(key, table.jwks, table.jwks_file.as_deref());
            let reached_at = table.internal_url.unwrap_or_else(|| table.issuer.clone());
            issuers.push(TrustedIssuer {
                reached_at,
                issuer: table.issuer,
                keys,
                users: mapped,
            });
        }
        self.unique("trusted_issuers", issuers.iter().map(|one| &one.issuer));
        issuers
    }

    /// A resource's `may_act` names a client.
    pub(super) fn may_act(&mut self, resources: &[Resource], client_ids: &[String]) {
        for (at, resource) in resources.iter().enumerate() {
            let Some(actor) = &resource.may_act else {
                continue;
            };
            if !client_ids.contains(actor) {
                let key = format_args!("resources[{at}].may_act");
                self.wrong(key, format_args!("{actor:?} is not a configured client"));
            }
        }
    }

    /// RFC 9700 §4.15: nobody may take a client for a user.
    pub(super) fn distinct_subjects(&mut self, users: &[User], client_ids: &[String]) {
        for user in users.iter().filter(|user| client_ids.contains(&user.sub)) {
            let what = "also the id of a client (RFC 9700 section 4.15)";
            self.wrong(format_args!("users[{}].sub", user.username), what);
        }
    }
}

#[cfg(test)]
mod tests;
