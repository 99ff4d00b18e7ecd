//! Settings, read once.

use clap::Parser;
use kit::config::{Common, CommonArgs, Problems, Sites};
use token_verify::{Issuer, IssuerArgs};
use web_kit::client::TrustedProxies;

/// API-2, inventory: a resource server that takes access tokens for
/// https://api-2 over HTTP and gRPC.
///
/// GET /resource lists the stock (scope https://api-2/read), POST /resource
/// reserves some of it (https://api-2/write), GET /whoami says what your token
/// was taken to say. gRPC sso.inventory.v1.Inventory/{List,Reserve} is the same.
#[derive(Debug, Parser)]
#[command(name = "api-2", version)]
pub struct Args {
    /// What all services share.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Who issues the tokens.
    #[command(flatten)]
    pub issuer: IssuerArgs,
}

/// The settings, found good.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who issues the tokens.
    pub issuer: Issuer,
    /// Worker threads.
    pub workers: usize,
    /// What the deployment has.
    pub sites: Sites,
    /// Proxies whose word counts about the client's address.
    pub trusted_proxies: TrustedProxies,
}

impl Config {
    /// Checks everything; what is wrong goes to `problems`.
    pub fn read(common: &Common, issuer: &IssuerArgs, problems: &mut Problems) -> Option<Self> {
        let issuer = issuer.read(common, problems);
        let trusted_proxies = TrustedProxies::read(common, problems);
        Some(Self {
            issuer: issuer?,
            workers: common.workers,
            sites: common.addresses.sites(),
            trusted_proxies: trusted_proxies?,
        })
    }
}
