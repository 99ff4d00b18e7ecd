//! All that the two BFFs (backends for frontend) share. A request is read left
//! to right: `login` or `sessions` → `tokens` → `proxy`. What differs between
//! the apps is in their own crates: [`App`] and how the client authenticates.
//!
//! The browser holds a random id and nothing else; tokens stay here.

mod app;
mod audiences;
mod backchannel_logout;
mod bearer;
mod callback;
mod client_auth;
mod config;
mod cookies;
mod csrf;
mod events;
mod home;
mod login;
mod logout;
mod meters;
mod openapi;
pub mod pages;
mod params;
mod pre_session;
mod price;
mod provider;
mod proxy;
mod return_to;
mod routes;
mod service;
mod sessions;
mod state;
mod tokens;
mod user_sessions;
#[cfg(test)]
mod watched;

pub use app::{App, RequestBy};
pub use client_auth::{ClientAuth, ClientKey, client_key, new_client_key};
pub use config::{BffArgs, BffPeerArgs, Config, Sources};
pub use cookies::SESSION as SESSION_COOKIE;
pub use provider::AudienceBy;
#[cfg(feature = "bench")]
pub use proxy::alone::ProxyAlone;
pub use service::build;
pub use sessions::{SessionLifetimes, SessionMode};
