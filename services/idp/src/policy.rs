//! The one gate before anything is issued to or for a user.

use crate::{
    error::OAuthError,
    settings::{Settings, User},
};

/// The user, if tokens may be issued for them at all. Every grant asks here.
pub fn user_may_get_tokens<'s>(settings: &'s Settings, sub: &str) -> Result<&'s User, OAuthError> {
    settings
        .user(sub)
        .filter(|user| user.enabled)
        .ok_or_else(|| OAuthError::grant("The user may not get tokens (unknown or disabled)."))
}
