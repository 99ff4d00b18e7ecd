//! All that the two BFFs (backends for frontend) share. A request is read left
//! to right: `login` or `sessions` → `proxy`. What differs between
//! the apps is in their own crates: [`App`] and how the client authenticates.
//!
//! Where a session and its tokens are depends on the session's mode
//! ([`SessionMode`]): in the store, in the browser's cookies (sealed, but for the
//! access tokens), or in both. No script in the browser can read them.

mod app;
mod audiences;
mod backchannel_logout;
mod bearer;
mod callback;
mod client_auth;
mod config;
mod cookies;
mod credentials;
mod csrf;
mod events;
mod home;
mod lab_agent;
#[cfg(test)]
mod log_lines;
mod login;
mod logout;
mod meters;
mod openapi;
pub mod pages;
mod params;
mod pre_session;
mod problems;
mod prover;
mod provider;
mod proxy;
mod recent_logouts;
mod return_to;
mod revocation;
mod routes;
mod second_provider;
mod server_timing;
mod service;
mod session_status;
mod sessions;
mod state;
mod used_logout_tokens;
mod user_sessions;
#[cfg(test)]
mod watched;

pub use app::{App, RequestBy};
pub use client_auth::{ClientAuth, ClientKey, client_key, new_client_key, read_client_key};
pub use config::{
    AppArgs, BffArgs, BffPeerArgs, CertificateFiles, Config, Keys, OwnArgs, Sources, machine_key,
    mtls_identity,
};
pub use cookies::SESSION as SESSION_COOKIE;
pub use credentials::{CredentialMethod, machine_client_id, mtls_client_id, spiffe_id};
pub use provider::AudienceBy;
#[cfg(feature = "bench")]
pub use proxy::alone::ProxyAlone;
pub use service::build;
pub use sessions::{SessionLifetimes, SessionMode};
