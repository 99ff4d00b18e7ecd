//! The command line of `sso-lab check`.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use headless_browser::Transport;
use kit::{
    config::{AddressArgs, Addresses, Problems, Site, TrustArgs, parse_duration},
    net::{AddressOverrides, Trust, is_localhost},
};
use secrecy::SecretString;

use super::{
    browser::USER_AGENT,
    secret_args::{Api1Args, secret},
};
use crate::batch::{
    ClientCredentials, ClientCredentialsArgs, DEMO_ID, KeyArgs, KeyClient, MTLS_DEMO_ID, MtlsArgs,
    MtlsClient,
};

/// The demo's users with their public passwords.
const DEMO: [(&str, &str); 2] = [("alice", "wonderland"), ("bob", "builder")];

/// Run a user's flows against a running deployment, from outside
///
/// Over HTTP, as a browser without JavaScript: health, discovery, keys and refusals;
/// with a user's password also login, single sign-on, both APIs through both apps, an
/// order (with its token exchange), refresh, a native app, a device's sign-in, the end of
/// a session, and back-channel logout. Each step is a line with its duration; a failed
/// step names the cause and the Trace-Id of the response.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct CheckArgs {
    /// The public addresses.
    #[command(flatten)]
    addresses: AddressArgs,
    /// Issuer, exactly as browsers see it [default: the idp's public address]
    #[arg(long, env = "IDP_ISSUER", value_name = "URL")]
    issuer: Option<String>,
    /// Connect to another host:port than the public one; may be given many times
    #[arg(long, env = "CHECK_CONNECT", value_name = "FROM=TO,…")]
    connect: Vec<String>,
    /// APIs that cannot be reached from here: api1, api2
    #[arg(
        long,
        env = "CHECK_WITHOUT",
        value_delimiter = ',',
        value_name = "SERVICE,…"
    )]
    without: Vec<String>,
    /// The user who signs in
    #[arg(long, env = "CHECK_USER", default_value = "alice", value_name = "USER")]
    user: String,
    /// The user's password; a file is safer [default on localhost: the demo's]
    #[arg(
        long,
        env = "CHECK_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    password: Option<String>,
    /// File that holds CHECK_PASSWORD
    #[arg(long, env = "CHECK_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The certificate authorities of https.
    #[command(flatten)]
    trust: TrustArgs,
    /// The time limit of a step
    #[arg(
        long,
        env = "CHECK_TIMEOUT",
        default_value = "15s",
        value_name = "TIME"
    )]
    timeout: String,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// The client that acts for itself.
    #[command(flatten)]
    client: ClientCredentialsArgs,
    /// The key of batch-jwt.
    #[command(flatten)]
    key: KeyArgs,
    /// The certificate of batch-mtls.
    #[command(flatten)]
    mtls: MtlsArgs,
    /// The secrets for API-1.
    #[command(flatten)]
    api1: Api1Args,
}

const HELP: &str = "\
Examples:
  sso-lab check                                   the lab on localhost, as alice
  sso-lab check --port-offset 1000 --json         at other ports, as JSON
  sso-lab check --user bob --password builder
  sso-lab check --domain sso.example.com --public-scheme https
                                                  the steps that need no password
  sso-lab check --domain sso.example.com --public-scheme https \\
      --user probe --password-file /run/secrets/probe
  sso-lab check --connect idp.localhost:8081=idp:8081,app1.localhost:8082=app1-bff:8082 \\
      --connect app2.localhost:8083=app2-bff:8083 --without api1,api2
                                                  inside a cluster, through its Services

Steps: without a password, only those that need none (--password '' turns off the
demo's password); without a client's secret, none of client credentials
(--client-secret '' turns off the demo's secret); without the key of batch-jwt
(--state-dir, --client-key-file), none of JWT bearer; without the certificate of
batch-mtls (--state-dir, --client-certificate-file; a self-signed one has to be
registered for the client), none of mTLS; without the
secret of API-1's client (--api1-client-secret '' turns off the demo's secret), none
of introspection; without an API key (--api1-key-file), none of API keys. A user's flows
run in the session mode of each app, or in all four modes where a login may choose
(BFF_SESSION_MODE_CHOICE); there they also run with each way in which an app can get
its credentials. A step that cannot run is skipped and says why.

A refresh cannot be seen directly from outside. A code is redeemed for a token of
one API, so the first call to the other API needs a refresh. The check that an
ended session cannot refresh works the same way.

The check signs out every session that it began. The rest stays and is listed at
the end: in each round two orders, and four reservations of the item with the
highest quantity. Stock is refilled a day after the last reservation; where nothing
is in stock, ordering is skipped and does not fail. A user's 101st order removes
the oldest one, so use a user that exists for the check.

Exit code: 0 if no step has failed, 1 if one has, 2 for a bad argument.";

/// Whether `name` is one of the demo's users, whom the demo's clients may name.
pub(super) fn is_demo_user(name: &str) -> bool {
    DEMO.iter().any(|(demo, _)| *demo == name)
}

/// The user who signs in.
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: SecretString,
}

/// The checked arguments.
pub(super) struct Plan {
    pub(super) addresses: Addresses,
    pub(super) issuer: String,
    pub(super) transport: Transport,
    pub(super) without: BTreeSet<Site>,
    pub(super) user: Option<User>,
    /// The client that acts for itself.
    pub(super) client: Option<ClientCredentials>,
    /// The client that signs assertions.
    pub(super) key_client: Option<KeyClient>,
    /// The client with a certificate.
    pub(super) mtls_client: Option<MtlsClient>,
    /// What https trusts.
    pub(super) trust: Trust,
    /// API-1's own client.
    pub(super) api1_client: Option<ClientCredentials>,
    /// The key of a program without an access token.
    pub(super) api1_key: Option<SecretString>,
    pub(super) as_json: bool,
}

impl CheckArgs {
    /// Checks all arguments, and adds every error to `problems`.
    pub(super) fn read(&self, problems: &mut Problems) -> Option<Plan> {
        let addresses = self.addresses.read(problems);
        let issuer = match (&self.issuer, &addresses) {
            (Some(issuer), _) => problems.own_issuer("IDP_ISSUER", issuer),
            (None, addresses) => addresses.as_ref().map(|all| all.url(Site::Idp)),
        };
        let connect = self.connect.join(",");
        let overrides: Option<AddressOverrides> = connect
            .parse()
            .map_err(|what| problems.add("--connect", what))
            .ok();
        let timeout = match parse_duration(&self.timeout) {
            Ok(time) if time >= Duration::from_millis(10) => Some(time),
            Ok(_) => {
                problems.add("--timeout", "at least 10ms");
                None
            }
            Err(what) => {
                problems.add("--timeout", what);
                None
            }
        };
        let without = self.without(problems);
        let user = self.user(problems);
        let client = addresses
            .as_ref()
            .and_then(|all| self.client.read_optional(all, problems));
        let trust = self.trust.read_with(self.key.places().1, problems);
        // batch-jwt may name the demo's users, and always itself.
        let named = user.as_ref().map(|user| user.name.as_str());
        let named = named.filter(|name| is_demo_user(name));
        let key_client = self.key.read(DEMO_ID, named, problems);
        let (_, state_dir) = self.key.places();
        let mtls_client = addresses
            .as_ref()
            .and_then(|all| self.mtls.read(MTLS_DEMO_ID, None, state_dir, all, problems));
        let api1_client = self.api1.client(self.is_local(), problems);
        let api1_key = self.api1.key(problems);
        let trust = trust?;
        Some(Plan {
            addresses: addresses?,
            issuer: issuer?,
            transport: Transport {
                http: trust.browsers_http_client(),
                overrides: overrides?,
                timeout: timeout?,
                user_agent: USER_AGENT,
            },
            without,
            user,
            client,
            key_client,
            mtls_client,
            trust,
            api1_client,
            api1_key,
            as_json: self.json,
        })
    }

    fn without(&self, problems: &mut Problems) -> BTreeSet<Site> {
        let mut without = BTreeSet::new();
        for name in self.without.iter().filter(|name| !name.is_empty()) {
            match super::APIS.into_iter().find(|site| site.label() == name) {
                Some(site) => drop(without.insert(site)),
                None => problems.add("--without", format_args!("{name:?}: api1 or api2")),
            }
        }
        without
    }

    fn user(&self, problems: &mut Problems) -> Option<User> {
        let demo = DEMO.into_iter().find(|(user, _)| *user == self.user);
        let given = (self.password.as_deref(), self.password_file.as_deref());
        let demo = demo.filter(|_| self.is_local());
        let demo = demo.map(|(_, password)| password);
        let password = secret("CHECK_PASSWORD", given, demo, problems);
        let name = self.user.clone();
        password.map(|password| User { name, password })
    }

    /// Whether the deployment may have the demo's public secrets.
    fn is_local(&self) -> bool {
        is_localhost(&self.addresses.domain)
    }
}

impl Plan {
    /// The public URL of `site`.
    pub(super) fn url(&self, site: Site) -> String {
        if site == Site::Idp {
            self.issuer.clone()
        } else {
            self.addresses.url(site)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn read(flags: &[&str]) -> Result<Plan, Vec<String>> {
        let cli = Cli::parse_from([&["sso-lab", "check"], flags].concat());
        let Command::Check(args) = cli.into_command() else {
            panic!("check is a command");
        };
        let mut problems = Problems::new();
        let plan = args.read(&mut problems);
        match plan {
            Some(plan) if problems.is_empty() => Ok(plan),
            _ => Err(problems.lines().to_vec()),
        }
    }

    fn password(flags: &[&str]) -> Option<String> {
        let user = read(flags).unwrap().user;
        user.map(|user| user.password.expose_secret().to_owned())
    }

    #[test]
    fn the_demos_password_is_the_default_on_localhost_alone() {
        let public = ["--domain", "example.com", "--public-scheme", "https"];
        assert_eq!(password(&[]).as_deref(), Some("wonderland"));
        assert_eq!(password(&["--user", "bob"]).as_deref(), Some("builder"));
        assert_eq!(password(&["--user", "carol"]), None);
        assert_eq!(
            password(&["--domain", "x.localhost"]).as_deref(),
            Some("wonderland")
        );
        assert_eq!(password(&public), None);
        assert_eq!(password(&["--password", ""]), None);
        let own = [&public[..], &["--password", "own"]].concat();
        assert_eq!(password(&own).as_deref(), Some("own"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "kept\n").unwrap();
        let kept = ["--password-file", file.path().to_str().unwrap()];
        assert_eq!(password(&kept).as_deref(), Some("kept"));
    }

    #[test]
    fn every_bad_argument_is_named_at_once() {
        let lines = read(&[
            "--domain",
            "example.com",
            "--port-offset",
            "x",
            "--connect",
            "a:1",
            "--timeout",
            "soon",
            "--without",
            "idp",
            "--password-file",
            "/nowhere",
            "--issuer",
            "x",
        ])
        .err()
        .unwrap();
        for key in [
            "PUBLIC_SCHEME",
            "PORT_OFFSET",
            "--connect",
            "--timeout",
            "--without",
            "CHECK_PASSWORD_FILE",
            "IDP_ISSUER",
        ] {
            let named = lines.iter().filter(|line| line.starts_with(key)).count();
            assert_eq!(named, 1, "{key}: {lines:?}");
        }
        assert_eq!(lines.len(), 7, "{lines:?}");
    }

    #[test]
    fn connect_may_be_given_many_times_and_comma_separated() {
        let flags = [
            "--connect",
            "a.localhost:1=b:2,c.localhost:3=d:4",
            "--connect",
            "e:5=f:6",
        ];
        let expected = "a.localhost:1=b:2,c.localhost:3=d:4,e:5=f:6".parse();
        assert_eq!(read(&flags).unwrap().transport.overrides, expected.unwrap());
    }
}
