//! The command line of every binary. An environment variable that is empty, or white space
//! alone, counts as unset, for every setting: compose files, unit files and charts often
//! cannot unset one.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command, Parser, error::ErrorKind};

use super::is_blank;

/// Reads the command line and the environment. Ends the process if they are invalid (exit
/// code 2), and after help and version.
pub fn parse_args<P: Parser>() -> P {
    let arguments: Vec<_> = std::env::args_os().collect();
    read(&arguments, counts_as_unset).unwrap_or_else(|error| error.exit())
}

fn counts_as_unset(variable: &OsStr) -> bool {
    let value = std::env::var_os(variable);
    value.is_some_and(|value| value.to_str().is_some_and(is_blank))
}

/// Reads `arguments`; `ignored` variables count as unset.
fn read<P: Parser>(arguments: &[OsString], ignored: fn(&OsStr) -> bool) -> Result<P, clap::Error> {
    let mut command = without(P::command(), ignored);
    match command.try_get_matches_from_mut(arguments) {
        Ok(mut matches) => {
            P::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
        }
        // Help lists every variable, the blank ones too.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            let shown = P::command().try_get_matches_from(arguments);
            Err(shown.err().unwrap_or(error))
        }
        Err(error) => Err(error),
    }
}

/// `command` and its subcommands, without the `ignored` variables.
fn without(command: Command, ignored: fn(&OsStr) -> bool) -> Command {
    let unread = |arg: Arg| {
        if arg.get_env().is_some_and(ignored) {
            arg.env(None)
        } else {
            arg
        }
    };
    let command = command.mut_args(unread);
    command.mut_subcommands(|below| without(below, ignored))
}

#[cfg(test)]
mod tests {
    use clap::{Args, Subcommand};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        own: Own,
        #[command(subcommand)]
        command: Option<Below>,
    }

    // Variables that cargo sets in each test stand in for settings.
    #[derive(Args, Debug)]
    struct Own {
        #[arg(long, env = "CARGO_PKG_NAME", default_value = "the default")]
        name: String,
        #[arg(long, env = "CARGO_MANIFEST_DIR")]
        dir: Option<std::path::PathBuf>,
    }

    #[derive(Debug, Subcommand)]
    enum Below {
        Deep {
            #[arg(long, env = "CARGO_PKG_NAME")]
            name: Option<String>,
        },
    }

    fn read_as(arguments: &[&str], ignored: fn(&OsStr) -> bool) -> Result<Program, clap::Error> {
        let arguments = [&["program"], arguments].concat();
        read(
            &arguments.iter().map(OsString::from).collect::<Vec<_>>(),
            ignored,
        )
    }

    #[test]
    fn a_variable_that_counts_as_unset_leaves_the_default_in_every_subcommand_too() {
        let program = read_as(&["deep"], |_| false).unwrap();
        assert_eq!(
            (&*program.own.name, program.own.dir.is_some()),
            ("kit", true)
        );
        let Some(Below::Deep { name }) = program.command else {
            panic!("deep is a subcommand");
        };
        assert_eq!(name.as_deref(), Some("kit"));
        let program = read_as(&["deep"], |_| true).unwrap();
        assert_eq!((&*program.own.name, program.own.dir), ("the default", None));
        let Some(Below::Deep { name: None }) = program.command else {
            panic!("nothing names it");
        };
    }

    #[test]
    fn an_empty_flag_is_still_what_the_flag_says() {
        let program = read_as(&["--name", ""], |_| true).unwrap();
        assert_eq!(program.own.name, "");
        assert!(
            read_as(&["--dir", ""], |_| true).is_err(),
            "a path is not empty"
        );
    }

    #[test]
    fn help_lists_the_variables_all_the_same() {
        let help = read_as(&["--help"], |_| true).unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
        assert!(help.to_string().contains("[env: CARGO_PKG_NAME"), "{help}");
    }
}
