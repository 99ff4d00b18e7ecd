//! Certificate and key files of one's own.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    Error, InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

use crate::{certified_key::certified_key, clock::Timestamp, files, pem};

/// The maximum number of certificates in a file: a server's own, and the authorities
/// between it and a trusted one.
const MAX_CHAIN: usize = 10;

/// Which of the two files is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// The certificate and its chain.
    Certificate,
    /// The private key.
    Key,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file.
    pub of: Member,
    /// The reason, with the file's name.
    pub what: String,
}

/// Reads the certificate chain (PEM, the server's own certificate first) and its private
/// key (PEM: PKCS #8, PKCS #1 or SEC 1). All errors at once.
pub fn read(
    certificate: &Path,
    key: &Path,
    now: Timestamp,
) -> Result<Arc<CertifiedKey>, Vec<FileError>> {
    let mut errors = Vec::new();
    let mut add = |of: Member, path: &Path, what: &dyn fmt::Display| {
        let what = format!("{}: {what}", path.display());
        errors.push(FileError { of, what });
    };
    let chain = read_chain(certificate, now);
    let chain = chain.map_err(|what| add(Member::Certificate, certificate, &what));
    let private = read_key(key).map_err(|what| add(Member::Key, key, &what));
    if let (Ok(chain), Ok(private)) = (chain, private) {
        match certified_key(chain, private) {
            Ok(found) => return Ok(found),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let what = format_args!(
                    "not the key of the first certificate in {}",
                    certificate.display()
                );
                add(Member::Key, key, &what);
            }
            Err(why) => add(Member::Key, key, &why),
        }
    }
    Err(errors)
}

fn read_chain(path: &Path, now: Timestamp) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = files::read_text(path).map_err(|error| error.to_string())?;
    let chain = pem::certificates(text.as_bytes())?;
    if chain.len() > MAX_CHAIN {
        return Err(format!("it contains more than {MAX_CHAIN} certificates"));
    }
    let read = x509_parser::parse_x509_certificate(&chain[0]);
    let (_, read) = read.map_err(|why| format!("its first certificate is unusable: {why}"))?;
    let validity = read.validity();
    if validity.not_after.timestamp() < now.secs() {
        return Err(format!("it expired at {}", validity.not_after));
    }
    if validity.not_before.timestamp() > now.secs() {
        return Err(format!("it is not valid before {}", validity.not_before));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = files::read_text(path).map_err(|error| error.to_string())?;
    Ok(pem::private_key(text.as_bytes())?)
}
