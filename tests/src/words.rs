//! The contract's words that tests name often.

/// API-1's audience.
pub const API1: &str = "https://api-1";
/// API-2's audience.
pub const API2: &str = "https://api-2";
/// Reading at API-1.
pub const API1_READ: &str = "https://api-1/read";
/// Writing at API-1.
pub const API1_WRITE: &str = "https://api-1/write";
/// Reading at API-2.
pub const API2_READ: &str = "https://api-2/read";
/// Writing at API-2.
pub const API2_WRITE: &str = "https://api-2/write";
/// All that an app asks for.
pub const EVERYTHING: &str = "openid profile email offline_access \
    https://api-1/read https://api-1/write https://api-2/read https://api-2/write";

/// Whether `text` holds a JWT: `eyJ` alone also occurs in random ids now and then.
pub fn holds_a_jwt(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split("eyJ").skip(1).any(|rest| {
        let (header, payload) = rest.split_once('.').unwrap_or_default();
        header.len() > 8 && header.chars().all(is_part) && payload.starts_with(is_part)
    })
}
