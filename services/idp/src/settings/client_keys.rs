//! The public keys of a client that uses `private_key_jwt`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
};

use jsonwebtoken::Algorithm;
use kit::files;
use token_verify::keys::KeySet;

/// The algorithms that clients may sign assertions with.
pub const ASSERTION_ALGORITHMS: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::PS256,
    Algorithm::EdDSA,
    Algorithm::RS256,
];

/// Names of [`ASSERTION_ALGORITHMS`], for metadata.
pub const ASSERTION_ALGORITHM_NAMES: [&str; 4] = ["ES256", "PS256", "EdDSA", "RS256"];

/// The most bytes of a JWKS file.
pub(super) const MAX_FILE: u64 = 64 * 1024;

/// The source of the keys.
#[derive(Clone, Debug)]
pub enum ClientKeys {
    /// A JWKS file, read again when no known key has signed an assertion.
    File(PathBuf),
    /// In the configuration.
    Inline(serde_json::Value),
}

/// Why the keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClientKeysError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// It is no JWKS.
    #[error("not a JWKS (RFC 7517 section 5): {0}")]
    Malformed(serde_json::Error),
    /// It is too long.
    #[error("longer than {MAX_FILE} bytes")]
    TooLong,
    /// No key in it verifies signatures.
    #[error("it has no public key for ES256, PS256, EdDSA or RS256")]
    NoKey,
}

impl ClientKeysError {
    /// Whether the file does not exist yet.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

impl ClientKeys {
    /// Reads the keys. It blocks.
    pub fn read(&self) -> Result<KeySet, ClientKeysError> {
        let set = KeySet::parse(&self.document()?).map_err(ClientKeysError::Malformed)?;
        if set.serves(&ASSERTION_ALGORITHMS) {
            Ok(set)
        } else {
            Err(ClientKeysError::NoKey)
        }
    }

    /// The JWKS as text. It blocks.
    pub(super) fn document(&self) -> Result<Vec<u8>, ClientKeysError> {
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
        Ok(document)
    }
}
