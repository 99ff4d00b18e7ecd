//! A client's table, checked field by field.

use std::path::Path;

use url::Url;

use super::{
    AuthMethod, Client, ClientKeys, GrantType, Resource, bounds::MAX_CLIENT_ID, file::Reader,
    tables::ClientTable,
};

impl Reader<'_> {
    pub(super) fn client(&mut self, table: ClientTable, resources: &[Resource]) -> Option<Client> {
        let key = |field: &str| format!("clients[{}].{field}", table.client_id);
        let before = self.problems.lines().len();
        let auth = self.named(&key("auth"), &table.auth, |name| {
            AuthMethod::ALL
                .into_iter()
                .find(|method| method.as_str() == name)
        });
        let grants = self.named(&key("grants"), &table.grants, GrantType::named);
        self.bounded(key("client_id"), &table.client_id, MAX_CLIENT_ID);
        self.uris(&key("redirect_uris"), &table.redirect_uris);
        let after_logout = &table.post_logout_redirect_uris;
        self.uris(&key("post_logout_redirect_uris"), after_logout);
        let told_at = table.backchannel_logout_uri.as_slice();
        let told_at = self.uris(&key("backchannel_logout_uri"), told_at);
        if table.backchannel_logout_session_required && table.backchannel_logout_uri.is_none() {
            self.wrong(
                key("backchannel_logout_session_required"),
                "nothing without backchannel_logout_uri",
            );
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
        let secret_file = table.secret_file.as_deref().map(|file| self.at(file));
        let secret =
            self.problems
                .secret(&secret_key, table.secret.as_deref(), secret_file.as_deref());
        let uses_secret = auth
            .iter()
            .any(|m| matches!(m, AuthMethod::Basic | AuthMethod::Post));
        if uses_secret && secret.is_none() {
            self.wrong(key("secret"), "missing; or give secret_file");
        }
        if auth.contains(&AuthMethod::None) {
            self.public_client(key, &auth, &grants, &table);
        }
        let keys = self.keys(key, table.jwks, table.jwks_file.as_deref());
        let named_alg = table.id_token_signed_response_alg.as_deref();
        let alg_key = format!("{}: {}", self.file, key("id_token_signed_response_alg"));
        let id_token_alg = named_alg.and_then(|name| self.problems.parse(&alg_key, name));
        if auth.contains(&AuthMethod::PrivateKeyJwt) && keys.is_none() {
            self.wrong(key("jwks_file"), "private_key_jwt needs jwks or jwks_file");
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
            post_logout_redirect_uris: table.post_logout_redirect_uris,
            backchannel_logout_uri: told_at.into_iter().next(),
            audiences: table.audiences,
            id_token_alg,
            require_pkce: table.require_pkce,
            rotate_refresh_tokens: table.rotate_refresh_tokens,
            refresh_ends_with_session: table.refresh_ends_with_session,
        };
        (self.problems.lines().len() == before).then_some(client)
    }

    /// A client's keys. A file in the state directory may be one that the client
    /// itself is about to write; whatever is there has to be good.
    fn keys(
        &mut self,
        key: impl Fn(&str) -> String,
        jwks: Option<serde_json::Value>,
        file: Option<&Path>,
    ) -> Option<ClientKeys> {
        let (name, keys, may_come) = match (jwks, file) {
            (Some(_), Some(_)) => {
                self.wrong(key("jwks"), "given twice: jwks and jwks_file");
                return None;
            }
            (Some(jwks), None) => ("jwks", ClientKeys::Inline(jwks), false),
            (None, Some(file)) => {
                let may_come = file.is_relative();
                ("jwks_file", ClientKeys::File(self.at(file)), may_come)
            }
            (None, None) => return None,
        };
        match keys.read() {
            Err(error) if !(may_come && error.is_missing()) => self.wrong(key(name), error),
            _ => {}
        }
        Some(keys)
    }

    /// What a client that can keep no secret must not have.
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
                "a public client (none) has no other method, and PKCE always",
            );
        }
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

/// RFC 6749 §3.1.2: absolute, no fragment; https, or http on loopback
/// (RFC 8252 §8.3). The other addresses of a client keep to the same.
fn check_uri(text: &str) -> Result<Url, &'static str> {
    let url: Url = text
        .parse()
        .map_err(|_| "an absolute address is expected")?;
    if url.fragment().is_some() {
        return Err("no fragment (RFC 6749 §3.1.2)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("no user or password in an address");
    }
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err("an absolute address is expected"),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err("https, or http on loopback"),
    }
}
