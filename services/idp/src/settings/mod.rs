//! What the provider knows, from one TOML file: typed, and refused with every
//! error at once.

mod client;
mod file;
mod file_client;
mod file_users;
mod tables;
mod user;

use std::{collections::BTreeMap, path::Path, time::Duration};

pub use client::{AuthMethod, Client, ClientKeys, GrantType};
use kit::config::{Addresses, Problems};
use oauth_types::Scope;
pub use user::User;

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
    /// How long failures count.
    pub remembered: Duration,
    /// The longest wait between two tries.
    pub longest_wait: Duration,
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

    /// The user with this name.
    pub fn user_named(&self, username: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username == username)
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
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, Vec<String>> {
        Settings::parse("test.toml", text, &Addresses::default(), None)
            .map_err(|problems| problems.lines().to_vec())
    }

    #[test]
    fn the_built_in_configuration_is_the_contracts() {
        let settings = parse(DEFAULT).unwrap();
        let app1 = settings.client("app1").unwrap();
        assert_eq!(app1.redirect_uris, ["http://app1.localhost:8082/callback"]);
        assert!(app1.first_party && app1.rotate_refresh_tokens);
        assert!(!settings.client("demo_rp").unwrap().first_party);
        assert_eq!(settings.user_named("alice").unwrap().roles, ["manager"]);
        assert_eq!(settings.lifetimes.access_token, Duration::from_secs(900));
        assert!(
            settings.user_named("carol").is_none(),
            "she needs a second factor"
        );
    }

    #[test]
    fn every_error_is_named_at_once_with_file_and_key() {
        let text = DEFAULT
            .replace("code = \"60s\"", "code = \"61s\"")
            .replace("auth = [\"private_key_jwt\"]", "auth = [\"password\"]")
            .replace(
                "redirect_uris = [\"${app1}/callback\"]",
                "redirect_uris = [\"http://x/#f\"]",
            )
            .replace("client = \"api-1\"", "client = \"nobody\"");
        let errors = parse(&text).unwrap_err();
        let all = errors.join("\n");
        assert_eq!(errors.len(), 4, "{all}");
        assert!(all.contains("test.toml: lifetimes.code: "), "{all}");
        assert!(all.contains("test.toml: clients[app2].auth: "), "{all}");
        assert!(
            all.contains("test.toml: clients[app1].redirect_uris: "),
            "{all}"
        );
        assert!(all.contains("test.toml: exchanges[0].client: "), "{all}");
    }

    #[test]
    fn addresses_for_logout_keep_to_the_rules_of_redirect_uris() {
        let settings = parse(DEFAULT).unwrap();
        let app1 = settings.client("app1").unwrap();
        assert_eq!(
            app1.post_logout_redirect_uris,
            ["http://app1.localhost:8082/"]
        );
        let told_at = app1.backchannel_logout_uri.as_ref().unwrap();
        let uri = "http://app1.localhost:8082/backchannel-logout";
        assert_eq!(told_at.as_str(), uri);
        let text = DEFAULT
            .replace("[\"${app1}/\"]", "[\"http://x.example/\"]")
            .replace("\"${app1}/backchannel-logout\"", "\"https://x/#f\"")
            .replace("backchannel_logout_uri = \"${app2}", "# \"");
        let errors = parse(&text).unwrap_err();
        let all = errors.join("\n");
        assert_eq!(errors.len(), 3, "{all}");
        for key in [
            "clients[app1].post_logout_redirect_uris: ",
            "clients[app1].backchannel_logout_uri: ",
            "clients[app2].backchannel_logout_session_required: ",
        ] {
            assert!(all.contains(key), "{key} in {all}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_never_shows_it() {
        let text = DEFAULT.replace("secret = \"app1-secret\"", "secret = app1-secret");
        let errors = parse(&text).unwrap_err();
        assert!(errors[0].starts_with("test.toml, line "), "{errors:?}");
        assert!(!errors[0].contains("app1-secret"), "{errors:?}");
    }

    #[test]
    fn rfc6749_4_4_a_public_client_cannot_act_as_itself() {
        let text = DEFAULT.replace(
            "auth = [\"client_secret_basic\"]\nsecret = \"batch-secret\"",
            "auth = [\"none\"]",
        );
        let errors = parse(&text).unwrap_err();
        assert!(errors[0].contains("clients[batch].grants"), "{errors:?}");
    }

    /// The built-in configuration without its users, and `users` in a state directory.
    fn with_users_file(users: Option<&str>, more: &str) -> (Result<Settings, String>, String) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("users.toml");
        if let Some(users) = users {
            std::fs::write(&path, users).unwrap();
        }
        let rest = &DEFAULT[..DEFAULT.find("[[users]]").unwrap()];
        let text = format!("users_file = \"users.toml\"\n{rest}{more}");
        let read = Settings::parse("test.toml", &text, &Addresses::default(), Some(home.path()));
        let read = read.map_err(|problems| problems.to_string());
        (read, path.display().to_string())
    }

    #[test]
    fn users_may_be_in_a_file_of_their_own_or_in_both() {
        let users = &DEFAULT[DEFAULT.find("[[users]]").unwrap()..];
        let (alice, bob) = users.split_at(users.rfind("[[users]]").unwrap());
        for (file, here) in [(users, ""), (alice, bob), ("", users)] {
            let settings = with_users_file(Some(file), here).0.unwrap();
            assert_eq!(settings.users().len(), 2);
            assert_eq!(settings.user_named("bob").unwrap().roles, ["clerk"]);
        }
        let twice = with_users_file(Some(users), bob).0.unwrap_err();
        assert!(
            twice.contains("users (username): \"bob\" is there twice"),
            "{twice}"
        );
    }

    #[test]
    fn what_is_wrong_with_the_users_file_is_said_with_its_name_and_beside_all_else() {
        let users = &DEFAULT[DEFAULT.find("[[users]]").unwrap()..];
        let wrong = users
            .replace("$argon2id$", "$argon2i$")
            .replace("u-2b90d4c8e1", "");
        let (read, path) = with_users_file(
            Some(&wrong),
            "[[exchanges]]\nclient = \"x\"\nfrom = \"\"\nto = \"\"\nscopes = {}\n",
        );
        let said = read.unwrap_err();
        for line in [
            "users[alice].password_hash: ",
            "users[bob].password_hash: ",
            "users[bob].sub: ",
        ] {
            assert!(
                said.contains(&format!("{path}: {line}")),
                "{line} in {said}"
            );
        }
        assert!(said.contains("test.toml: exchanges[1].client: "), "{said}");
        assert!(said.contains("sso-lab config hash-password"), "{said}");
        let (read, path) = with_users_file(None, "");
        let said = read.unwrap_err();
        assert!(
            said.starts_with(&format!("test.toml: users_file: {path}: ")),
            "{said}"
        );
        let (read, path) = with_users_file(Some("[[users]]\npassword = hidden"), "");
        let said = read.unwrap_err();
        assert!(said.starts_with(&format!("{path}, line 2: ")), "{said}");
        assert!(!said.contains("hidden"), "{said}");
        let (read, path) = with_users_file(Some("[lifetimes]"), "");
        assert!(read.unwrap_err().starts_with(&format!("{path}, line 1: ")));
    }

    #[test]
    fn a_clients_secret_file_is_in_the_state_directory_or_where_its_path_says() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("app1-secret"), "kept\n").unwrap();
        let whole = home.path().join("app1-secret").display().to_string();
        for name in ["app1-secret", &whole] {
            let file = format!("secret_file = {name:?}");
            let text = DEFAULT.replace("secret = \"app1-secret\"", &file);
            let dir = Some(home.path());
            let settings = Settings::parse("test", &text, &Addresses::default(), dir).unwrap();
            assert!(settings.client("app1").unwrap().has_secret("kept"));
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let errors = parse(&format!("surprise = 1\n{DEFAULT}")).unwrap_err();
        assert!(errors[0].contains("surprise"), "{errors:?}");
    }

    #[test]
    fn a_scope_belongs_to_its_resource_alone() {
        let settings = parse(DEFAULT).unwrap();
        let scope: Scope = "openid https://api-1/read https://api-2/read"
            .parse()
            .unwrap();
        assert_eq!(
            settings.scope_at(&scope, "https://api-1").to_string(),
            "https://api-1/read"
        );
        assert!(settings.scope_at(&scope, "https://nowhere").is_empty());
    }
}
