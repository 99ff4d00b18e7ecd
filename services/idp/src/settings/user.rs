//! A user.

use crate::passwords::Hash;

/// Someone who can sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// Who it is, for ever; not the name.
    pub sub: String,
    /// What is typed into the form, as names are compared (RFC 8265).
    pub username: String,
    /// Shown to people.
    pub name: String,
    /// Electronic address.
    pub email: String,
    /// Whether the address was verified.
    pub email_verified: bool,
    /// Roles, in the access token.
    pub roles: Vec<String>,
    /// Whether tokens may be issued at all.
    pub enabled: bool,
    /// Argon2id, PHC format.
    pub password_hash: Hash,
}
