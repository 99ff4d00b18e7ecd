//! The command line of `sso-lab batch`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::Args;
use kit::config::{Addresses, Problems, Site};
use secrecy::SecretString;

use super::{KeyArgs, KeyClient, MTLS_DEMO_ID, MtlsArgs, MtlsClient, orders};
use crate::client::{Deployment, DeploymentArgs};

/// The client's secret in the built-in configuration.
const DEMO_SECRET: &str = "batch-secret";
/// The maximum number of orders in flight: more would wait for one record of API-1.
const MAX_CONCURRENCY: usize = 32;
/// The maximum number of attempts for an order.
const MAX_TRIES: u32 = 20;

/// Place a list of orders as a program, for itself or for a user whom it may name
///
/// Gets an access token for each API by the client credentials grant (RFC 6749
/// section 4.4), or with a key by the JWT bearer grant (RFC 7523), uses it until it ends, and renews it once for all orders in flight.
/// API-1 takes orders over HTTP, API-2 takes reservations over gRPC.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct BatchArgs {
    /// The orders, a JSON object on each line; - is the standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Orders in flight at a time, from 1 to 32
    #[arg(long, default_value = "4", value_name = "N")]
    concurrency: String,
    /// Attempts for an order, from 1 to 20
    #[arg(long, default_value = "5", value_name = "N")]
    tries: String,
    /// One JSON object a line, for programs
    #[arg(long)]
    json: bool,
    /// The deployment.
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// API-2's gRPC address [default: its port 9085 at --domain, moved by --port-offset]
    #[arg(
        long,
        env = "API2_GRPC_URL",
        value_name = "URL",
        help_heading = "The deployment"
    )]
    api2_grpc_url: Option<String>,
    /// The client.
    #[command(flatten)]
    client: ClientCredentialsArgs,
    /// Its key.
    #[command(flatten)]
    key: KeyArgs,
    /// Its certificate.
    #[command(flatten)]
    mtls: MtlsArgs,
    /// The user whose orders they are, by name or sub; a client with a key may name some users [default: the client itself]
    #[arg(
        long = "as",
        env = "BATCH_USER",
        value_name = "USER",
        help_heading = "A client with a key (JWT bearer)"
    )]
    user: Option<String>,
}

/// A client that acts for itself.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The client of client credentials")]
pub(crate) struct ClientCredentialsArgs {
    /// Its client_id
    #[arg(
        id = "client_id",
        long = "client-id",
        env = "BATCH_CLIENT_ID",
        default_value = "batch",
        value_name = "ID"
    )]
    id: String,
    /// Its secret. Other users of this machine can read a flag; a file is safer [default on localhost: the demo's]
    #[arg(
        id = "client_secret",
        long = "client-secret",
        env = "BATCH_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    secret: Option<String>,
    /// File that holds BATCH_CLIENT_SECRET
    #[arg(
        id = "client_secret_file",
        long = "client-secret-file",
        env = "BATCH_CLIENT_SECRET_FILE",
        value_name = "FILE"
    )]
    secret_file: Option<PathBuf>,
}

const HELP: &str = r#"Examples:
  sso-lab batch orders.jsonl
  jq -c '.[]' orders.json | sso-lab batch --json > results.jsonl
  sso-lab batch --client-id batch-jwt --state-dir .state --as alice orders.jsonl
  sso-lab batch --client-id batch-mtls --state-dir .state orders.jsonl
  sso-lab batch --concurrency 16 --client-secret-file /run/secrets/batch orders.jsonl

Each line is an order. "api" is api-1 (the default: places an order) or api-2
(reserves stock):
  {"item": "tea-pot", "quantity": 1}
  {"api": "api-2", "item": "chess-set", "quantity": 2}
A line has 4096 bytes at most. Empty lines are left out.

On a terminal a bar shows the progress, and only what failed has a line. Elsewhere
each order has a line.

An order is sent again only if nothing was done: there was no connection, the API
asked for another token (401), or it refused for now (408, 429), for as long as
Retry-After says, 60 s at most. Where the answer was lost or is a server error, the
order may have been placed. It is not sent again and counts as unknown: look
before you send it again. Orders of one API wait while that API asks to wait.

Ctrl-C sends no more orders and waits for those in flight; a second one ends at once.

Exit code 0 when all orders are done, 1 when one is not, 2 for a bad argument."#;

/// A client that acts for itself, checked.
pub(crate) struct ClientCredentials {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
}

/// The client that places the orders.
pub(crate) enum BatchClient {
    /// With a secret: for itself.
    Secret(ClientCredentials),
    /// With a key: for itself, or for a user.
    Key(KeyClient),
    /// With a certificate: for itself.
    Mtls(MtlsClient),
}

/// [`BatchArgs`], checked.
pub(super) struct Plan {
    pub(super) source: Box<dyn BufRead + Send>,
    /// The number of orders, if it is known.
    pub(super) total: Option<u64>,
    pub(super) concurrency: usize,
    pub(super) tries: u32,
    pub(super) as_json: bool,
    pub(super) client: BatchClient,
    pub(super) deployment: Deployment,
    pub(super) api2_grpc: String,
}

impl BatchArgs {
    /// Checks everything and adds every error to `problems`.
    pub(super) fn read(&self, problems: &mut Problems) -> Option<Plan> {
        let deployment = self.deployment.read(self.key.places().1, problems);
        let addresses = deployment.as_ref().map(|all| &all.addresses);
        let client = addresses.and_then(|all| self.client(all, problems));
        let api2_grpc = match (&self.api2_grpc_url, addresses) {
            (Some(url), _) => problems.http_url("API2_GRPC_URL", url),
            (None, addresses) => addresses.and_then(|all| all.grpc_url(Site::Api2)),
        };
        let concurrency: Option<usize> = problems.parse("--concurrency", &self.concurrency);
        if concurrency.is_some_and(|n| !(1..=MAX_CONCURRENCY).contains(&n)) {
            let what = format_args!("from 1 to {MAX_CONCURRENCY}");
            problems.add("--concurrency", what);
        }
        let tries: Option<u32> = problems.parse("--tries", &self.tries);
        if tries.is_some_and(|n| !(1..=MAX_TRIES).contains(&n)) {
            problems.add("--tries", format_args!("from 1 to {MAX_TRIES}"));
        }
        let source = self.source();
        let source = source.map_err(|error| problems.add(self.file.display(), error));
        let (source, total) = source.ok()?;
        Some(Plan {
            source,
            total,
            concurrency: concurrency?,
            tries: tries?,
            as_json: self.json,
            client: client?,
            deployment: deployment?,
            api2_grpc: api2_grpc?,
        })
    }

    /// The client: with its certificate or its key if there is one, else with its secret.
    fn client(&self, addresses: &Addresses, problems: &mut Problems) -> Option<BatchClient> {
        let before = problems.lines().len();
        let id = &self.client.id;
        let (key_file, state_dir) = self.key.places();
        let mtls = self.mtls.read(id, key_file, state_dir, addresses, problems);
        let key = match mtls {
            None if problems.lines().len() == before => {
                self.key.read(id, self.user.as_deref(), problems)
            }
            _ => None,
        };
        // Unless it was said what is wrong with the one that is given.
        if mtls.is_none() && id == MTLS_DEMO_ID && problems.lines().len() == before {
            let what = "batch-mtls needs its certificate, or --state-dir with the CA of the \
                        deployment on this machine";
            problems.add("BATCH_CLIENT_CERTIFICATE_FILE", what);
        }
        if problems.lines().len() > before {
            return None;
        }
        match (mtls, key, &self.user) {
            (Some(mtls), _, None) => Some(BatchClient::Mtls(mtls)),
            (_, Some(key), _) => Some(BatchClient::Key(key)),
            (_, None, Some(_)) => {
                let what = "needs a client with a key: --client-id with --client-key-file, or \
                            --client-id batch-jwt with the deployment's --state-dir";
                problems.add("--as", what);
                None
            }
            (None, None, None) => self
                .client
                .read(addresses, problems)
                .map(BatchClient::Secret),
        }
    }

    /// The orders, and their number where a file can be read twice.
    fn source(&self) -> io::Result<(Box<dyn BufRead + Send>, Option<u64>)> {
        if self.file == Path::new("-") {
            return Ok((Box::new(BufReader::new(io::stdin())), None));
        }
        let open = || File::open(&self.file).map(BufReader::new);
        let mut file = open()?;
        let is_regular = file.get_ref().metadata()?.is_file();
        if !is_regular {
            // A directory is refused here, at once.
            file.fill_buf()?;
            return Ok((Box::new(file), None));
        }
        let total = orders::count(file)?;
        Ok((Box::new(open()?), Some(total)))
    }
}

impl ClientCredentialsArgs {
    /// The client; the demo's on localhost. An error if there is none.
    fn read(&self, addresses: &Addresses, problems: &mut Problems) -> Option<ClientCredentials> {
        let before = problems.lines().len();
        let client = self.read_optional(addresses, problems);
        if client.is_none() && problems.lines().len() == before {
            let what = "needed: the demo's secret serves localhost only";
            problems.add("BATCH_CLIENT_SECRET", what);
        }
        client
    }

    /// The same where it may be left out. An empty secret is none.
    pub(crate) fn read_optional(
        &self,
        addresses: &Addresses,
        problems: &mut Problems,
    ) -> Option<ClientCredentials> {
        let given = self.secret.as_deref();
        let given = given.filter(|text| !text.is_empty());
        let secret = match (&self.secret, &self.secret_file) {
            (None, None) if addresses.is_localhost() => Some(DEMO_SECRET.into()),
            (_, file) => problems.secret("BATCH_CLIENT_SECRET", given, file.as_deref()),
        };
        let id = self.id.clone();
        secret.map(|secret| ClientCredentials { id, secret })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn read(flags: &[&str]) -> Result<Plan, Vec<String>> {
        let cli = Cli::parse_from([&["sso-lab", "batch"], flags].concat());
        let Command::Batch(args) = cli.into_command() else {
            panic!("batch is a command");
        };
        let mut problems = Problems::new();
        match args.read(&mut problems) {
            Some(plan) if problems.is_empty() => Ok(plan),
            _ => Err(problems.lines().to_vec()),
        }
    }

    fn secret(plan: &Plan) -> &str {
        match &plan.client {
            BatchClient::Secret(client) => client.secret.expose_secret(),
            _ => panic!("it has a key"),
        }
    }

    #[test]
    fn a_user_is_named_by_a_client_with_a_key_alone() {
        let lines = read(&["--as", "alice"]).err().unwrap();
        assert!(
            lines[0].starts_with("--as: needs a client with a key"),
            "{lines:?}"
        );
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().to_str().unwrap();
        let own = ["--client-id", "batch-jwt", "--state-dir", dir];
        for (more, subject) in [(&[][..], "batch-jwt"), (&["--as", "alice"], "alice")] {
            let plan = read(&[&own[..], more].concat()).ok().unwrap();
            let BatchClient::Key(client) = plan.client else {
                panic!("it has a key");
            };
            assert_eq!(client.subject(), subject);
        }
        // The other clients have none there.
        let plan = read(&["--state-dir", dir]).ok().unwrap();
        assert_eq!(secret(&plan), "batch-secret");
    }

    #[test]
    fn the_demos_secret_is_the_default_on_localhost_only() {
        let plan = read(&["--port-offset", "1000"]).ok().unwrap();
        assert_eq!(secret(&plan), "batch-secret");
        assert_eq!(plan.api2_grpc, "http://api2.localhost:10085");
        assert_eq!(plan.deployment.api1, "http://api1.localhost:9084");
        let public = ["--domain", "example.com", "--public-scheme", "https"];
        let lines = read(&public).err().unwrap();
        assert!(
            lines[0].starts_with("BATCH_CLIENT_SECRET: needed"),
            "{lines:?}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "own\n").unwrap();
        let own = ["--client-secret-file", file.path().to_str().unwrap()];
        let plan = read(&[&public[..], &own].concat()).ok().unwrap();
        assert_eq!(secret(&plan), "own");
    }

    #[test]
    fn every_bad_argument_is_named_at_once() {
        let lines = read(&[
            "/nowhere",
            "--concurrency",
            "33",
            "--tries",
            "0",
            "--api1-url",
            "ftp://x",
            "--client-secret-file",
            "/nowhere",
        ]);
        let lines = lines.err().unwrap();
        for key in ["/nowhere: ", "--concurrency", "--tries", "API1_URL"] {
            let named = lines.iter().filter(|line| line.starts_with(key)).count();
            assert_eq!(named, 1, "{key}: {lines:?}");
        }
    }

    #[test]
    fn the_orders_of_a_file_are_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{}\n\n {}\r\n{}").unwrap();
        let plan = read(&[file.path().to_str().unwrap()]).ok().unwrap();
        assert_eq!(plan.total, Some(3));
        assert_eq!(read(&[]).ok().unwrap().total, None);
    }
}
