//! The file of API keys: JSON, written as a whole, by one writer at a time.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use kit::{clock::Timestamp, files, random::Random, state_dir::StateDir};
use oauth_types::Scope;
use serde::{Deserialize, Serialize};

use super::key::{Kept, NewKey, is_id, is_name};
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
    keys: Vec<Kept>,
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
        if scope.is_empty() || life.is_zero() || life > LONGEST {
            return refuse("a key needs a scope, and lives for 366 days at most".to_owned());
        }
        let scope = scope.iter().map(String::as_str).collect();
        let key = NewKey::make(name, scope, (now, now + life), random);
        let new = key.kept.clone();
        self.change(|keys| {
            keys.retain(|key| now.secs() < (Timestamp::from_secs(key.expires_at) + LISTED).secs());
            let is_of_name = |key: &&Kept| key.name == new.name && key.is_live(now);
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
    pub(super) fn read(&self) -> Result<Vec<Kept>, FileError> {
        match files::read_text(&self.0) {
            Ok(text) => self.parse(&text),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(why) => Err(self.failed(why)),
        }
    }

    fn parse(&self, text: &str) -> Result<Vec<Kept>, FileError> {
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
        let sound = |key: &Kept| is_id(&key.id) && is_name(&key.name) && !key.hash.is_empty();
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
        change: impl FnOnce(&mut Vec<Kept>) -> Result<(), String>,
    ) -> Result<(), FileError> {
        let _held = Held::of(self).map_err(|why| self.failed(why))?;
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
struct Held(PathBuf);

impl Held {
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

impl Drop for Held {
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
mod tests {
    use kit::random::SeededRandom;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn file() -> (tempfile::TempDir, File) {
        let home = tempfile::tempdir().unwrap();
        let file = File::at(home.path().join("api-1-keys.json"));
        (home, file)
    }

    fn add(file: &File, name: &str, seed: u64) -> Result<NewKey, FileError> {
        file.add(name, &[READ.to_owned()], DAY, NOW, &SeededRandom::new(seed))
    }

    #[test]
    fn keys_are_added_listed_and_revoked_by_id_or_by_name() {
        let (_home, file) = file();
        assert_eq!(file.list(NOW).unwrap(), []);
        let (first, other) = (
            add(&file, "shop", 1).unwrap(),
            add(&file, "till", 2).unwrap(),
        );
        let listed = file.list(NOW).unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().all(|key| key.live));
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(&first.text) && !text.contains(&other.text));
        assert_eq!(file.revoke(&first.id).unwrap(), 1);
        assert_eq!(file.revoke("till").unwrap(), 1);
        assert!(file.revoke("till").is_err());
        assert_eq!(file.list(NOW).unwrap(), []);
    }

    #[test]
    fn a_rotation_has_two_live_keys_and_no_third() {
        let (_home, file) = file();
        let old = add(&file, "shop", 1).unwrap();
        add(&file, "shop", 2).unwrap();
        let third = add(&file, "shop", 3).err().unwrap().to_string();
        assert!(third.contains("revoke one first"), "{third}");
        file.revoke(&old.id).unwrap();
        add(&file, "shop", 3).unwrap();
        // Ended keys do not count, and leave the list in time.
        let later = NOW + DAY;
        assert!(file.list(later).unwrap().iter().all(|key| !key.live));
        let scope = [WRITE.to_owned()];
        file.add("shop", &scope, DAY, later, &SeededRandom::new(4))
            .unwrap();
        assert_eq!(file.list(later).unwrap().len(), 3);
        let much_later = later + LISTED;
        file.add("shop", &scope, DAY, much_later, &SeededRandom::new(5))
            .unwrap();
        assert_eq!(file.list(much_later).unwrap().len(), 2);
    }

    #[test]
    fn what_no_key_can_have_is_refused_with_a_sentence() {
        let (_home, file) = file();
        let random = SeededRandom::new(1);
        let read = [READ.to_owned()];
        for name in ["", "Shop", "a b", &"a".repeat(65)] {
            assert!(file.add(name, &read, DAY, NOW, &random).is_err(), "{name}");
        }
        let unknown = ["https://api-2/read".to_owned()];
        assert!(file.add("shop", &unknown, DAY, NOW, &random).is_err());
        assert!(file.add("shop", &[], DAY, NOW, &random).is_err());
        assert!(
            file.add("shop", &read, LONGEST + DAY, NOW, &random)
                .is_err()
        );
        assert!(!file.path().exists());
    }

    #[test]
    fn a_file_of_another_kind_is_not_overwritten() {
        let (_home, file) = file();
        for text in [
            "",
            "[]",
            "{\"version\": 2, \"keys\": []}",
            "{\"version\": 1, \"keys\": [{}]}",
        ] {
            fs::write(file.path(), text).unwrap();
            assert!(add(&file, "shop", 1).is_err(), "{text}");
            assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        }
    }

    #[test]
    fn an_error_names_the_place_and_cuts_what_it_repeats() {
        let (_home, file) = file();
        let text = format!("{{\"version\": 1,\n\"{}\": []}}", "vér".repeat(20_000));
        let error = file.parse(&text).err().unwrap().to_string();
        assert!(error.contains("unknown field `vérvér"), "{error}");
        assert!(error.contains("… at line 2 column "), "{error}");
        assert!(error.chars().count() < 400, "{error}");
    }

    #[test]
    fn two_writers_do_not_lose_a_key() {
        let (_home, file) = file();
        let held = Held::of(&file).unwrap();
        let refused = add(&file, "shop", 1).err().unwrap().to_string();
        assert!(refused.contains("another command changes it"), "{refused}");
        drop(held);
        add(&file, "shop", 1).unwrap();
    }

    #[test]
    fn fuzz_the_file_of_api_keys() {
        let (_home, file) = file();
        add(&file, "shop", 1).unwrap();
        add(&file, "till", 2).unwrap();
        let seed = fs::read_to_string(file.path()).unwrap();
        let empty = r#"{"version": 1, "keys": []}"#;
        fuzz::run_text(&[&seed, empty], |text| match file.parse(text) {
            Ok(keys) => {
                assert!(keys.len() <= MAX_KEYS);
                let mut ids: Vec<_> = keys.iter().map(|key| &key.id).collect();
                ids.sort_unstable();
                assert!(
                    ids.windows(2).all(|two| two[0] != two[1]),
                    "two with one id"
                );
                assert!(keys.iter().all(|key| is_id(&key.id) && is_name(&key.name)));
            }
            Err(error) => assert!(error.to_string().len() < 10_000, "{error}"),
        });
    }
}
