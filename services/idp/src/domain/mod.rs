//! The records of the provider. None contains a bearer secret: a record is found by the
//! hash of its secret.

mod authorization;
mod code;
mod device;
mod grant;
mod login;
mod opaque_token;

pub use authorization::{
    Answer, AuthorizationRequest, AuthorizationSession, PushedContent, PushedRequest, SignedIn,
};
pub use code::{Authorized, Code, CodeState};
pub use device::{DeviceAnswer, DeviceAuthorization, PollVerdict};
pub use grant::{Grant, GrantState, Refresh, RefreshVerdict};
pub use login::{EndReason, LoginSession, LoginState};
pub use opaque_token::OpaqueToken;

/// `acr`: authentication by password.
pub const ACR_PASSWORD: &str = "urn:sso-lab:acr:password";
/// `amr` of a password (RFC 8176 §2).
pub const AMR_PASSWORD: &str = "pwd";
