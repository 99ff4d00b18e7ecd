//! `sso-lab keys api`: adds, lists and revokes API keys, in the file that API-1 reads
//! (API1_KEYS_FILE).

use std::{path::PathBuf, process::ExitCode};

use api_1::{
    KEYS_FILE,
    api_keys::{File, Listed},
};
use clap::{Args, Subcommand};
use kit::{
    clock::{Clock as _, SystemClock, Timestamp},
    config::{Problems, refuse},
    random::OsRandom,
};
use web_kit::ui::utc;

use crate::output::{complain, exit_code, print};

/// The commands for API keys.
#[derive(Debug, Subcommand)]
pub enum ApiCommand {
    /// Make a key and print it, once
    ///
    /// To rotate a key, add a second one of the same name, give it to whoever has the
    /// first, and revoke the first by its id.
    #[command(
        after_help = "The key is the only line of the standard output. The file keeps a hash of it."
    )]
    Add {
        /// Who has it: small letters, digits and hyphens; at most two live keys have the same name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What it allows, once for each scope
        #[arg(long, value_name = "SCOPE", default_value = "https://api-1/read")]
        scope: Vec<String>,
        /// How long it lives, at most 366d
        #[arg(long, default_value = "90d", value_name = "TIME")]
        expires: String,
        /// The file of keys.
        #[command(flatten)]
        at: FileArgs,
    },
    /// List the keys: ids, names, scopes and ends, never a key
    List {
        /// The file of keys.
        #[command(flatten)]
        at: FileArgs,
    },
    /// Revoke a key by its id, or all keys of a name
    #[command(
        after_help = "API-1 refuses the key within a second of reading the file. Exit code 1 if there is none."
    )]
    Revoke {
        /// The id or the name (see `keys api list`)
        #[arg(value_name = "ID|NAME")]
        which: String,
        /// The file of keys.
        #[command(flatten)]
        at: FileArgs,
    },
}

/// Where the keys are.
#[derive(Args, Debug)]
pub struct FileArgs {
    /// The file of keys [default: api-1-keys.json in --state-dir]
    #[arg(long, env = "API1_KEYS_FILE", value_name = "FILE")]
    file: Option<PathBuf>,
    /// State directory of the deployment
    #[arg(long, env = "STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl FileArgs {
    fn read(&self, problems: &mut Problems) -> Option<File> {
        let kept = self.state_dir.as_ref().map(|dir| dir.join(KEYS_FILE));
        let path = self.file.clone().or(kept);
        if path.is_none() {
            problems.add(
                "API1_KEYS_FILE",
                "needed: give --file FILE or --state-dir DIR",
            );
        }
        path.map(File::at)
    }
}

/// Runs the command.
pub(super) fn run(command: &ApiCommand) -> ExitCode {
    let mut problems = Problems::new();
    let (ApiCommand::Add { at, .. } | ApiCommand::List { at } | ApiCommand::Revoke { at, .. }) =
        command;
    let file = at.read(&mut problems);
    let life = match command {
        ApiCommand::Add { expires, .. } => problems.time("--expires", expires),
        ApiCommand::List { .. } | ApiCommand::Revoke { .. } => None,
    };
    let Some(file) = file.filter(|_| problems.is_empty()) else {
        return refuse("sso-lab", &problems);
    };
    let now = SystemClock.now();
    let done = match command {
        ApiCommand::Add { name, scope, .. } => {
            let life = life.unwrap_or_default();
            file.add(name, scope, life, now, &OsRandom).map(|key| {
                let (id, until) = (&key.id, utc(now + life));
                complain(format_args!(
                    "key {id} of {name}, valid until {until}; it is shown once"
                ));
                key.text
            })
        }
        ApiCommand::List { .. } => file.list(now).map(|keys| table(&keys)),
        ApiCommand::Revoke { which, .. } => file.revoke(which).map(|revoked| match revoked {
            1 => "1 key revoked".to_owned(),
            many => format!("{many} keys revoked"),
        }),
    };
    exit_code(done.map(print))
}

fn table(keys: &[Listed]) -> String {
    if keys.is_empty() {
        return "There are no API keys.".to_owned();
    }
    let mut rows = vec![["ID", "NAME", "SCOPE", "SINCE", "UNTIL", "STATE"].map(str::to_owned)];
    let at = |secs| utc(Timestamp::from_secs(secs));
    rows.extend(keys.iter().map(|key| {
        let state = if key.live { "live" } else { "ended" };
        [
            key.id.clone(),
            key.name.clone(),
            key.scope.to_string().replace(' ', ","),
            at(key.created_at),
            at(key.expires_at),
            state.to_owned(),
        ]
    }));
    crate::output::columns(&rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        keys::KeysCommand,
    };

    fn command(flags: &[&str]) -> ApiCommand {
        let cli = Cli::parse_from([&["sso-lab", "keys", "api"], flags].concat());
        let Command::Keys(command) = cli.into_command() else {
            panic!("keys is a command");
        };
        let KeysCommand::Api(command) = *command else {
            panic!("api is one of keys");
        };
        command
    }

    #[test]
    fn a_key_is_added_listed_and_revoked_in_the_state_directory() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().to_str().unwrap();
        let run = |flags: &[&str]| {
            let done = run(&command(&[flags, &["--state-dir", dir]].concat()));
            format!("{done:?}") == format!("{:?}", ExitCode::SUCCESS)
        };
        assert!(run(&["list"]));
        assert!(run(&["add", "--name", "shop"]));
        assert!(home.path().join(KEYS_FILE).exists());
        assert!(!run(&["add", "--name", "shop", "--scope", "openid"]));
        assert!(!run(&["add", "--name", "shop", "--expires", "never"]));
        assert!(run(&["list"]));
        assert!(run(&["revoke", "shop"]));
        assert!(!run(&["revoke", "shop"]));
    }

    #[test]
    fn a_list_shows_ids_names_and_states() {
        let key = Listed {
            id: "0123456789abcdef".to_owned(),
            name: "shop".to_owned(),
            scope: ["https://api-1/read", "https://api-1/write"]
                .into_iter()
                .collect(),
            created_at: 0,
            expires_at: 1,
            live: false,
        };
        let table = table(&[key]);
        let last = table.lines().last().unwrap();
        assert!(last.starts_with("0123456789abcdef  shop  https://api-1/read,https://api-1/write"));
        assert!(last.ends_with("ended"), "{last}");
    }
}
