//! The first app: it sends its authorization request in the URL, and authenticates with a
//! secret. Everything else is in `bff-kit`.

use std::path::{Path, PathBuf};

use bff_kit::{App, CertificateFiles, ClientAuth, RequestBy, SessionMode};
pub use bff_kit::{Config, build};
use kit::config::{Common, Problems, Site};

/// The identity of this app.
pub const APP: App = App {
    service: "app1-bff",
    client_id: "app1",
    name: "App 1",
    site: Site::App1,
    other: Site::App2,
    mode: SessionMode::Stateful,
    request: RequestBy::Url,
};

/// The secret in the demo's configuration.
pub const DEMO_SECRET: &str = "app1-secret";

/// The app's command line.
pub type Args = bff_kit::AppArgs<OwnArgs>;

/// The settings of this app only.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(id = "app1_own")]
#[command(next_help_heading = "App 1")]
pub struct OwnArgs {
    /// Session mode of App 1; overrides BFF_SESSION_MODE
    #[arg(long, env = "APP1_SESSION_MODE", value_name = "MODE")]
    pub app1_session_mode: Option<String>,
    /// Secret of the client app1 at the identity provider [default, on localhost only: app1-secret]
    #[arg(
        long,
        env = "APP1_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub app1_client_secret: Option<String>,
    /// File that holds APP1_CLIENT_SECRET
    #[arg(long, env = "APP1_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub app1_client_secret_file: Option<PathBuf>,
    /// Key of the client app1-machine, P-256 as PKCS#8 PEM, for the methods client_credentials and jwt_bearer [default: app1-machine-client.pem in --state-dir, created if missing]
    #[arg(long, env = "APP1_MACHINE_KEY_FILE", value_name = "FILE")]
    pub app1_machine_key_file: Option<PathBuf>,
    /// Certificate (PEM) of the client app1-mtls with its chain, for the methods mtls and identity_header [default: the lab's CA issues one]
    #[arg(long, env = "APP1_MTLS_CERTIFICATE_FILE", value_name = "FILE")]
    pub app1_mtls_certificate_file: Option<PathBuf>,
    /// Private key (PEM) of APP1_MTLS_CERTIFICATE_FILE [default: in the same file]
    #[arg(long, env = "APP1_MTLS_KEY_FILE", value_name = "FILE")]
    pub app1_mtls_key_file: Option<PathBuf>,
}

impl bff_kit::OwnArgs for OwnArgs {
    const APP: App = APP;

    fn session_mode(&self) -> (&'static str, Option<&str>) {
        ("APP1_SESSION_MODE", self.app1_session_mode.as_deref())
    }

    fn machine_key_file(&self) -> (&'static str, Option<&Path>) {
        (
            "APP1_MACHINE_KEY_FILE",
            self.app1_machine_key_file.as_deref(),
        )
    }

    fn certificate_files(&self) -> CertificateFiles<'_> {
        let certificate = self.app1_mtls_certificate_file.as_deref();
        let key = self.app1_mtls_key_file.as_deref();
        CertificateFiles {
            certificate: ("APP1_MTLS_CERTIFICATE_FILE", certificate),
            key: ("APP1_MTLS_KEY_FILE", key),
        }
    }

    fn client_auth(&self, common: &Common, problems: &mut Problems) -> Option<ClientAuth> {
        let given = (
            self.app1_client_secret.as_deref(),
            self.app1_client_secret_file.as_deref(),
        );
        let secret = common.secret_or_demo("APP1_CLIENT_SECRET", given, DEMO_SECRET, problems);
        secret.map(ClientAuth::SecretBasic)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn read(flags: &[&str]) -> Result<Config, Problems> {
        let args = Args::parse_from([&["app1-bff"], flags].concat());
        let mut problems = Problems::new();
        let common = args.common.read(&mut problems).unwrap();
        match args.read(&common, &mut problems) {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    #[test]
    fn the_contracts_addresses_are_the_defaults() {
        let config = read(&[]).unwrap();
        assert_eq!(config.issuer.name(), "http://idp.localhost:8081");
        assert_eq!(config.api1_url, "http://api1.localhost:8084");
        assert_eq!(config.api2_grpc_url, "http://api2.localhost:9085");
        assert_eq!(config.lifetimes.idle.as_secs(), 8 * 3600);
    }

    #[test]
    fn the_demo_secret_serves_localhost_alone() {
        let problems = read(&["--domain", "example.com", "--public-scheme", "https"]).unwrap_err();
        assert!(problems.lines()[0].starts_with("APP1_CLIENT_SECRET: "));
    }

    #[test]
    fn a_key_that_the_provider_could_not_know_is_refused() {
        for (setting, flag) in [
            ("BFF_API1_CREDENTIAL", "--bff-api1-credential"),
            ("BFF_API2_CREDENTIAL", "--bff-api2-credential"),
        ] {
            for method in ["client_credentials", "jwt_bearer"] {
                let problems = read(&[flag, method]).unwrap_err();
                let said =
                    format!("{setting}: {method} needs the app's key: APP1_MACHINE_KEY_FILE");
                let lines = problems.lines();
                assert!(lines.len() == 1 && lines[0].starts_with(&said), "{lines:?}");
                let file = ["--app1-machine-key-file", "/nowhere.pem", flag, method];
                let problems = read(&file).unwrap_err();
                let lines = problems.lines();
                assert!(lines[0].starts_with("APP1_MACHINE_KEY_FILE: "), "{lines:?}");
            }
            assert!(read(&[flag, "token_exchange"]).is_ok());
        }
    }

    #[test]
    fn stateful_is_its_default_and_its_own_setting_wins() {
        assert_eq!(read(&[]).unwrap().mode, SessionMode::Stateful);
        let both = [
            "--bff-session-mode",
            "hybrid",
            "--app1-session-mode",
            "cached",
        ];
        assert_eq!(read(&both).unwrap().mode, SessionMode::Cached);
    }

    #[test]
    fn all_errors_at_once() {
        let wrong = [
            "--api1-url",
            "x",
            "--bff-session-idle",
            "0s",
            "--bff-audience-by",
            "x",
            "--idp-issuer",
            "?",
        ];
        assert_eq!(read(&wrong).unwrap_err().lines().len(), 4);
    }
}
