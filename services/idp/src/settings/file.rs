//! The TOML file as it is written, and the way from there to [`Settings`].

use std::{collections::BTreeMap, path::Path, path::PathBuf, time::Duration};

use jsonwebtoken::jwk::JwkSet;
use kit::config::{Problems, parse_duration};
use oauth_types::Scope;
use serde::Deserialize;

use super::{
    AuthMethod, Client, ClientKeys, Exchange, GrantType, Lifetimes, Resource, Settings,
    SignInLimits, User,
};

/// RFC 6749 §4.1.2 and FAPI 2.0: a code is short-lived.
const MAX_CODE_LIFE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    lifetimes: BTreeMap<String, String>,
    sign_in_limits: LimitsTable,
    #[serde(default)]
    resources: Vec<ResourceTable>,
    #[serde(default)]
    clients: Vec<ClientTable>,
    #[serde(default)]
    exchanges: Vec<ExchangeTable>,
    #[serde(default)]
    users: Vec<UserTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    per_user_and_address: u64,
    per_address: u64,
    remembered: String,
    longest_wait: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceTable {
    audience: String,
    title: String,
    scopes: BTreeMap<String, String>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientTable {
    client_id: String,
    name: String,
    #[serde(default)]
    first_party: bool,
    auth: Vec<String>,
    secret: Option<String>,
    secret_file: Option<PathBuf>,
    jwks_file: Option<PathBuf>,
    jwks: Option<serde_json::Value>,
    grants: Vec<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default = "yes")]
    require_pkce: bool,
    #[serde(default)]
    rotate_refresh_tokens: bool,
    #[serde(default)]
    refresh_ends_with_session: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeTable {
    client: String,
    from: String,
    to: String,
    scopes: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    sub: String,
    username: String,
    name: String,
    email: String,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default = "yes")]
    enabled: bool,
    password_hash: String,
}

const fn yes() -> bool {
    true
}

/// Collects what is wrong, each with the file's name and the key.
struct Reader<'a> {
    file: &'a str,
    state_dir: Option<&'a Path>,
    problems: Problems,
}

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
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            // The line's number and not its text: there may be a secret in it.
            let before = error.span().map_or(0, |span| span.start);
            let line = text[..before.min(text.len())].matches('\n').count() + 1;
            let name = format_args!("{name}, line {line}");
            reader
                .problems
                .add(name, error.message().replace('\n', " "));
            return Err(reader.problems);
        }
    };
    let lifetimes = reader.lifetimes(&file.lifetimes);
    let limits = reader.limits(&file.sign_in_limits);
    let resources: Vec<_> = file.resources.into_iter().map(Resource::from).collect();
    let named: Vec<_> = file
        .clients
        .iter()
        .map(|table| table.client_id.clone())
        .collect();
    let clients: Vec<_> = file
        .clients
        .into_iter()
        .filter_map(|table| reader.client(table, &resources))
        .collect();
    let users: Vec<_> = file
        .users
        .into_iter()
        .filter_map(|table| reader.user(table))
        .collect();
    let known = |id: &str| named.iter().any(|client_id| client_id == id);
    let exchanges = reader.exchanges(file.exchanges, known, &resources);
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
            users,
        }),
        _ => Err(reader.problems),
    }
}

impl From<ResourceTable> for Resource {
    fn from(table: ResourceTable) -> Self {
        Self {
            audience: table.audience,
            title: table.title,
            scopes: table.scopes,
        }
    }
}

impl Reader<'_> {
    fn wrong(&mut self, key: impl std::fmt::Display, what: impl std::fmt::Display) {
        self.problems
            .add(format_args!("{}: {key}", self.file), what);
    }

    fn duration(&mut self, key: &str, text: &str) -> Option<Duration> {
        match parse_duration(text) {
            Ok(length) if length >= Duration::from_secs(1) => Some(length),
            Ok(_) => {
                self.wrong(key, "at least 1s");
                None
            }
            Err(what) => {
                self.wrong(key, what);
                None
            }
        }
    }

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
        for key in table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.wrong(format_args!("lifetimes.{key}"), "no such lifetime");
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
        })
    }

    fn limits(&mut self, table: &LimitsTable) -> Option<SignInLimits> {
        if table.per_user_and_address == 0 || table.per_address == 0 {
            self.wrong("sign_in_limits", "a limit is at least 1");
        }
        let remembered = self.duration("sign_in_limits.remembered", &table.remembered);
        let longest_wait = self.duration("sign_in_limits.longest_wait", &table.longest_wait);
        Some(SignInLimits {
            per_user_and_address: table.per_user_and_address,
            per_address: table.per_address,
            remembered: remembered?,
            longest_wait: longest_wait?,
        })
    }

    fn client(&mut self, table: ClientTable, resources: &[Resource]) -> Option<Client> {
        let key = |field: &str| format!("clients[{}].{field}", table.client_id);
        let before = self.problems.lines().len();
        let auth = self.named(&key("auth"), &table.auth, |name| {
            AuthMethod::ALL
                .into_iter()
                .find(|method| method.as_str() == name)
        });
        let grants = self.named(&key("grants"), &table.grants, GrantType::named);
        for uri in &table.redirect_uris {
            if let Err(what) = check_redirect_uri(uri) {
                self.wrong(key("redirect_uris"), format_args!("{uri:?}: {what}"));
            }
        }
        for audience in &table.audiences {
            if !resources
                .iter()
                .any(|resource| resource.audience == *audience)
            {
                self.wrong(
                    key("audiences"),
                    format_args!("{audience:?} is no resource"),
                );
            }
        }
        if grants.contains(&GrantType::AuthorizationCode) && table.redirect_uris.is_empty() {
            self.wrong(
                key("redirect_uris"),
                "the authorization_code grant needs one",
            );
        }
        let secret_key = format!("{}: {}", self.file, key("secret"));
        let secret = self.problems.secret(
            &secret_key,
            table.secret.as_deref(),
            table.secret_file.as_deref(),
        );
        let uses_secret = auth
            .iter()
            .any(|m| matches!(m, AuthMethod::Basic | AuthMethod::Post));
        if uses_secret && secret.is_none() {
            self.wrong(key("secret"), "missing; or give secret_file");
        }
        let is_set = |jwks| serde_json::from_value::<JwkSet>(jwks).is_ok();
        if table.jwks.clone().is_some_and(|jwks| !is_set(jwks)) {
            self.wrong(key("jwks"), "not a JWKS (RFC 7517)");
        }
        if table.jwks.is_some() && table.jwks_file.is_some() {
            self.wrong(key("jwks"), "given twice: jwks and jwks_file");
        }
        let keys = match (table.jwks, table.jwks_file) {
            (Some(jwks), _) => Some(ClientKeys::Inline(jwks)),
            (None, Some(file)) => Some(ClientKeys::File(
                self.state_dir.map_or(file.clone(), |dir| dir.join(&file)),
            )),
            (None, None) => None,
        };
        if auth.contains(&AuthMethod::PrivateKeyJwt) && keys.is_none() {
            self.wrong(key("jwks_file"), "private_key_jwt needs jwks or jwks_file");
        }
        if auth.contains(&AuthMethod::None) && (auth.len() > 1 || !table.require_pkce) {
            self.wrong(
                key("auth"),
                "a public client (none) has no other method, and PKCE always",
            );
        }
        if auth.contains(&AuthMethod::None) {
            let own = |grant: &GrantType| {
                matches!(
                    grant,
                    GrantType::ClientCredentials | GrantType::TokenExchange
                )
            };
            if grants.iter().any(own) {
                self.wrong(
                    key("grants"),
                    "a public client cannot act as itself (RFC 6749 section 4.4)",
                );
            }
            if grants.contains(&GrantType::RefreshToken) && !table.rotate_refresh_tokens {
                self.wrong(
                    key("rotate_refresh_tokens"),
                    "a public client's refresh tokens rotate (RFC 9700 section 4.14.2)",
                );
            }
        }
        let client = Client {
            client_id: table.client_id,
            name: table.name,
            first_party: table.first_party,
            auth,
            secret,
            keys,
            grants,
            redirect_uris: table.redirect_uris,
            audiences: table.audiences,
            require_pkce: table.require_pkce,
            rotate_refresh_tokens: table.rotate_refresh_tokens,
            refresh_ends_with_session: table.refresh_ends_with_session,
        };
        (self.problems.lines().len() == before).then_some(client)
    }

    fn named<T>(
        &mut self,
        key: &str,
        names: &[String],
        find: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for name in names {
            match find(name) {
                Some(value) => found.push(value),
                None => self.wrong(key, format_args!("{name:?} is not known")),
            }
        }
        if names.is_empty() {
            self.wrong(key, "at least one");
        }
        found
    }

    fn exchanges(
        &mut self,
        tables: Vec<ExchangeTable>,
        is_client: impl Fn(&str) -> bool,
        resources: &[Resource],
    ) -> Vec<Exchange> {
        let find = |audience: &str| resources.iter().find(|r| r.audience == audience);
        let mut exchanges = Vec::new();
        for (at, table) in tables.into_iter().enumerate() {
            let key = |field: &str| format!("exchanges[{at}].{field}");
            if !is_client(&table.client) {
                self.wrong(
                    key("client"),
                    format_args!("{:?} is no client", table.client),
                );
            }
            let (Some(from), Some(to)) = (find(&table.from), find(&table.to)) else {
                self.wrong(key("from"), "from and to must be resources");
                continue;
            };
            for (asked, given) in &table.scopes {
                let unknown = given.iter().find(|scope| !to.scopes.contains_key(*scope));
                let unknown = unknown.or((!from.scopes.contains_key(asked)).then_some(asked));
                if let Some(scope) = unknown {
                    self.wrong(key("scopes"), format_args!("{scope:?} is no scope there"));
                }
            }
            let scopes = table
                .scopes
                .into_iter()
                .map(|(from, to)| (from, to.into_iter().collect::<Scope>()));
            exchanges.push(Exchange {
                client: table.client,
                from: table.from,
                to: table.to,
                scopes: scopes.collect(),
            });
        }
        exchanges
    }

    fn user(&mut self, table: UserTable) -> Option<User> {
        let key = |field: &str| format!("users[{}].{field}", table.username);
        let before = self.problems.lines().len();
        if !crate::passwords::is_argon2id(&table.password_hash) {
            self.wrong(
                key("password_hash"),
                "an Argon2id hash in PHC format is expected",
            );
        }
        if table.sub.is_empty() || table.sub.len() > 255 || !table.sub.is_ascii() {
            self.wrong(key("sub"), "1 to 255 ASCII characters (OIDC Core §2)");
        }
        if table.username.trim().is_empty() {
            self.wrong(key("username"), "a name is expected");
        }
        let user = User {
            sub: table.sub,
            username: table.username,
            name: table.name,
            email: table.email,
            email_verified: table.email_verified,
            roles: table.roles,
            enabled: table.enabled,
            password_hash: table.password_hash,
        };
        (self.problems.lines().len() == before).then_some(user)
    }

    fn unique<'s>(&mut self, key: &str, ids: impl Iterator<Item = &'s String>) {
        let mut seen = std::collections::BTreeSet::new();
        for id in ids {
            if !seen.insert(id) {
                self.wrong(key, format_args!("{id:?} is there twice"));
            }
        }
    }
}

/// RFC 6749 §3.1.2: absolute, no fragment; https, or http on loopback
/// (RFC 8252 §8.3).
fn check_redirect_uri(text: &str) -> Result<(), &'static str> {
    let url: url::Url = text
        .parse()
        .map_err(|_| "an absolute address is expected")?;
    if url.fragment().is_some() {
        return Err("no fragment (RFC 6749 §3.1.2)");
    }
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err("an absolute address is expected"),
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        _ => Err("https, or http on loopback"),
    }
}
