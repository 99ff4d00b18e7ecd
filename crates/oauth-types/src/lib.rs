//! The messages of OAuth 2.0 and OpenID Connect: names, claims, scopes, error
//! codes. No I/O.

pub mod claims;
pub mod error;
pub mod members;
pub mod names;
pub mod params;
pub mod pkce;
pub mod scope;
pub mod secret;
pub mod stated_identity;
pub mod token_response;

pub use error::{ErrorBody, ErrorCode, sounds_like_code};
pub use members::{BadMember, Members};
pub use params::{BadParams, Params, UniqueParams};
pub use scope::Scope;
pub use stated_identity::StatedIdentity;
pub use token_response::TokenResponse;
