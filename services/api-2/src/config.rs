//! Settings of API-2.

use clap::Parser;
use kit::config::{Common, CommonArgs, Problems, Sites};
use token_verify::{Issuer, IssuerArgs};
use web_kit::client::TrustedProxies;

/// API-2, inventory: a resource server that accepts access tokens for
/// https://api-2 over HTTP and gRPC.
///
/// GET /resource lists the stock (scope https://api-2/read), POST /resource
/// reserves an item (https://api-2/write), GET /whoami shows how the API
/// interpreted your token. gRPC sso.inventory.v1.Inventory/{List,Reserve} offers
/// the same.
#[derive(Debug, Parser)]
#[command(name = "api-2", version)]
pub struct Args {
    /// Settings shared by all services.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The issuer of the tokens.
    #[command(flatten)]
    pub issuer: IssuerArgs,
}

/// The validated settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer of the tokens.
    pub issuer: Issuer,
    /// Worker threads.
    pub workers: usize,
    /// The sites of the deployment.
    pub sites: Sites,
    /// Proxies whose forwarding header is accepted.
    pub trusted_proxies: TrustedProxies,
}

impl Config {
    /// Validates the settings and adds every error to `problems`.
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
