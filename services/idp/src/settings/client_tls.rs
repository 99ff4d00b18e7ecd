//! The certificates by which clients authenticate over TLS (RFC 8705 §2), and whether
//! their tokens are bound to them (§3).

use std::{io, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kit::{
    files,
    x509::{Certificate, ExpectedName},
};
use serde::Deserialize;

use super::{
    AuthMethod, ClientKeys,
    client_keys::{ClientKeysError, MAX_FILE},
    reader::Reader,
    tables::ClientTable,
};

/// The most certificates of one client: the current one and those of a rotation.
const MAX_CERTIFICATES: usize = 16;

/// How a client is known by its TLS certificate.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// The name that its certificate has (`tls_client_auth`, RFC 8705 §2.1.2).
    pub name: Option<ExpectedName>,
    /// Its registered certificates (`self_signed_tls_client_auth`, §2.2.2).
    pub registered: Option<CertificateSource>,
    /// Whether its access tokens are bound to its certificate (§3.4).
    pub bound_tokens: bool,
}

/// Where the registered certificates of a client are.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// The first certificate in `x5c` of each key of its JWKS (RFC 7517 §4.7).
    Jwks(ClientKeys),
    /// A PEM file.
    Pem(PathBuf),
}

/// Why the certificates cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The JWKS cannot be read.
    #[error(transparent)]
    Jwks(#[from] ClientKeysError),
    /// It is no JWKS, or an `x5c` is no array of base64.
    #[error("not a JWKS with certificates in x5c (RFC 7517 section 4.7)")]
    Malformed,
    /// No certificate, or too many.
    #[error("it has {0} certificates; from 1 to {MAX_CERTIFICATES} are expected")]
    Count(usize),
    /// It is no certificate.
    #[error("certificate {0} cannot be read (RFC 5280)")]
    NoCertificate(usize),
}

impl CertificatesError {
    /// Whether the file does not exist yet.
    fn is_missing(&self) -> bool {
        match self {
            Self::Unreadable { error, .. } => error.kind() == io::ErrorKind::NotFound,
            Self::Jwks(error) => error.is_missing(),
            _ => false,
        }
    }
}

impl CertificateSource {
    /// The certificates, as DER. It blocks.
    pub fn read(&self) -> Result<Vec<Vec<u8>>, CertificatesError> {
        let all = match self {
            Self::Jwks(keys) => of_jwks(&keys.document()?)?,
            Self::Pem(path) => of_pem(path)?,
        };
        if !(1..=MAX_CERTIFICATES).contains(&all.len()) {
            return Err(CertificatesError::Count(all.len()));
        }
        let wrong = all.iter().position(|der| Certificate::read(der).is_err());
        match wrong {
            Some(at) => Err(CertificatesError::NoCertificate(at + 1)),
            None => Ok(all),
        }
    }
}

fn of_jwks(document: &[u8]) -> Result<Vec<Vec<u8>>, CertificatesError> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<Key>,
    }
    #[derive(Deserialize)]
    struct Key {
        #[serde(default)]
        x5c: Vec<String>,
    }
    let malformed = |_| CertificatesError::Malformed;
    let jwks: Jwks = serde_json::from_slice(document).map_err(malformed)?;
    let own = jwks.keys.iter().filter_map(|key| key.x5c.first());
    let decoded = own.map(|text| STANDARD.decode(text));
    let decoded: Result<_, _> = decoded.collect();
    decoded.map_err(|_| CertificatesError::Malformed)
}

fn of_pem(path: &std::path::Path) -> Result<Vec<Vec<u8>>, CertificatesError> {
    let unreadable = |error| CertificatesError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let bytes = files::read_from(file, MAX_FILE).map_err(unreadable)?;
    // The library's own words quote the text.
    let wrong = |_| {
        unreadable(io::Error::new(
            io::ErrorKind::InvalidData,
            "not PEM (RFC 7468)",
        ))
    };
    let all = pem::parse_many(&bytes).map_err(wrong)?;
    let all = all.into_iter().filter(|one| one.tag() == "CERTIFICATE");
    Ok(all.map(pem::Pem::into_contents).collect())
}

/// Reads the name in one of the members.
type Parse = fn(&str) -> Result<ExpectedName, String>;

/// The members that name a client's certificate (RFC 8705 §2.1.2), and what they are set to.
fn names(table: &ClientTable) -> [(&'static str, &Option<String>, Parse); 5] {
    [
        (
            "tls_client_auth_subject_dn",
            &table.tls_client_auth_subject_dn,
            ExpectedName::subject,
        ),
        (
            "tls_client_auth_san_dns",
            &table.tls_client_auth_san_dns,
            ExpectedName::dns,
        ),
        (
            "tls_client_auth_san_uri",
            &table.tls_client_auth_san_uri,
            ExpectedName::uri,
        ),
        (
            "tls_client_auth_san_ip",
            &table.tls_client_auth_san_ip,
            ExpectedName::ip,
        ),
        (
            "tls_client_auth_san_email",
            &table.tls_client_auth_san_email,
            ExpectedName::email,
        ),
    ]
}

impl Reader<'_> {
    /// How the client is known by its certificate, and whether its methods have what
    /// they need.
    pub(super) fn client_tls(
        &mut self,
        key: impl Fn(&str) -> String,
        auth: &[AuthMethod],
        table: &ClientTable,
    ) -> ClientTls {
        ClientTls {
            name: self.expected_name(&key, auth, table),
            registered: self.registered(&key, auth, table),
            bound_tokens: table.tls_client_certificate_bound_access_tokens,
        }
    }

    /// RFC 8705 §2.1.2: exactly one of the five.
    fn expected_name(
        &mut self,
        key: impl Fn(&str) -> String,
        auth: &[AuthMethod],
        table: &ClientTable,
    ) -> Option<ExpectedName> {
        let all = names(table);
        let set: Vec<_> = all
            .iter()
            .filter_map(|(name, text, parse)| Some((*name, text.as_deref()?, *parse)))
            .collect();
        let is_used = auth.contains(&AuthMethod::TlsClientAuth);
        match set[..] {
            [] if is_used => {
                let names = all.map(|(name, ..)| name).join(", ");
                let what = format_args!(
                    "tls_client_auth needs exactly one of {names} (RFC 8705 section 2.1.2)"
                );
                self.wrong(key("auth"), what);
                None
            }
            [] => None,
            [(name, ..), ..] if !is_used => {
                self.wrong(key(name), "needs the method tls_client_auth");
                None
            }
            [(name, text, parse)] => {
                let parsed = parse(text);
                parsed.map_err(|what| self.wrong(key(name), what)).ok()
            }
            [(first, ..), (second, ..), ..] => {
                let what = format_args!(
                    "set beside {first}; exactly one of them is possible (RFC 8705 section 2.1.2)"
                );
                self.wrong(key(second), what);
                None
            }
        }
    }

    /// RFC 8705 §2.2.2. A file in the state directory may be missing, as a JWKS may.
    fn registered(
        &mut self,
        key: impl Fn(&str) -> String,
        auth: &[AuthMethod],
        table: &ClientTable,
    ) -> Option<CertificateSource> {
        const FILE: &str = "tls_client_certificate_file";
        let file = table.tls_client_certificate_file.as_deref();
        if !auth.contains(&AuthMethod::SelfSignedTls) {
            if file.is_some() {
                self.wrong(key(FILE), "needs the method self_signed_tls_client_auth");
            }
            return None;
        }
        let (name, source, may_be_missing) = match (file, &table.jwks, &table.jwks_file) {
            (Some(file), ..) => {
                let source = CertificateSource::Pem(self.at(file));
                (FILE, source, file.is_relative())
            }
            (None, Some(jwks), _) => {
                let keys = ClientKeys::Inline(jwks.clone());
                ("jwks", CertificateSource::Jwks(keys), false)
            }
            (None, None, Some(file)) => {
                let keys = ClientKeys::File(self.at(file));
                let source = CertificateSource::Jwks(keys);
                ("jwks_file", source, file.is_relative())
            }
            (None, None, None) => {
                let what = "self_signed_tls_client_auth needs the client's certificate: this file, \
                            or x5c in jwks or jwks_file (RFC 8705 section 2.2.2)";
                self.wrong(key(FILE), what);
                return None;
            }
        };
        match source.read() {
            Err(error) if !(may_be_missing && error.is_missing()) => self.wrong(key(name), error),
            _ => {}
        }
        Some(source)
    }
}

#[cfg(test)]
mod tests;
