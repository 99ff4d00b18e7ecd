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
