//! A user.

use crate::passwords::Hash;

/// A user who can sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// The permanent identifier; not the user name.
    pub sub: String,
    /// The prepared user name (RFC 8265).
    pub username: String,
    /// The display name.
    pub name: String,
    /// The email address.
    pub email: String,
    /// Whether the address was verified.
    pub email_verified: bool,
    /// Roles, in the access token.
    pub roles: Vec<String>,
    /// Whether the user may sign in and get tokens.
    pub enabled: bool,
    /// Argon2id, PHC format.
    pub password_hash: Hash,
}
