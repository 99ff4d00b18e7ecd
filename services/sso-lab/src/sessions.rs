//! `sso-lab sessions`: lists and ends the sessions of a running deployment.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use kit::config::{Addresses, Problems, Site, TrustArgs, refuse};
use secrecy::{ExposeSecret as _, SecretString};
use sso_proto::idp::{
    EndSessionsRequest, ListSessionsRequest, LoginSession, end_sessions_request::Which,
    sessions_client::SessionsClient,
};
use tonic::{Code, Request, Status, transport::Channel};
use web_kit::ui::utc;

use crate::output::{exit_code, print};

/// The commands for sessions.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List the users who are signed in at the identity provider
    #[command(after_help = "The sid in the first column is what `sessions revoke --sid` takes.")]
    List {
        /// Only the sessions of this user, by user name or sub
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// The provider and the operator's key.
        #[command(flatten)]
        at: OperatorArgs,
    },
    /// End sessions, also in the apps that were opened with them
    #[command(
        after_help = "Exit code 0 when they have ended, 1 when not (or there are none), 2 for a bad argument."
    )]
    Revoke {
        /// The sessions to end.
        #[command(flatten)]
        which: WhichArgs,
        /// The provider and the operator's key.
        #[command(flatten)]
        at: OperatorArgs,
    },
}

/// The sessions to end.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct WhichArgs {
    /// All sessions of this user, by user name or sub
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The session with this id (see `sessions list`)
    #[arg(long, value_name = "SID")]
    sid: Option<String>,
}

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

/// Runs the command. The exit code is 0, 1 after a failure, or 2 for bad arguments.
pub async fn run(command: &SessionsCommand) -> ExitCode {
    let (SessionsCommand::List { at, .. } | SessionsCommand::Revoke { at, .. }) = command;
    let mut problems = Problems::new();
    let operator = match at.read(&mut problems) {
        Some(operator) if problems.is_empty() => operator,
        _ => return refuse("sso-lab", &problems),
    };
    let done = match command {
        SessionsCommand::List { user, .. } => operator.list(user.clone().unwrap_or_default()).await,
        SessionsCommand::Revoke { which, .. } => operator.revoke(which).await,
    };
    let done = done.map(print);
    exit_code(done.map_err(|status| operator.in_words(&status)))
}

impl OperatorArgs {
    fn read(&self, problems: &mut Problems) -> Option<Operator> {
        let addresses = Addresses::new("http", &self.domain, self.port_offset);
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
        let trust = self.trust.read(problems);
        let url = url?;
        let channel = trust?.grpc_channel(&url);
        let channel = channel.map_err(|error| problems.add("IDP_GRPC_URL", error));
        Some(Operator {
            client: SessionsClient::new(channel.ok()?),
            key: key?,
            url,
        })
    }
}

struct Operator {
    client: SessionsClient<Channel>,
    key: SecretString,
    url: String,
}

impl Operator {
    fn request<T>(&self, message: T) -> Result<Request<T>, Status> {
        let credentials = format!("Bearer {}", self.key.expose_secret());
        grpc_kit::authorized(message, &credentials)
            .map_err(|_| Status::invalid_argument("the operator's key fits no header"))
    }

    async fn list(&self, user: String) -> Result<String, Status> {
        let mut asked = ListSessionsRequest {
            user,
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let request = self.request(asked.clone())?;
            let page = self.client.clone().list(request).await?.into_inner();
            all.extend(page.sessions);
            if page.next_page_token.is_empty() {
                return Ok(table(&all));
            }
            asked.page_token = page.next_page_token;
        }
    }

    async fn revoke(&self, which: &WhichArgs) -> Result<String, Status> {
        let which = match (&which.user, &which.sid) {
            (Some(user), _) => Some(Which::User(user.clone())),
            (None, sid) => sid.clone().map(Which::Sid),
        };
        let request = self.request(EndSessionsRequest { which })?;
        let ended = self.client.clone().end(request).await?.into_inner().ended;
        match ended {
            0 => Err(Status::not_found("there is no session to end")),
            1 => Ok("1 session ended".to_owned()),
            many => Ok(format!("{many} sessions ended")),
        }
    }

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

fn table(sessions: &[LoginSession]) -> String {
    if sessions.is_empty() {
        return "Nobody is signed in.".to_owned();
    }
    let at = |secs: i64| utc(kit::clock::Timestamp::from_secs(secs));
    let mut rows = vec![["SID", "USER", "SINCE", "UNTIL", "APPS", "DEVICE"].map(str::to_owned)];
    rows.extend(sessions.iter().map(|session| {
        let user = match session.username.as_str() {
            "" => &session.sub,
            name => name,
        };
        [
            session.sid.clone(),
            user.to_owned(),
            at(session.began_at),
            at(session.expires_at),
            session.clients.join(","),
            session.device.clone(),
        ]
    }));
    let widths: [usize; 6] = std::array::from_fn(|at| {
        rows.iter()
            .map(|row| row[at].chars().count())
            .max()
            .unwrap_or(0)
    });
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn operator(flags: &[&str]) -> Result<Operator, Vec<String>> {
        let cli = Cli::parse_from([&["sso-lab", "sessions", "list"], flags].concat());
        let Some(Command::Sessions(command)) = cli.command else {
            panic!("sessions is a command");
        };
        let SessionsCommand::List { at, .. } = *command else {
            panic!("list is one of sessions");
        };
        let mut problems = Problems::new();
        let operator = at.read(&mut problems);
        operator.ok_or_else(|| problems.lines().to_vec())
    }

    #[tokio::test]
    async fn the_address_follows_the_deployments_flags() {
        let key = ["--operator-key", "k"];
        let found = operator(&[&key[..], &["--port-offset", "1000"]].concat());
        assert_eq!(found.ok().unwrap().url, "http://idp.localhost:10081");
        let found = operator(&[&key[..], &["--idp-grpc-url", "http://x:1"]].concat());
        assert_eq!(found.ok().unwrap().url, "http://x:1");
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

    #[test]
    fn a_user_or_a_sid_is_named_and_not_both() {
        let parse = |flags: &[&str]| {
            Cli::try_parse_from([&["sso-lab", "sessions", "revoke"], flags].concat())
        };
        assert!(parse(&["--user", "alice"]).is_ok());
        assert!(parse(&["--sid", "x"]).is_ok());
        for wrong in [&[][..], &["--user", "alice", "--sid", "x"]] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn the_table_lines_up() {
        let session = |sid: &str, username: &str| LoginSession {
            sid: sid.into(),
            sub: "u-1".into(),
            username: username.into(),
            clients: vec!["app1".into(), "app2".into()],
            device: "Firefox on Linux".into(),
            ..Default::default()
        };
        let shown = table(&[session("a", "alice"), session("longer", "")]);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3);
        let column = lines[0].find("USER").unwrap();
        assert!(lines[1][column..].starts_with("alice  "), "{shown}");
        assert!(lines[2][column..].starts_with("u-1    "), "{shown}");
        assert!(lines[1].contains("app1,app2  Firefox on Linux"), "{shown}");
    }
}
