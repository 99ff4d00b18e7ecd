//! The file of API keys: JSON, written as a whole, by one writer at a time.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use kit::{clock::Timestamp, files, random::Random, state_dir::StateDir};
use oauth_types::Scope;
use serde::{Deserialize, Serialize};

use super::key::{KeyRecord, NewKey, is_id, is_name};
use crate::{READ, WRITE};

/// The version that is written.
const VERSION: u32 = 1;
/// The most keys in a file, ended ones included.
const MAX_KEYS: usize = 1000;
/// The most live keys of one name: rotation needs the old one and the new one.
const LIVE_OF_A_NAME: usize = 2;
/// The longest life of a key.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// How long an ended key stays in the list.
const LISTED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest sentence about malformed JSON, in characters, without its line and column.
const MAX_REASON: usize = 200;

/// The file.
#[derive(Clone, Debug)]
pub struct File(PathBuf);

/// Why the file cannot be read or changed. It never contains a key.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{}: {why}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The cause.
        why: io::Error,
    },
    /// It is no file of API keys.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What was asked for is not possible.
    #[error("{0}")]
    Refused(String),
}

/// A key, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Who has it.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// When it was made, in seconds since the epoch.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// Whether it is valid now.
    pub live: bool,
}

/// The content.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    keys: Vec<KeyRecord>,
}

impl File {
    /// The file at `path`. It may not be there yet.
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Adds a key of `name` that allows `scope` and lives for `life`.
    pub fn add(
        &self,
        name: &str,
        scope: &[String],
        life: Duration,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<NewKey, FileError> {
        let refuse = |why: String| Err(FileError::Refused(why));
        if !is_name(name) {
            return refuse(format!(
                "{name:?}: a name has 1 to 64 small letters, digits and hyphens"
            ));
        }
        if let Some(unknown) = scope
            .iter()
            .find(|one| ![READ, WRITE].contains(&one.as_str()))
        {
            return refuse(format!(
                "{unknown:?}: the scopes of API-1 are {READ} and {WRITE}"
            ));
        }
        if scope.is_empty() || life.as_secs() == 0 || life > LONGEST {
            return refuse("a key needs a scope, and lives from 1 second to 366 days".to_owned());
        }
        let scope = scope.iter().map(String::as_str).collect();
        let key = NewKey::make(name, scope, (now, now + life), random);
        let new = key.record.clone();
        self.change(|keys| {
            keys.retain(|key| now.secs() < (Timestamp::from_secs(key.expires_at) + LISTED).secs());
            let is_of_name = |key: &&KeyRecord| key.name == new.name && key.is_live(now);
            if keys.iter().filter(is_of_name).count() >= LIVE_OF_A_NAME {
                return Err(format!(
                    "{name} has {LIVE_OF_A_NAME} live keys, the most for a rotation: revoke one first"
                ));
            }
            if keys.len() >= MAX_KEYS {
                return Err(format!("there are {MAX_KEYS} keys, the most"));
            }
            keys.push(new);
            Ok(())
        })?;
        Ok(key)
    }

    /// Removes the key `which`, or all keys of the name `which`; returns how many.
    pub fn revoke(&self, which: &str) -> Result<usize, FileError> {
        let mut revoked = 0;
        self.change(|keys| {
            let before = keys.len();
            keys.retain(|key| key.id != which && key.name != which);
            revoked = before - keys.len();
            if revoked == 0 {
                return Err(format!("{which:?}: no key has this id, or this name"));
            }
            Ok(())
        })?;
        Ok(revoked)
    }

    /// All keys, by name and age.
    pub fn list(&self, now: Timestamp) -> Result<Vec<Listed>, FileError> {
        let mut all: Vec<_> = self
            .read()?
            .into_iter()
            .map(|key| Listed {
                live: key.is_live(now),
                id: key.id,
                name: key.name,
                scope: key.scope,
                created_at: key.created_at,
                expires_at: key.expires_at,
            })
            .collect();
        all.sort_by(|a, b| (&a.name, a.created_at).cmp(&(&b.name, b.created_at)));
        Ok(all)
    }

    /// When it was last changed, and its size; `None` if it is not there.
    pub(super) fn stamp(&self) -> Option<(SystemTime, u64)> {
        let about = fs::metadata(&self.0).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    /// What is in it; nothing if it is not there.
    pub(super) fn read(&self) -> Result<Vec<KeyRecord>, FileError> {
        match files::read_text(&self.0) {
            Ok(text) => self.parse(&text),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(why) => Err(self.failed(why)),
        }
    }

    fn parse(&self, text: &str) -> Result<Vec<KeyRecord>, FileError> {
        let unreadable = |why: String| FileError::Unreadable {
            path: self.0.clone(),
            why,
        };
        let content: Content =
            serde_json::from_str(text).map_err(|error| unreadable(reason(&error)))?;
        if content.version != VERSION {
            let version = content.version;
            return Err(unreadable(format!("version {version} is not known here")));
        }
        let keys = content.keys;
        let mut ids: Vec<_> = keys.iter().map(|key| &key.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let sound = |key: &KeyRecord| is_id(&key.id) && is_name(&key.name) && !key.hash.is_empty();
        if keys.len() > MAX_KEYS || ids.len() < keys.len() || !keys.iter().all(sound) {
            return Err(unreadable(
                "a key's id or name is wrong, or there twice".to_owned(),
            ));
        }
        Ok(keys)
    }

    /// Changes the content; no other writer comes between.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<KeyRecord>) -> Result<(), String>,
    ) -> Result<(), FileError> {
        let _lock = FileLock::of(self).map_err(|why| self.failed(why))?;
        let mut keys = self.read()?;
        change(&mut keys).map_err(FileError::Refused)?;
        let content = Content {
            version: VERSION,
            keys,
        };
        let text = format!("{:#}\n", serde_json::json!(content));
        let folder = self
            .0
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        let written =
            StateDir::open(Some(folder)).and_then(|dir| dir.publish(&name, text.as_bytes()));
        written.map_err(|why| self.failed(why))?;
        // A read-only directory takes nothing and says nothing.
        let kept = files::read(&self.0).map_err(|why| self.failed(why))?;
        if kept != text.as_bytes() {
            return Err(self.failed(io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        Ok(())
    }

    fn failed(&self, why: io::Error) -> FileError {
        FileError::Io {
            path: self.0.clone(),
            why,
        }
    }
}

/// The lock of one writer, a file beside the keys.
struct FileLock(PathBuf);

impl FileLock {
    fn of(file: &File) -> io::Result<Self> {
        let mut path = file.0.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
        {
            Ok(_) => Ok(Self(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let why = format!(
                    "another command changes it; if none runs, remove {}",
                    path.display()
                );
                Err(io::Error::new(error.kind(), why))
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // What stays is named by the next command.
        let _ = fs::remove_file(&self.0);
    }
}

/// Says what is wrong with the JSON. `serde_json` repeats unknown names and values in full:
/// a long one is cut, and the place in the file is kept.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(MAX_REASON) {
        None => text,
        Some((end, _)) => {
            let (line, column) = (error.line(), error.column());
            format!("{}… at line {line} column {column}", &text[..end])
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
