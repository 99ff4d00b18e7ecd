//! `sso-lab sessions`: lists and ends the sessions of a running deployment.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use sso_proto::idp::{
    EndSessionsRequest, ListSessionsRequest, LoginSession, end_sessions_request::Which,
    sessions_client::SessionsClient,
};
use tonic::Status;
use web_kit::ui::utc;

use crate::{
    operator::{Operator, OperatorArgs},
    output::columns,
};

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

/// Runs the command. The exit code is 0, 1 after a failure, or 2 for bad arguments.
pub async fn run(command: &SessionsCommand) -> ExitCode {
    let (SessionsCommand::List { at, .. } | SessionsCommand::Revoke { at, .. }) = command;
    let operator = match at.operator() {
        Ok(operator) => operator,
        Err(refused) => return refused,
    };
    let done = match command {
        SessionsCommand::List { user, .. } => {
            list(&operator, user.clone().unwrap_or_default()).await
        }
        SessionsCommand::Revoke { which, .. } => revoke(&operator, which).await,
    };
    operator.finish(done)
}

async fn list(operator: &Operator, user: String) -> Result<String, Status> {
    let mut asked = ListSessionsRequest {
        user,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let request = operator.request(asked.clone())?;
        let page = SessionsClient::new(operator.channel.clone())
            .list(request)
            .await?
            .into_inner();
        all.extend(page.sessions);
        if page.next_page_token.is_empty() {
            return Ok(table(&all));
        }
        asked.page_token = page.next_page_token;
    }
}

async fn revoke(operator: &Operator, which: &WhichArgs) -> Result<String, Status> {
    let which = match (&which.user, &which.sid) {
        (Some(user), _) => Some(Which::User(user.clone())),
        (None, sid) => sid.clone().map(Which::Sid),
    };
    let request = operator.request(EndSessionsRequest { which })?;
    let ended = SessionsClient::new(operator.channel.clone())
        .end(request)
        .await?
        .into_inner()
        .ended;
    match ended {
        0 => Err(Status::not_found("there is no session to end")),
        1 => Ok("1 session ended".to_owned()),
        many => Ok(format!("{many} sessions ended")),
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
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

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
