//! The tables of the TOML file.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::{Resource, TokenFormat};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) lifetimes: BTreeMap<String, String>,
    pub(super) sign_in_limits: LimitsTable,
    #[serde(default)]
    pub(super) resources: Vec<ResourceTable>,
    #[serde(default)]
    pub(super) clients: Vec<ClientTable>,
    #[serde(default)]
    pub(super) exchanges: Vec<ExchangeTable>,
    #[serde(default)]
    pub(super) trusted_issuers: Vec<TrustedIssuerTable>,
    pub(super) users_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) users: Vec<UserTable>,
}

/// The file that `users_file` names.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsersFile {
    #[serde(default)]
    pub(super) users: Vec<UserTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) per_user_and_address: u64,
    pub(super) per_address: u64,
    #[serde(default = "per_user")]
    pub(super) per_user: u64,
    pub(super) remembered: String,
    pub(super) longest_wait: String,
    #[serde(default = "longest_delay")]
    pub(super) longest_delay: String,
}

const fn per_user() -> u64 {
    20
}

fn longest_delay() -> String {
    "5s".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceTable {
    pub(super) audience: String,
    pub(super) title: String,
    pub(super) may_act: Option<String>,
    #[serde(default)]
    pub(super) access_token_format: TokenFormat,
    pub(super) scopes: BTreeMap<String, String>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientTable {
    pub(super) client_id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) first_party: bool,
    pub(super) auth: Vec<String>,
    pub(super) secret: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) jwks: Option<serde_json::Value>,
    pub(super) tls_client_auth_subject_dn: Option<String>,
    pub(super) tls_client_auth_san_dns: Option<String>,
    pub(super) tls_client_auth_san_uri: Option<String>,
    pub(super) tls_client_auth_san_ip: Option<String>,
    pub(super) tls_client_auth_san_email: Option<String>,
    pub(super) tls_client_certificate_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) tls_client_certificate_bound_access_tokens: bool,
    pub(super) grants: Vec<String>,
    #[serde(default)]
    pub(super) jwt_bearer_users: Vec<String>,
    #[serde(default)]
    pub(super) redirect_uris: Vec<String>,
    #[serde(default)]
    pub(super) post_logout_redirect_uris: Vec<String>,
    pub(super) initiate_login_uri: Option<String>,
    pub(super) backchannel_logout_uri: Option<String>,
    // Always fulfilled: each logout token has a `sid`.
    #[serde(default)]
    pub(super) backchannel_logout_session_required: bool,
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    #[serde(default)]
    pub(super) introspects: Vec<String>,
    pub(super) introspection_signed_response_alg: Option<String>,
    pub(super) id_token_signed_response_alg: Option<String>,
    #[serde(default = "yes")]
    pub(super) require_pkce: bool,
    #[serde(default)]
    pub(super) rotate_refresh_tokens: bool,
    #[serde(default)]
    pub(super) refresh_ends_with_session: bool,
    #[serde(default)]
    pub(super) dpop_bound_access_tokens: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeTable {
    pub(super) client: String,
    pub(super) issuer: Option<String>,
    pub(super) from: String,
    pub(super) to: String,
    #[serde(default = "delegation")]
    pub(super) mode: String,
    #[serde(default)]
    pub(super) own_tokens: bool,
    pub(super) actors: Option<Vec<String>>,
    #[serde(default = "max_actors")]
    pub(super) max_actors: usize,
    pub(super) scopes: BTreeMap<String, Vec<String>>,
}

fn delegation() -> String {
    "delegation".to_owned()
}

const fn max_actors() -> usize {
    3
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustedIssuerTable {
    pub(super) issuer: String,
    pub(super) internal_url: Option<String>,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) jwks: Option<serde_json::Value>,
    pub(super) users: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserTable {
    pub(super) sub: String,
    pub(super) username: String,
    pub(super) name: String,
    pub(super) email: String,
    #[serde(default)]
    pub(super) email_verified: bool,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) password_hash: String,
}

const fn yes() -> bool {
    true
}

impl From<ResourceTable> for Resource {
    fn from(table: ResourceTable) -> Self {
        Self {
            audience: table.audience,
            title: table.title,
            may_act: table.may_act,
            token_format: table.access_token_format,
            scopes: table.scopes,
        }
    }
}
