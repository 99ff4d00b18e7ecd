//! Limits on the values that the configuration puts into tokens. Together they keep
//! each token within what the services of this repository accept: 8 KiB in a
//! header, two cookies of 4 KiB.

use serde::Serialize;

/// OIDC Core §2.
pub(super) const MAX_SUB: usize = 255;
/// A person's name, in bytes.
pub(super) const MAX_NAME: usize = 2048;
/// RFC 5321 §4.5.3.1.3: a path has 256 with its brackets.
pub(super) const MAX_EMAIL: usize = 254;
/// A user's roles.
pub(super) const MAX_ROLES: usize = 100;
/// One role, in bytes.
pub(super) const MAX_ROLE: usize = 128;
/// All roles of a user as JSON, in bytes.
pub(super) const MAX_ROLES_TOGETHER: usize = 2560;
/// `client_id`, in bytes.
pub(super) const MAX_CLIENT_ID: usize = 128;
/// An audience, in bytes.
pub(super) const MAX_AUDIENCE: usize = 256;
/// All scopes of a resource with a space between, in bytes.
pub(super) const MAX_SCOPES_TOGETHER: usize = 768;

/// The bytes of `value` in a token.
pub(super) fn json_len(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}
