//! The public keys of a client that authenticates by them.

use std::{
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
};

use kit::files;
use token_verify::keys::KeySet;

use crate::client_auth::ALGORITHMS;

/// The most bytes of a JWKS file.
const MAX_FILE: u64 = 64 * 1024;

/// Where they are.
#[derive(Clone, Debug)]
pub enum ClientKeys {
    /// In a JWKS file, read at the start and again for a key that is not known.
    File(PathBuf),
    /// Here.
    Inline(serde_json::Value),
}

/// Why they are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ClientKeysError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// There is something else in it.
    #[error("not a JWKS (RFC 7517 section 5): {0}")]
    Malformed(serde_json::Error),
    /// It is longer than any of ours.
    #[error("longer than {MAX_FILE} bytes")]
    TooLong,
    /// Nothing in it checks a signature.
    #[error("no public key for ES256, PS256, EdDSA or RS256 is in it")]
    NoKey,
}

impl ClientKeysError {
    /// Whether the file is just not there yet.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

impl ClientKeys {
    /// Reads them. It blocks.
    pub fn read(&self) -> Result<KeySet, ClientKeysError> {
        let mut document = match self {
            Self::Inline(value) => value.to_string().into_bytes(),
            Self::File(path) => {
                let mut document = Vec::new();
                let read = File::open(path)
                    .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut document));
                read.map_err(|error| ClientKeysError::Unreadable {
                    path: path.clone(),
                    error,
                })?;
                document
            }
        };
        if document.len() as u64 > MAX_FILE {
            return Err(ClientKeysError::TooLong);
        }
        files::strip_mark(&mut document);
        let set = KeySet::parse(&document).map_err(ClientKeysError::Malformed)?;
        if set.serves(&ALGORITHMS) {
            Ok(set)
        } else {
            Err(ClientKeysError::NoKey)
        }
    }
}
