//! What the terminal clients (`batch`, `login`, `device login`) share: where the deployment
//! is, the identity provider, and what an API knows of a token's bearer.

mod args;
mod provider;
mod said;
mod user;
mod whoami;

pub(crate) use args::{Deployment, DeploymentArgs};
pub(crate) use provider::{OidcClient, Provider, ProviderError};
pub(crate) use said::{Said, one_line};
pub(crate) use user::user_name;
pub(crate) use whoami::whoami;
