//! Settings of API-2.

use std::path::PathBuf;

use clap::Parser;
use kit::config::{Common, CommonArgs, Problems, Site};
use token_verify::{IntrospectionArgs, IssuerArgs, ResourceServer, dpop::ProofArgs};
use web_kit::client::TrustedProxies;

use crate::{AUDIENCE, SERVICE};

/// The client secret in the demo.
pub const DEMO_SECRET: &str = "api-2-secret";

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
    /// The introspection of tokens.
    #[command(flatten)]
    pub introspection: IntrospectionArgs,
    /// API-2's own settings.
    #[command(flatten)]
    pub own: OwnArgs,
    /// The APIs' settings for DPoP.
    #[command(flatten)]
    pub proofs: ProofArgs,
}

/// API-2's own settings.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "api2_own")]
#[command(next_help_heading = "API-2")]
pub struct OwnArgs {
    /// Check of the access tokens: jwt (verified here) or introspection (the provider is asked, RFC 7662)
    #[arg(long, env = "API2_TOKENS", default_value = "jwt", value_name = "CHECK")]
    pub api2_tokens: String,
    /// Secret of the client api-2 at the identity provider, for introspection [default, on localhost only: api-2-secret]
    #[arg(
        long,
        env = "API2_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub api2_client_secret: Option<String>,
    /// File that holds API2_CLIENT_SECRET
    #[arg(long, env = "API2_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub api2_client_secret_file: Option<PathBuf>,
}

/// The validated settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// What all resource servers have.
    pub server: ResourceServer,
}

impl Config {
    /// Validates the settings and adds every error to `problems`.
    pub fn read(
        common: &Common,
        issuer: &IssuerArgs,
        introspection: &IntrospectionArgs,
        own: &OwnArgs,
        proofs: &ProofArgs,
        problems: &mut Problems,
    ) -> Option<Self> {
        let nonces = proofs.nonces(AUDIENCE, problems);
        let proofs_per_caller = proofs.per_caller(problems);
        let issuer = issuer.read(common, problems);
        let trusted_proxies = TrustedProxies::read(common, problems);
        let check = ("API2_TOKENS", own.api2_tokens.as_str());
        let given = (
            own.api2_client_secret.as_deref(),
            own.api2_client_secret_file.as_deref(),
        );
        let secret = |problems: &mut Problems| {
            common.secret_or_demo("API2_CLIENT_SECRET", given, DEMO_SECRET, problems)
        };
        let introspection = introspection.read(SERVICE, check, secret, problems);
        let addresses = &common.addresses;
        let server = ResourceServer {
            service: SERVICE,
            audience: AUDIENCE,
            issuer: issuer?,
            introspection: introspection?,
            url: addresses.url(Site::Api2),
            mtls_url: None,
            grpc_url: addresses.grpc_url(Site::Api2),
            nonces,
            proofs_per_caller: proofs_per_caller?,
            workers: common.workers,
            sites: addresses.sites(),
            trusted_proxies: trusted_proxies?,
            weaknesses: common.weaknesses,
        };
        Some(Self { server })
    }
}

#[cfg(test)]
mod unit {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(flags: &[&str]) -> Result<Config, Problems> {
        let args = Args::parse_from([&["api-2"], flags].concat());
        let mut problems = Problems::new();
        let common = args.common.read(&mut problems).unwrap();
        let config = Config::read(
            &common,
            &args.issuer,
            &args.introspection,
            &args.own,
            &args.proofs,
            &mut problems,
        );
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    #[test]
    fn a_secret_is_needed_for_introspection_alone_and_the_demos_serves_localhost_alone() {
        assert!(read(&[]).unwrap().server.introspection.is_none());
        let config = read(&["--api2-tokens", "introspection"]).unwrap();
        let settings = config.server.introspection.unwrap();
        assert_eq!(settings.client_id, "api-2");
        assert_eq!(settings.secret.expose_secret(), DEMO_SECRET);
        let elsewhere = ["--domain", "example.com", "--public-scheme", "https"];
        assert!(read(&elsewhere).is_ok());
        let asking = [&elsewhere[..], &["--api2-tokens", "introspection"]].concat();
        let problems = read(&asking).unwrap_err();
        assert!(problems.lines()[0].starts_with("API2_CLIENT_SECRET: "));
        let with_secret = [&asking[..], &["--api2-client-secret", "0123456789abcdef"]].concat();
        assert!(read(&with_secret).is_ok());
    }
}
