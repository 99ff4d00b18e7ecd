//! The saved sign-in: a refresh token in a file that only its owner can read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use kit::files;
use serde::{Deserialize, Serialize};

/// What others may not do with the file.
const OTHERS: u32 = 0o077;
/// The maximum size of the file in bytes.
const MAX_SIZE: u64 = 64 * 1024;

/// Why a sign-in is not saved or not read. Holds no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum SavedError {
    #[error("{file}: {why}")]
    File { file: String, why: io::Error },
    #[error("{file}: others can read it (its mode is {mode:o}): chmod 600 it, or delete it")]
    Open { file: String, mode: u32 },
    #[error("{0}: this is no saved sign-in; delete it, or name another file")]
    Unreadable(String),
    #[error("{file}: it is a sign-in of {client_id:?} at {issuer}; name another file")]
    Foreign {
        file: String,
        client_id: String,
        issuer: String,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    issuer: String,
    client_id: String,
    refresh_token: String,
}

/// A sign-in in a file.
pub(super) struct SavedLogin {
    /// As the user named it.
    file: PathBuf,
    /// What is replaced at a renewal: the file itself, where the user named a link to it. A
    /// file in the link's place would leave the refresh token of before in the other one,
    /// and its reuse ends the sign-in.
    target: PathBuf,
}

impl SavedLogin {
    /// In `file`, whose directory has to exist.
    pub(super) fn at(file: PathBuf) -> Result<Self, SavedError> {
        let target = if file.is_symlink() {
            // A link to nothing is replaced: there is no token elsewhere.
            fs::canonicalize(&file).unwrap_or_else(|_| file.clone())
        } else {
            file.clone()
        };
        let saved = Self { file, target };
        if saved.file.file_name().is_none() {
            return Err(saved.failed(io::ErrorKind::IsADirectory.into()));
        }
        if !saved.directory().is_dir() {
            let why = format!("there is no directory {}", saved.directory().display());
            return Err(saved.failed(io::Error::other(why)));
        }
        Ok(saved)
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The refresh token, if one is saved. It is for `client_id` at `issuer` only.
    pub(super) fn load(&self, issuer: &str, client_id: &str) -> Result<Option<String>, SavedError> {
        let file = match fs::File::open(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| self.failed(error))?,
        };
        let metadata = file.metadata().map_err(|error| self.failed(error))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            let file = self.name();
            return Err(SavedError::Open { file, mode });
        }
        let mut bytes = files::read_from(file, MAX_SIZE).map_err(|error| self.failed(error))?;
        files::strip_mark(&mut bytes);
        // The error of the parser could show a part of the token.
        let content: Content =
            serde_json::from_slice(&bytes).map_err(|_| SavedError::Unreadable(self.name()))?;
        if content.issuer != issuer || content.client_id != client_id {
            return Err(SavedError::Foreign {
                file: self.name(),
                client_id: content.client_id,
                issuer: content.issuer,
            });
        }
        Ok(Some(content.refresh_token))
    }

    /// Saves `refresh_token`: whole or not at all, and never readable by others.
    pub(super) fn store(
        &self,
        issuer: &str,
        client_id: &str,
        refresh_token: &str,
    ) -> Result<(), SavedError> {
        let content = Content {
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            refresh_token: refresh_token.to_owned(),
        };
        let json = serde_json::to_vec(&content).map_err(|error| self.failed(error.into()))?;
        let name = self.target.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let draft = format!(".{name}.{}", std::process::id());
        let draft = self.directory().join(draft);
        let written = write_new(&draft, &json).and_then(|()| fs::rename(&draft, &self.target));
        written.map_err(|error| {
            // What is there of it is of no use.
            let _ = fs::remove_file(&draft);
            self.failed(error)
        })
    }

    fn directory(&self) -> &Path {
        match self.target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }

    fn failed(&self, why: io::Error) -> SavedError {
        let file = self.name();
        SavedError::File { file, why }
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // A draft of a process that was killed.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://idp.example";

    fn saved(folder: &tempfile::TempDir) -> SavedLogin {
        SavedLogin::at(folder.path().join("login")).ok().unwrap()
    }

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_link_stays_and_the_file_that_it_names_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let real = saved(&folder);
        real.store(ISSUER, "tv", "r-1").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("login", &link).unwrap();
        let linked = SavedLogin::at(link.clone()).ok().unwrap();
        assert_eq!(linked.file(), link);
        linked.store(ISSUER, "tv", "r-2").unwrap();
        assert!(link.is_symlink());
        for place in [&real, &linked] {
            let loaded = place.load(ISSUER, "tv").unwrap();
            assert_eq!(loaded.as_deref(), Some("r-2"));
        }
    }

    #[test]
    fn what_is_saved_is_read_again_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let saved = saved(&folder);
        assert!(saved.load(ISSUER, "tv").unwrap().is_none());
        for token in ["r-1", "r-2"] {
            saved.store(ISSUER, "tv", token).unwrap();
            let loaded = saved.load(ISSUER, "tv").unwrap();
            assert_eq!(loaded.as_deref(), Some(token));
            assert_eq!(mode(saved.file()), 0o600);
        }
        // Whatever the mode of the file that it replaces.
        fs::set_permissions(saved.file(), fs::Permissions::from_mode(0o644)).unwrap();
        saved.store(ISSUER, "tv", "r-3").unwrap();
        assert_eq!(mode(saved.file()), 0o600);
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "no draft stays");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let saved = saved(&folder);
        saved.store(ISSUER, "tv", "r-1").unwrap();
        for open in [0o640, 0o604, 0o660] {
            fs::set_permissions(saved.file(), fs::Permissions::from_mode(open)).unwrap();
            let why = saved.load(ISSUER, "tv").unwrap_err().to_string();
            assert!(why.contains(&format!("{open:o}")), "{why}");
        }
    }

    #[test]
    fn rfc6749_10_4_a_refresh_token_goes_to_its_issuer_as_its_client_only() {
        let folder = tempfile::tempdir().unwrap();
        let saved = saved(&folder);
        saved.store(ISSUER, "tv", "r-1").unwrap();
        for (issuer, client) in [("https://other.example", "tv"), (ISSUER, "radio")] {
            let why = saved.load(issuer, client).unwrap_err().to_string();
            assert!(why.contains(ISSUER) && !why.contains("r-1"), "{why}");
        }
    }

    #[test]
    fn what_is_no_saved_sign_in_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let saved = saved(&folder);
        write_new(saved.file(), b"{\"refresh_token\": \"secret-1\"").unwrap();
        let why = saved.load(ISSUER, "tv").unwrap_err().to_string();
        assert!(!why.contains("secret-1"), "{why}");
        write_new(saved.file(), &vec![b' '; 70_000]).unwrap();
        assert!(saved.load(ISSUER, "tv").is_err());
        assert!(SavedLogin::at("/nowhere/login".into()).is_err());
        assert!(SavedLogin::at("/".into()).is_err());
    }
}
