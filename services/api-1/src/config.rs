//! Settings of API-1.

use std::path::PathBuf;

use clap::Parser;
use kit::{
    config::{Common, CommonArgs, Mtls, Problems, Site},
    net::Trust,
};
use secrecy::SecretString;
use token_verify::{IntrospectionArgs, IssuerArgs, ResourceServer, dpop::ProofArgs};
use url::Url;
use web_kit::client::TrustedProxies;

use crate::{
    AUDIENCE, SERVICE,
    identity::{Callers, CallersSettings},
};

/// The client secret in the demo.
pub const DEMO_SECRET: &str = "api-1-secret";

/// API-1, orders: a resource server that accepts access tokens for https://api-1.
///
/// GET /resource lists your orders (scope https://api-1/read), POST /resource
/// places an order (https://api-1/write), GET /report shows orders and stock
/// (https://api-1/read), GET /whoami shows how the API interpreted your token. To
/// call API-2, API-1 exchanges your token at the identity provider (RFC 8693).
/// The page /docs lets you try all calls.
#[derive(Debug, Parser)]
#[command(name = "api-1", version)]
pub struct Args {
    /// Settings shared by all services.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The issuer of the tokens.
    #[command(flatten)]
    pub issuer: IssuerArgs,
    /// The services that API-1 calls.
    #[command(flatten)]
    pub peers: PeerArgs,
    /// The introspection of tokens.
    #[command(flatten)]
    pub introspection: IntrospectionArgs,
    /// API-1's own settings.
    #[command(flatten)]
    pub own: OwnArgs,
    /// The APIs' settings for DPoP.
    #[command(flatten)]
    pub proofs: ProofArgs,
}

/// The services that API-1 calls.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Peers")]
pub struct PeerArgs {
    /// The identity provider's gRPC, for token exchange [default: idp's second port]
    #[arg(long, env = "IDP_GRPC_URL", value_name = "URL")]
    pub idp_grpc_url: Option<String>,
    /// API-2's HTTP, for the report [default: api2's public URL]
    #[arg(long, env = "API2_URL", value_name = "URL")]
    pub api2_url: Option<String>,
    /// API-2's gRPC, for reservations [default: api2's second port]
    #[arg(long, env = "API2_GRPC_URL", value_name = "URL")]
    pub api2_grpc_url: Option<String>,
}

/// API-1's own settings.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(id = "api1_own")]
#[command(next_help_heading = "API-1")]
pub struct OwnArgs {
    /// Secret of the client api-1 at the identity provider [default, on localhost only: api-1-secret]
    #[arg(
        long,
        env = "API1_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub api1_client_secret: Option<String>,
    /// File that holds API1_CLIENT_SECRET
    #[arg(long, env = "API1_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub api1_client_secret_file: Option<PathBuf>,
    /// Check of the access tokens: jwt (verified here) or introspection (the provider is asked, RFC 7662)
    #[arg(long, env = "API1_TOKENS", default_value = "jwt", value_name = "CHECK")]
    pub api1_tokens: String,
    /// Origins whose pages may call API-1 from a browser (CORS), separated by commas; none allows no origin [default: the single-page app's origin]
    #[arg(long, env = "API1_CORS_ORIGINS", value_name = "ORIGINS")]
    pub api1_cors_origins: Option<String>,
    /// File of API keys, which `sso-lab keys api` writes; with it API-1 takes X-API-Key in place of an access token [default: none, and no API key is taken]
    #[arg(long, env = "API1_KEYS_FILE", value_name = "FILE")]
    pub api1_keys_file: Option<PathBuf>,
    /// Names in client certificates (URIs such as spiffe://sso-lab/app1, or DNS names), separated by commas, whose owners may state at the mTLS port who the user is, by the header X-Identity or the cookie identity [default: none, and both are removed from every request]
    #[arg(long, env = "API1_IDENTITY_CALLERS", value_name = "NAMES")]
    pub api1_identity_callers: Option<String>,
    /// Scopes of calls in which a peer of API1_IDENTITY_CALLERS states the user [default: https://api-1/read https://api-1/write]
    #[arg(long, env = "API1_IDENTITY_SCOPE", value_name = "SCOPE")]
    pub api1_identity_scope: Option<String>,
}

/// The validated settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// What all resource servers have.
    pub server: ResourceServer,
    /// The identity provider's gRPC address.
    pub idp_grpc_url: String,
    /// API-2's HTTP address.
    pub api2_url: String,
    /// API-2's gRPC address.
    pub api2_grpc_url: String,
    /// The certificate authorities for outgoing https.
    pub trust: Trust,
    /// Secret of the client api-1.
    pub client_secret: SecretString,
    /// Origins whose pages may call API-1 from a browser.
    pub cors_origins: Vec<String>,
    /// The file of API keys; `None`: no API key is taken.
    pub api_keys_file: Option<PathBuf>,
    /// The peers that may state who the user is; `None`: nobody may.
    pub identity_callers: Option<Callers>,
}

impl Config {
    /// Validates the settings and adds every error to `problems`.
    pub fn read(
        common: &Common,
        issuer: &IssuerArgs,
        peers: &PeerArgs,
        introspection: &IntrospectionArgs,
        own: &OwnArgs,
        proofs: &ProofArgs,
        problems: &mut Problems,
    ) -> Option<Self> {
        let addresses = &common.addresses;
        let mut grpc_url = |key, given: &Option<String>, site| match given {
            Some(text) => problems.http_url(key, text),
            None => addresses.grpc_url(site),
        };
        let idp_grpc_url = grpc_url("IDP_GRPC_URL", &peers.idp_grpc_url, Site::Idp);
        let api2_grpc_url = grpc_url("API2_GRPC_URL", &peers.api2_grpc_url, Site::Api2);
        let api2_url = match &peers.api2_url {
            Some(text) => problems.http_url("API2_URL", text),
            None => Some(addresses.url(Site::Api2)),
        };
        let issuer = issuer.read(common, problems);
        let trusted_proxies = TrustedProxies::read(common, problems);
        let client_secret = own.secret(common, problems);
        let check = ("API1_TOKENS", own.api1_tokens.as_str());
        let secret = |_: &mut Problems| client_secret.clone();
        let introspection = introspection.read(SERVICE, check, secret, problems);
        let cors_origins = own.origins(common, problems);
        let nonces = proofs.nonces(AUDIENCE, problems);
        let proofs_per_caller = proofs.per_caller(problems);
        let identity_callers = own.identity().read(common, problems);
        let mtls_url = addresses.mtls_url(Site::Api1);
        let server = ResourceServer {
            service: SERVICE,
            audience: AUDIENCE,
            issuer: issuer?,
            introspection: introspection?,
            url: addresses.url(Site::Api1),
            mtls_url: mtls_url.filter(|_| common.mtls.is_some()),
            grpc_url: None,
            nonces,
            proofs_per_caller: proofs_per_caller?,
            workers: common.workers,
            sites: addresses.sites(),
            trusted_proxies: trusted_proxies?,
            weaknesses: common.weaknesses,
        };
        Some(Self {
            server,
            idp_grpc_url: idp_grpc_url?,
            api2_url: api2_url?,
            api2_grpc_url: api2_grpc_url?,
            trust: common.trust.clone(),
            client_secret: client_secret?,
            cors_origins: cors_origins?,
            api_keys_file: own.api1_keys_file.clone(),
            identity_callers,
        })
    }
}

impl Config {
    /// The settings of a process that is API-1 alone. The lab's CA is then in the state
    /// directory: one in memory issues no peer's certificate.
    pub fn of_own_process(self, common: &Common, problems: &mut Problems) -> Option<Self> {
        let mtls = common.mtls.as_ref();
        let by_lab = self.identity_callers.is_some() && mtls.is_some_and(Mtls::trusts_lab);
        if by_lab && common.state_dir.path("").is_none() {
            let what = "nobody could have a certificate that API-1 trusts: --state-dir with the \
                        CA of the deployment, or MTLS_CLIENT_CA_FILE is needed";
            problems.add("API1_IDENTITY_CALLERS", what);
            return None;
        }
        Some(self)
    }
}

impl OwnArgs {
    fn secret(&self, common: &Common, problems: &mut Problems) -> Option<SecretString> {
        let given = (
            self.api1_client_secret.as_deref(),
            self.api1_client_secret_file.as_deref(),
        );
        common.secret_or_demo("API1_CLIENT_SECRET", given, DEMO_SECRET, problems)
    }

    /// Who may state users, not checked yet.
    fn identity(&self) -> CallersSettings<'_> {
        CallersSettings {
            names: self.api1_identity_callers.as_deref(),
            scope: self.api1_identity_scope.as_deref(),
        }
    }

    fn origins(&self, common: &Common, problems: &mut Problems) -> Option<Vec<String>> {
        let Some(text) = &self.api1_cors_origins else {
            return Some(vec![common.addresses.url(Site::Spa)]);
        };
        if text == "none" {
            return Some(Vec::new());
        }
        let named = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        // Reads all origins, so that the errors name every wrong one.
        let read: Vec<_> = named.map(|one| origin(one, problems)).collect();
        read.into_iter().collect()
    }
}

/// Reads an origin in the form that browsers send (RFC 6454 §6.2), because origins
/// are compared character by character.
fn origin(text: &str, problems: &mut Problems) -> Option<String> {
    const KEY: &str = "API1_CORS_ORIGINS";
    problems.http_url(KEY, text)?;
    let url: Url = problems.parse(KEY, text)?;
    let origin = url.origin().ascii_serialization();
    if origin != text {
        problems.add(
            KEY,
            format_args!("{text:?} is not an origin; expected a value such as {origin}"),
        );
        return None;
    }
    Some(origin)
}

#[cfg(test)]
mod unit {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(flags: &[&str]) -> Result<Config, Problems> {
        let args = Args::parse_from([&["api-1"], flags].concat());
        let mut problems = Problems::new();
        let common = args.common.read(&mut problems).unwrap();
        let Args {
            issuer,
            peers,
            introspection,
            own,
            proofs,
            ..
        } = &args;
        let config = Config::read(
            &common,
            issuer,
            peers,
            introspection,
            own,
            proofs,
            &mut problems,
        );
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    #[test]
    fn the_contracts_addresses_are_the_defaults() {
        let config = read(&[]).unwrap();
        assert_eq!(config.idp_grpc_url, "http://idp.localhost:9081");
        assert_eq!(config.api2_url, "http://api2.localhost:8085");
        assert_eq!(config.api2_grpc_url, "http://api2.localhost:9085");
        assert_eq!(config.server.issuer.name(), "http://idp.localhost:8081");
        assert_eq!(config.client_secret.expose_secret(), DEMO_SECRET);
        assert_eq!(config.cors_origins, ["http://spa.localhost:8086"]);
    }

    #[test]
    fn origins_for_cors_are_listed_or_none_and_nothing_but_origins() {
        let two = "http://a.localhost:1, https://b.example";
        let config = read(&["--api1-cors-origins", two]).unwrap();
        assert_eq!(
            config.cors_origins,
            ["http://a.localhost:1", "https://b.example"]
        );
        for none in ["none", ""] {
            let config = read(&["--api1-cors-origins", none]).unwrap();
            assert!(config.cors_origins.is_empty(), "{none:?}");
        }
        for wrong in [
            "*",
            "null",
            "http://a/",
            "http://a/x",
            "http://A",
            "ftp://a",
            "http://a:80",
        ] {
            let problems = read(&["--api1-cors-origins", wrong]).unwrap_err();
            assert!(
                problems.lines()[0].starts_with("API1_CORS_ORIGINS: "),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_demo_secret_serves_localhost_alone() {
        let elsewhere = ["--domain", "example.com", "--public-scheme", "https"];
        let problems = read(&elsewhere).unwrap_err();
        assert!(problems.lines()[0].starts_with("API1_CLIENT_SECRET: "));
        let with_secret = [
            &elsewhere[..],
            &["--api1-client-secret", "0123456789abcdef"],
        ]
        .concat();
        assert!(read(&with_secret).is_ok());
    }

    #[test]
    fn every_peer_may_be_reached_by_https() {
        for (flag, key) in [
            ("--idp-grpc-url", "IDP_GRPC_URL: "),
            ("--api2-grpc-url", "API2_GRPC_URL: "),
        ] {
            let problems = read(&[flag, "ftp://x:9081"]).unwrap_err();
            assert!(problems.lines()[0].starts_with(key), "{problems}");
            assert!(read(&[flag, "http://x:9081"]).is_ok());
            assert!(read(&[flag, "https://x:9081"]).is_ok());
        }
        assert!(read(&["--api2-url", "https://x"]).is_ok());
    }

    #[test]
    fn all_errors_at_once() {
        let wrong = [
            "--idp-grpc-url",
            "x",
            "--api2-url",
            "ftp://x",
            "--idp-issuer",
            "?",
        ];
        assert_eq!(read(&wrong).unwrap_err().lines().len(), 3);
    }
}
