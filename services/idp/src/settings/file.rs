//! Reads [`Settings`] from the TOML file, and reports every error at once.

use std::{collections::BTreeMap, path::Path, time::Duration};

use kit::config::Problems;

use super::{
    Lifetimes, Resource, Settings, SignInLimits,
    bounds::{MAX_AUDIENCE, MAX_SCOPES_TOGETHER},
    exchange::Known,
    reader::Reader,
    tables::{ConfigFile, LimitsTable},
};

/// RFC 6749 §4.1.2 and FAPI 2.0: a code is short-lived.
const MAX_CODE_LIFE: Duration = Duration::from_secs(60);
/// The default: as long as assertions of libraries without a setting for it.
const CLIENT_ASSERTION: Duration = Duration::from_secs(3600);
/// The `jti` of each assertion is stored as long.
const MAX_CLIENT_ASSERTION: Duration = Duration::from_secs(24 * 3600);
/// The longest delay of a sign-in, for which its browser waits.
const MAX_DELAY: Duration = Duration::from_secs(30);

pub(super) fn parse(
    name: &str,
    text: &str,
    state_dir: Option<&Path>,
) -> Result<Settings, Problems> {
    let mut reader = Reader {
        file: name,
        state_dir,
        problems: Problems::new(),
    };
    let Some(file) = reader.tables::<ConfigFile>(text) else {
        return Err(reader.problems);
    };
    let lifetimes = reader.lifetimes(&file.lifetimes);
    let limits = reader.limits(&file.sign_in_limits);
    let resources: Vec<_> = file.resources.into_iter().map(Resource::from).collect();
    reader.bounds(&resources);
    let client_ids: Vec<_> = file
        .clients
        .iter()
        .map(|table| table.client_id.clone())
        .collect();
    let clients: Vec<_> = file
        .clients
        .into_iter()
        .filter_map(|table| reader.client(table, &resources))
        .collect();
    let users = reader.users(file.users, file.users_file.as_deref());
    reader.costs(&users);
    reader.may_act(&resources, &client_ids);
    reader.distinct_subjects(&users, &client_ids);
    let trusted_issuers = reader.trusted_issuers(file.trusted_issuers, &users);
    let known = Known {
        client_ids: &client_ids,
        resources: &resources,
        users: &users,
        issuers: &trusted_issuers,
    };
    let exchanges = reader.exchanges(file.exchanges, &known);
    reader.unique("clients", clients.iter().map(|client| &client.client_id));
    reader.unique("users (sub)", users.iter().map(|user| &user.sub));
    reader.unique("users (username)", users.iter().map(|user| &user.username));
    let clients = clients
        .into_iter()
        .map(|client| (client.client_id.clone(), client))
        .collect();
    match (lifetimes, limits) {
        (Some(lifetimes), Some(limits)) => reader.problems.into_result(Settings {
            lifetimes,
            limits,
            resources,
            clients,
            exchanges,
            trusted_issuers,
            users,
        }),
        _ => Err(reader.problems),
    }
}

impl Reader<'_> {
    fn lifetimes(&mut self, table: &BTreeMap<String, String>) -> Option<Lifetimes> {
        const KEYS: [&str; 8] = [
            "access_token",
            "id_token",
            "code",
            "pushed_request",
            "sign_in",
            "idp_session",
            "refresh_token",
            "refresh_grace",
        ];
        const CLIENT_ASSERTION_KEY: &str = "client_assertion";
        let is_known = |key: &str| KEYS.contains(&key) || key == CLIENT_ASSERTION_KEY;
        for key in table.keys().filter(|key| !is_known(key)) {
            self.wrong(format_args!("lifetimes.{key}"), "unknown lifetime");
        }
        let read = KEYS.map(|key| {
            let named = format!("lifetimes.{key}");
            if let Some(text) = table.get(key) {
                return self.duration(&named, text);
            }
            self.wrong(named, "missing");
            None
        });
        if read[2].is_some_and(|code| code > MAX_CODE_LIFE) {
            self.wrong("lifetimes.code", "at most 60s");
        }
        let client_assertion = match table.get(CLIENT_ASSERTION_KEY) {
            Some(text) => self.duration("lifetimes.client_assertion", text),
            None => Some(CLIENT_ASSERTION),
        };
        if client_assertion.is_some_and(|life| life > MAX_CLIENT_ASSERTION) {
            self.wrong("lifetimes.client_assertion", "at most 24h");
        }
        let [
            access_token,
            id_token,
            code,
            pushed_request,
            sign_in,
            idp_session,
            refresh_token,
            refresh_grace,
        ] = read;
        Some(Lifetimes {
            access_token: access_token?,
            id_token: id_token?,
            code: code?,
            pushed_request: pushed_request?,
            sign_in: sign_in?,
            idp_session: idp_session?,
            refresh_token: refresh_token?,
            refresh_grace: refresh_grace?,
            client_assertion: client_assertion?,
        })
    }

    fn limits(&mut self, table: &LimitsTable) -> Option<SignInLimits> {
        let limits = [
            table.per_user_and_address,
            table.per_address,
            table.per_user,
        ];
        if limits.contains(&0) {
            self.wrong("sign_in_limits", "a limit is at least 1");
        }
        let remembered = self.duration("sign_in_limits.remembered", &table.remembered);
        let longest_wait = self.duration("sign_in_limits.longest_wait", &table.longest_wait);
        let longest_delay = self.duration("sign_in_limits.longest_delay", &table.longest_delay);
        if longest_delay.is_some_and(|delay| delay > MAX_DELAY) {
            self.wrong("sign_in_limits.longest_delay", "at most 30s");
        }
        Some(SignInLimits {
            per_user_and_address: table.per_user_and_address,
            per_address: table.per_address,
            per_user: table.per_user,
            remembered: remembered?,
            longest_wait: longest_wait?,
            longest_delay: longest_delay?,
        })
    }

    fn bounds(&mut self, resources: &[Resource]) {
        for (at, resource) in resources.iter().enumerate() {
            let audience = &resource.audience;
            self.bounded(
                format_args!("resources[{at}].audience"),
                audience,
                MAX_AUDIENCE,
            );
            let scopes: Vec<_> = resource.scopes.keys().map(String::as_str).collect();
            let key = format_args!("resources[{at}].scopes");
            self.bounded(key, &scopes.join(" "), MAX_SCOPES_TOGETHER);
        }
    }
}
