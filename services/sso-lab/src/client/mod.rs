//! The shared part of the terminal clients (`batch`, `login`, `device login`): the address
//! of the deployment, the identity provider, and `/whoami` of API-1.

mod args;
mod journey;
mod metadata;
mod provider;
mod provider_http;
mod said;
mod user;
mod whoami;

pub(crate) use args::{Deployment, DeploymentArgs};
pub(crate) use journey::journey_headers;
pub(crate) use provider::{MtlsEndpoint, OidcClient, Provider, ProviderError};
pub(crate) use said::{Said, one_line};
pub(crate) use user::{SIGN_IN_SCOPES, user_name};
pub(crate) use whoami::print_whoami;
