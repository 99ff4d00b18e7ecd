//! Checks the table of a client.

use std::path::Path;

use secrecy::SecretString;
use url::Url;

use super::{
    AuthMethod, Client, ClientKeys, GrantKind, GrantType, Resource, bounds::MAX_CLIENT_ID,
    reader::Reader, tables::ClientTable,
};
use crate::keys::Algorithm;

impl Reader<'_> {
    pub(super) fn client(&mut self, table: ClientTable, resources: &[Resource]) -> Option<Client> {
        let key = |field: &str| format!("clients[{}].{field}", table.client_id);
        let before = self.problems.lines().len();
        let auth = self.named(&key("auth"), &table.auth, |name| {
            let mut all = AuthMethod::ALL.into_iter();
            all.find(|method| method.as_str() == name)
        });
        let grants = if table.grants.is_empty() && !table.introspects.is_empty() {
            Vec::new()
        } else {
            self.named(&key("grants"), &table.grants, GrantType::named)
        };
        self.bounded(key("client_id"), &table.client_id, MAX_CLIENT_ID);
        let [backchannel_logout_uri, initiate_login_uri] = self.client_uris(key, &grants, &table);
        self.known_audiences(&key("audiences"), &table.audiences, resources);
        self.known_audiences(&key("introspects"), &table.introspects, resources);
        let secret = self.client_secret(key, &auth, &table);
        if auth.contains(&AuthMethod::None) {
            self.public_client(key, &auth, &grants, &table);
        }
        let id_token_alg = self.algorithm(
            &key("id_token_signed_response_alg"),
            table.id_token_signed_response_alg.as_deref(),
        );
        let introspection_alg = self.algorithm(
            &key("introspection_signed_response_alg"),
            table.introspection_signed_response_alg.as_deref(),
        );
        let keys = self.client_keys(key, &auth, &grants, &table);
        let tls = self.client_tls(key, &auth, &table);
        let client = Client {
            client_id: table.client_id,
            name: table.name,
            first_party: table.first_party,
            auth,
            secret,
            keys,
            tls,
            grants,
            jwt_bearer_users: table.jwt_bearer_users,
            redirect_uris: table.redirect_uris,
            post_logout_redirect_uris: table.post_logout_redirect_uris,
            initiate_login_uri,
            backchannel_logout_uri,
            audiences: table.audiences,
            introspects: table.introspects,
            introspection_alg,
            id_token_alg,
            require_pkce: table.require_pkce,
            rotate_refresh_tokens: table.rotate_refresh_tokens,
            refresh_ends_with_session: table.refresh_ends_with_session,
            dpop_bound_access_tokens: table.dpop_bound_access_tokens,
        };
        (self.problems.lines().len() == before).then_some(client)
    }

    /// The keys of a client, and whether what it may use has what it needs of them.
    fn client_keys(
        &mut self,
        key: impl Fn(&str) -> String,
        auth: &[AuthMethod],
        grants: &[GrantType],
        table: &ClientTable,
    ) -> Option<ClientKeys> {
        let mut needs = Vec::new();
        if auth.contains(&AuthMethod::PrivateKeyJwt) {
            needs.push("private_key_jwt");
        }
        if grants.contains(&GrantType::JwtBearer) {
            needs.push("the jwt-bearer grant");
        } else if !table.jwt_bearer_users.is_empty() {
            self.wrong(key("jwt_bearer_users"), "needs the jwt-bearer grant");
        }
        if needs.is_empty() && auth.contains(&AuthMethod::SelfSignedTls) {
            // Only its certificates are read (`client_tls`).
            return None;
        }
        let keys = self.keys(&key, table.jwks.clone(), table.jwks_file.as_deref());
        for what in needs.into_iter().filter(|_| keys.is_none()) {
            let why = format_args!("{what} needs jwks or jwks_file");
            self.wrong(key("jwks_file"), why);
        }
        keys
    }

    /// Checks the URIs of a client. Returns the one for back-channel logout, and the one where
    /// a sign-in begins.
    fn client_uris(
        &mut self,
        key: impl Fn(&str) -> String,
        grants: &[GrantType],
        table: &ClientTable,
    ) -> [Option<Url>; 2] {
        self.uris(&key("redirect_uris"), &table.redirect_uris);
        let after_logout = &table.post_logout_redirect_uris;
        self.uris(&key("post_logout_redirect_uris"), after_logout);
        let backchannel = table.backchannel_logout_uri.as_slice();
        let backchannel = self.uris(&key("backchannel_logout_uri"), backchannel);
        if table.backchannel_logout_session_required && table.backchannel_logout_uri.is_none() {
            self.wrong(
                key("backchannel_logout_session_required"),
                "needs backchannel_logout_uri",
            );
        }
        if grants.contains(&GrantType::AuthorizationCode) && table.redirect_uris.is_empty() {
            self.wrong(
                key("redirect_uris"),
                "the authorization_code grant needs one",
            );
        }
        let begins = self.uris(
            &key("initiate_login_uri"),
            table.initiate_login_uri.as_slice(),
        );
        [backchannel, begins].map(|found| found.into_iter().next())
    }

    fn known_audiences(&mut self, key: &str, audiences: &[String], resources: &[Resource]) {
        let is_resource = |audience: &String| resources.iter().any(|r| r.audience == *audience);
        for audience in audiences.iter().filter(|name| !is_resource(name)) {
            let what = format_args!("{audience:?} is not a configured resource");
            self.wrong(key, what);
        }
    }

    /// The signing algorithm `name`.
    fn algorithm(&mut self, key: &str, name: Option<&str>) -> Option<Algorithm> {
        let key = format!("{}: {key}", self.file);
        name.and_then(|name| self.problems.parse(&key, name))
    }

    fn client_secret(
        &mut self,
        key: impl Fn(&str) -> String,
        auth: &[AuthMethod],
        table: &ClientTable,
    ) -> Option<SecretString> {
        let name = format!("{}: {}", self.file, key("secret"));
        let file = table.secret_file.as_deref().map(|file| self.at(file));
        let secret = table.secret.as_deref();
        let secret = self.problems.secret(&name, secret, file.as_deref());
        let needs = |method: &AuthMethod| matches!(method, AuthMethod::Basic | AuthMethod::Post);
        if auth.iter().any(needs) && secret.is_none() {
            self.wrong(key("secret"), "missing; set secret or secret_file");
        }
        secret
    }

    /// The keys of a client. A file in the state directory may be missing: the client
    /// itself may be about to write it. An existing file must be valid.
    pub(super) fn keys(
        &mut self,
        key: impl Fn(&str) -> String,
        jwks: Option<serde_json::Value>,
        file: Option<&Path>,
    ) -> Option<ClientKeys> {
        let (name, keys, may_be_missing) = match (jwks, file) {
            (Some(_), Some(_)) => {
                self.wrong(key("jwks"), "set jwks or jwks_file, not both");
                return None;
            }
            (Some(jwks), None) => ("jwks", ClientKeys::Inline(jwks), false),
            (None, Some(file)) => {
                let may_be_missing = file.is_relative();
                ("jwks_file", ClientKeys::File(self.at(file)), may_be_missing)
            }
            (None, None) => return None,
        };
        match keys.read() {
            Err(error) if !(may_be_missing && error.is_missing()) => self.wrong(key(name), error),
            _ => {}
        }
        Some(keys)
    }

    /// Checks the restrictions of a public client.
    fn public_client(
        &mut self,
        key: impl Fn(&str) -> String,
        auth: &[AuthMethod],
        grants: &[GrantType],
        table: &ClientTable,
    ) {
        if auth.len() > 1 || !table.require_pkce {
            self.wrong(
                key("auth"),
                "a public client (none) has no other method and always uses PKCE",
            );
        }
        if grants
            .iter()
            .any(|grant| grant.kind() == GrantKind::Confidential)
        {
            self.wrong(
                key("grants"),
                "a public client cannot act as itself (RFC 6749 section 4.4)",
            );
        }
        if !table.introspects.is_empty() {
            self.wrong(
                key("introspects"),
                "a public client cannot introspect tokens (RFC 7662 section 2.1)",
            );
        }
        if grants.contains(&GrantType::RefreshToken) && !table.rotate_refresh_tokens {
            self.wrong(
                key("rotate_refresh_tokens"),
                "a public client's refresh tokens rotate (RFC 9700 section 4.14.2)",
            );
        }
    }

    fn uris(&mut self, key: &str, uris: &[String]) -> Vec<Url> {
        let mut good = Vec::new();
        for uri in uris {
            match check_uri(uri) {
                Ok(url) => good.push(url),
                Err(what) => self.wrong(key, format_args!("{uri:?}: {what}")),
            }
        }
        good
    }
}

/// RFC 6749 §3.1.2: absolute, no fragment; https, or http on loopback (RFC 8252 §8.3).
/// The rule applies to all URIs of a client.
fn check_uri(text: &str) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "an absolute URI is expected")?;
    if url.fragment().is_some() {
        return Err("no fragment (RFC 6749 §3.1.2)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("no user or password in a URI");
    }
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err("an absolute URI is expected"),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err("https, or http on loopback"),
    }
}
