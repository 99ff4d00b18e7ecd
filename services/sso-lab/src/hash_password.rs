//! `sso-lab config hash-password`: the hash of a password for a user's table.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use kit::{
    config::{Problems, refuse},
    files,
    random::OsRandom,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::output::print;

/// The maximum size of the input in bytes: more than the longest password.
const MAX_INPUT: u64 = 4096;

/// The source of the password.
#[derive(Args, Debug)]
pub struct HashArgs {
    /// File that contains the password; without it, the terminal or the standard input is read
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Prints the hash. The exit code is 0, or 2 for an invalid password.
pub fn run(args: &HashArgs) -> ExitCode {
    let hash = args
        .password()
        .and_then(|password| idp::hash_password(password.expose_secret(), &OsRandom));
    match hash {
        Ok(hash) => {
            print(hash);
            ExitCode::SUCCESS
        }
        Err(what) => refuse("sso-lab", &Problems::one("password", what)),
    }
}

impl HashArgs {
    fn password(&self) -> Result<SecretString, String> {
        let read = match &self.password_file {
            Some(file) => File::open(file)
                .and_then(read)
                .map_err(|error| format!("{}: {error}", file.display())),
            None if io::stdin().is_terminal() => {
                rpassword::prompt_password("Password: ").map_err(|error| error.to_string())
            }
            None => read(io::stdin().lock()).map_err(|error| error.to_string()),
        };
        read.map(SecretString::from)
    }
}

/// The text without its line end, up to the limit.
fn read(from: impl Read) -> io::Result<String> {
    let bytes = files::read_from(from, MAX_INPUT)?;
    Ok(files::line(files::text(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_password_without_its_end() {
        assert_eq!(read(&b"tea pot \r\n"[..]).unwrap(), "tea pot ");
        assert_eq!(read(&b"tea"[..]).unwrap(), "tea");
        assert_eq!(read(&b"\xef\xbb\xbftea\n"[..]).unwrap(), "tea");
        assert!(read(&[b'x'; 5000][..]).is_err());
        assert!(read(&b"\xff\n"[..]).is_err());
    }
}
