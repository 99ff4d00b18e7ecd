//! A client and what it may do.

use oauth_types::secret::same_secret;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{AuthMethod, ClientKeys, ClientTls, GrantKind, GrantType};
use crate::keys::Algorithm;

/// A client. Its `Debug` shows no secret.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub client_id: String,
    /// Its display name.
    pub name: String,
    /// Whether users need not consent.
    pub first_party: bool,
    /// How it may authenticate.
    pub auth: Vec<AuthMethod>,
    /// Its secret, if a method needs one.
    pub secret: Option<SecretString>,
    /// Its keys, if a method needs them.
    pub keys: Option<ClientKeys>,
    /// How it is known by its TLS certificate.
    pub tls: ClientTls,
    /// The grant types that it may use.
    pub grants: Vec<GrantType>,
    /// The users whom it may name in the JWT bearer grant, by name or `sub`.
    pub jwt_bearer_users: Vec<String>,
    /// Compared as strings, except for the port of a public client's loopback address.
    pub redirect_uris: Vec<String>,
    /// Where a browser may be redirected after logout; compared as strings.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where a sign-in at it begins (OIDC Core §4).
    pub initiate_login_uri: Option<Url>,
    /// Where it is notified of the end of a login session (Back-Channel Logout §2.2).
    pub backchannel_logout_uri: Option<Url>,
    /// Its audiences, the default first. Without any it can only sign users in.
    pub audiences: Vec<String>,
    /// The audiences whose tokens it may introspect: those of its resource server.
    pub introspects: Vec<String>,
    /// The algorithm of introspection responses as a JWT; none: the default one.
    pub introspection_alg: Option<Algorithm>,
    /// The algorithm of its id_tokens and logout tokens; none: the default one.
    pub id_token_alg: Option<Algorithm>,
    /// Whether PKCE is required; always for a public client.
    pub require_pkce: bool,
    /// Whether each refresh rotates the refresh token.
    pub rotate_refresh_tokens: bool,
    /// Whether its refresh tokens end with the login session.
    pub refresh_ends_with_session: bool,
    /// Whether it gets access tokens that are bound to its key alone (RFC 9449 §5.2).
    pub dpop_bound_access_tokens: bool,
}

impl Client {
    /// Whether it may use `grant`.
    pub fn may(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether users sign in for it, so that it may request identity scopes.
    pub fn signs_users_in(&self) -> bool {
        let mut kinds = self.grants.iter().map(|grant| grant.kind());
        kinds.any(|kind| kind == GrantKind::SignIn)
    }

    /// Whether it may authenticate by `method`.
    pub fn authenticates_by(&self, method: AuthMethod) -> bool {
        self.auth.contains(&method)
    }

    /// Whether it may authenticate by a certificate.
    pub fn authenticates_by_certificate(&self) -> bool {
        let mut methods = self.auth.iter();
        methods.any(|method| method.is_by_certificate())
    }

    /// A client that can keep no secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.auth == [AuthMethod::None]
    }

    /// Whether `secret` is its secret, compared in constant time.
    pub fn has_secret(&self, secret: &str) -> bool {
        self.secret
            .as_ref()
            .is_some_and(|own| same_secret(own.expose_secret(), secret))
    }
}
