//! `--state-dir`: keys that outlive the process, shared by the replicas of one machine.
//! Without it they last as long as the process. The directory may be read-only (a mounted
//! Secret) if it contains all files.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{files, random::Random, seal::KEY_LEN};

/// The directory of the keys, if there is one.
#[derive(Clone, Debug, Default)]
pub struct StateDir(Option<Arc<PathBuf>>);

impl StateDir {
    /// The directory `path`, created with mode 0700 if it does not exist.
    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        if let Some(path) = path.as_ref().filter(|path| !path.is_dir()) {
            // The mode of an existing directory is its owner's choice.
            let made = fs::create_dir_all(path).and_then(|()| restrict(path, 0o700));
            made.map_err(|error| said(&error, path.display()))?;
        }
        Ok(Self(path.map(Arc::new)))
    }

    /// The path of `name` in the directory, if there is one.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|dir| dir.join(name))
    }

    /// The content of `name`, created by `make` if it does not exist. Two processes that
    /// start at once get the same content: a file is put in place whole, and never
    /// replaced.
    pub fn load_or_create(
        &self,
        name: &str,
        make: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        let Some(path) = self.path(name) else {
            return make();
        };
        match files::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            read => return read.map_err(|error| said(&error, path.display())),
        }
        let content = make()?;
        let kept = put_new(&path, &content);
        kept.map_err(|error| {
            let what = format_args!("{} does not exist and cannot be created", path.display());
            said(&error, what)
        })
    }

    /// The same for a text: a key as PEM, a password. The text may begin with the byte order
    /// mark of an editor, which is removed.
    pub fn load_or_create_text(
        &self,
        name: &str,
        make: impl FnOnce() -> io::Result<String>,
    ) -> io::Result<String> {
        let bytes = self.load_or_create(name, || make().map(String::into_bytes))?;
        files::text(bytes).map_err(|error| said(&error, name))
    }

    /// Writes `content` as `name` for others to read, atomically, unless the file has that
    /// content. Does nothing without a directory. In a read-only directory the file may be
    /// missing (its owner distributes the content another way), but not different.
    pub fn publish(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let Some(path) = self.path(name) else {
            return Ok(());
        };
        let before = files::read(&path).ok();
        if before.as_deref() == Some(content) {
            return Ok(());
        }
        let draft = draft_of(&path);
        let written = fs::write(&draft, content)
            .and_then(|()| restrict(&draft, 0o600))
            .and_then(|()| fs::rename(&draft, &path));
        match written {
            Err(error) if is_read_only(&error) && before.is_none() => Ok(()),
            Err(error) => {
                let what = format_args!("{} has other content than expected", path.display());
                Err(said(&error, what))
            }
            Ok(()) => Ok(()),
        }
    }

    /// The master sealing key `name`, created if it does not exist.
    pub fn sealing_key(&self, name: &str, random: &dyn Random) -> io::Result<[u8; KEY_LEN]> {
        let bytes = self.load_or_create(name, || Ok(random.bytes::<KEY_LEN>().to_vec()))?;
        sealing_key_of(name, bytes)
    }

    /// The master sealing keys `name`, for a [`Keyring`](crate::seal::Keyring): the current
    /// one, then `<name>.previous` if it exists. To rotate, rename the current one to that
    /// and restart: a new one is created, and the old one still opens what it sealed.
    pub fn sealing_keys(&self, name: &str, random: &dyn Random) -> io::Result<Vec<[u8; KEY_LEN]>> {
        let mut keys = vec![self.sealing_key(name, random)?];
        let previous = format!("{name}.previous");
        if let Some(path) = self.path(&previous) {
            match files::read(&path) {
                Ok(bytes) => keys.push(sealing_key_of(&previous, bytes)?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(said(&error, previous)),
            }
        }
        Ok(keys)
    }
}

fn sealing_key_of(name: &str, bytes: Vec<u8>) -> io::Result<[u8; KEY_LEN]> {
    bytes.try_into().map_err(|bytes: Vec<u8>| {
        let what = format!(
            "{name} has {} bytes; a sealing key has {KEY_LEN}",
            bytes.len()
        );
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

/// Writes `content` to `path` atomically, unless the file exists. Returns the file's content.
fn put_new(path: &Path, content: &[u8]) -> io::Result<Vec<u8>> {
    let draft = draft_of(path);
    let mut file = fs::File::create(&draft)?;
    restrict(&draft, 0o600)?;
    file.write_all(content)?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => files::read(path),
    }
}

/// `error` with its subject.
fn said(error: &io::Error, what: impl fmt::Display) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Whether the directory cannot be written: a read-only mount, or another user's.
fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

/// A name for the draft, different for each writer (and for each thread of a process).
fn draft_of(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{count}.draft", std::process::id()))
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    #[test]
    fn many_at_once_agree_on_one_key() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(Some(home.path().join("state"))).unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let key = || dir.sealing_key("k", &OsRandom).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(key)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(fs::read_dir(home.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_left_as_it_is_and_what_cannot_be_made_is_named() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(Some(home.path().join("state"))).unwrap();
        let path = |name: &str| dir.path(name).unwrap();
        fs::write(path("k"), b"here").unwrap();
        let modified = || fs::metadata(path("k")).unwrap().modified().unwrap();
        let before = modified();
        let read = dir.load_or_create("k", || panic!("it is there"));
        assert_eq!(read.unwrap(), b"here");
        dir.publish("k", b"here").unwrap();
        assert_eq!(modified(), before);
        dir.publish("k", b"anew").unwrap();
        assert_eq!(fs::read(path("k")).unwrap(), b"anew");
        fs::remove_dir_all(home.path().join("state")).unwrap();
        let made = dir.load_or_create("k", || Ok(b"x".to_vec())).unwrap_err();
        let said = made.to_string();
        assert!(
            said.contains("/state/k does not exist and cannot be created"),
            "{said}"
        );
        let published = dir.publish("k", b"x").unwrap_err().to_string();
        assert!(published.contains("/state/k"), "{published}");
        fs::write(home.path().join("file"), b"").unwrap();
        let below = StateDir::open(Some(home.path().join("file/state")));
        assert!(below.unwrap_err().to_string().contains("file/state: "));
    }

    #[test]
    fn without_a_directory_each_key_is_new() {
        let dir = StateDir::default();
        assert_ne!(
            dir.sealing_key("k", &OsRandom).unwrap(),
            dir.sealing_key("k", &OsRandom).unwrap()
        );
    }

    #[test]
    fn a_renamed_key_still_counts_and_a_new_one_comes_first() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(Some(home.path().join("state"))).unwrap();
        let first = dir.sealing_keys("s.key", &OsRandom).unwrap();
        let path = |name: &str| dir.path(name).unwrap();
        fs::rename(path("s.key"), path("s.key.previous")).unwrap();
        let rotated = dir.sealing_keys("s.key", &OsRandom).unwrap();
        assert_eq!((rotated.len(), rotated[1]), (2, first[0]));
        assert_ne!(rotated[0], first[0]);
        assert_eq!(dir.sealing_keys("s.key", &OsRandom).unwrap(), rotated);
        fs::write(path("s.key.previous"), b"short").unwrap();
        assert!(dir.sealing_keys("s.key", &OsRandom).is_err());
        let nowhere = StateDir::default().sealing_keys("s.key", &OsRandom);
        assert_eq!(nowhere.unwrap().len(), 1);
    }
}
