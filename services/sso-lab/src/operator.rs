//! The operator of a provider: its address, and the key of its gRPC services.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use kit::config::{Addresses, Problems, Site, TrustArgs, refuse};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{Code, Request, Status, transport::Channel};

use crate::output::{exit_code, print};

/// The provider's gRPC address and the operator's key.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The identity provider")]
pub struct OperatorArgs {
    /// The provider's gRPC address [default: idp's port 9081 at --domain, plus --port-offset]
    #[arg(long, env = "IDP_GRPC_URL", value_name = "URL")]
    idp_grpc_url: Option<String>,
    /// The deployment's port offset
    #[arg(long, env = "PORT_OFFSET", default_value_t = 0, value_name = "N")]
    port_offset: u16,
    /// The deployment's domain
    #[arg(
        long,
        env = "DOMAIN",
        default_value = "localhost",
        value_name = "DOMAIN"
    )]
    domain: String,
    /// The deployment's services speak TLS
    #[arg(long, env = "TLS", value_parser = kit::config::flag)]
    tls: bool,
    /// The certificate authorities of https.
    #[command(flatten)]
    trust: TrustArgs,
    /// The operator's key; a file is safer
    #[arg(
        long,
        env = "IDP_OPERATOR_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    operator_key: Option<String>,
    /// File that holds IDP_OPERATOR_KEY
    #[arg(long, env = "IDP_OPERATOR_KEY_FILE", value_name = "FILE")]
    operator_key_file: Option<PathBuf>,
    /// State directory of `sso-lab up`; its operator.key is used if no key is given
    #[arg(long, env = "STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl OperatorArgs {
    /// The operator at the provider; bad arguments are printed, with their exit code.
    pub(crate) fn operator(&self) -> Result<Operator, ExitCode> {
        let mut problems = Problems::new();
        match self.read(&mut problems) {
            Some(operator) if problems.is_empty() => Ok(operator),
            _ => Err(refuse("sso-lab", &problems)),
        }
    }

    fn read(&self, problems: &mut Problems) -> Option<Operator> {
        let addresses = if self.tls {
            Addresses::over_tls(&self.domain, self.port_offset)
        } else {
            Addresses::new("http", &self.domain, self.port_offset)
        };
        let url = match &self.idp_grpc_url {
            Some(url) => problems.http_url("IDP_GRPC_URL", url),
            None => addresses.grpc_url(Site::Idp),
        };
        let kept = self
            .state_dir
            .as_ref()
            .map(|dir| dir.join(idp::OPERATOR_KEY_FILE));
        let file = match (&self.operator_key, &self.operator_key_file) {
            (None, None) => kept.as_deref(),
            (_, file) => file.as_deref(),
        };
        let key = problems.secret("IDP_OPERATOR_KEY", self.operator_key.as_deref(), file);
        if key.is_none() && problems.is_empty() {
            problems.add(
                "IDP_OPERATOR_KEY",
                "needed: give it, --operator-key-file FILE, or --state-dir DIR of `sso-lab up`",
            );
        }
        let trust = self.trust.read_with(self.state_dir.as_deref(), problems);
        let url = url?;
        let channel = trust?.grpc_channel(&url);
        let channel = channel.map_err(|error| problems.add("IDP_GRPC_URL", error));
        Some(Operator {
            channel: channel.ok()?,
            key: key?,
            url,
        })
    }
}

/// An operator.
pub(crate) struct Operator {
    /// The connection to the provider's gRPC.
    pub(crate) channel: Channel,
    key: SecretString,
    url: String,
}

impl Operator {
    /// `message` with the operator's key.
    pub(crate) fn request<T>(&self, message: T) -> Result<Request<T>, Status> {
        let credentials = format!("Bearer {}", self.key.expose_secret());
        grpc_kit::authorized(message, &credentials)
            .map_err(|_| Status::invalid_argument("the operator's key fits no header"))
    }

    /// Prints the outcome of a call, with its exit code.
    pub(crate) fn finish(&self, done: Result<String, Status>) -> ExitCode {
        exit_code(done.map(print).map_err(|status| self.in_words(&status)))
    }

    /// Why a call failed.
    fn in_words(&self, status: &Status) -> String {
        let url = &self.url;
        match status.code() {
            Code::Unauthenticated => format!("{url}: this is not its operator's key"),
            Code::Unimplemented => {
                format!("{url}: no operator's service there; the provider needs IDP_OPERATOR_KEY")
            }
            Code::Unavailable => format!("{url}: not reached: {}", status.message()),
            _ => status.message().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        at: OperatorArgs,
    }

    fn operator(flags: &[&str]) -> Result<Operator, Vec<String>> {
        let program = Program::parse_from([&["program"], flags].concat());
        let mut problems = Problems::new();
        let operator = program.at.read(&mut problems);
        operator.ok_or_else(|| problems.lines().to_vec())
    }

    #[tokio::test]
    async fn the_address_follows_the_deployments_flags() {
        let key = ["--operator-key", "k"];
        let found = operator(&[&key[..], &["--port-offset", "1000"]].concat());
        assert_eq!(found.ok().unwrap().url, "http://idp.localhost:10081");
        let found = operator(&[&key[..], &["--idp-grpc-url", "http://x:1"]].concat());
        assert_eq!(found.ok().unwrap().url, "http://x:1");
        let found = operator(&[&key[..], &["--tls"]].concat());
        assert_eq!(found.ok().unwrap().url, "https://idp.localhost:9081");
    }

    #[tokio::test]
    async fn the_key_comes_from_the_state_directory_too() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().to_str().unwrap();
        assert!(operator(&["--state-dir", dir]).is_err());
        std::fs::write(home.path().join("operator.key"), "kept\n").unwrap();
        let found = operator(&["--state-dir", dir]).ok().unwrap();
        assert_eq!(found.key.expose_secret(), "kept");
        assert!(operator(&[]).err().unwrap()[0].contains("--state-dir"));
    }
}
