//! The ports that ask clients for a certificate (mutual TLS, RFC 8705).

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use clap::Args;
use rustls::sign::CertifiedKey;

use super::{Problems, TlsSettings, tls::read_files};
use crate::{
    clock::{Clock as _, SystemClock},
    files,
    net::{ClientIdentity, Trust},
    random::OsRandom,
    state_dir::StateDir,
    tls::{
        Acceptor, AlternativeName, Authority, Certificates, ClientCertificates, Identity, Protocol,
    },
    x509::Authorities,
};

/// Flags and environment of these ports.
#[derive(Args, Clone, Debug)]
pub struct MtlsArgs {
    /// Whether the identity provider and API-1 have a port that asks clients for a certificate (mTLS): on or off
    #[arg(long, env = "MTLS", default_value = "on", value_name = "on|off")]
    pub mtls: String,
    /// Certificate (PEM) that the mTLS port presents [default: TLS_CERT_FILE; else the lab's CA issues one]
    #[arg(long, env = "MTLS_CERTIFICATE_FILE", value_name = "FILE")]
    pub mtls_certificate_file: Option<PathBuf>,
    /// Private key (PEM) of MTLS_CERTIFICATE_FILE; it may be in the same file
    #[arg(long, env = "MTLS_KEY_FILE", value_name = "FILE")]
    pub mtls_key_file: Option<PathBuf>,
    /// Certificate authorities (PEM) that vouch for clients of the mTLS port [default: the lab's CA]
    #[arg(long, env = "MTLS_CLIENT_CA_FILE", value_name = "FILE")]
    pub mtls_client_ca_file: Option<PathBuf>,
}

/// The certificates of these ports. The lab's CA is read or made when something of it is
/// needed, once for a process.
#[derive(Clone, Debug, Default)]
pub struct Mtls {
    own: Option<Arc<CertifiedKey>>,
    clients: Option<Authorities>,
    lab: Arc<OnceLock<Authority>>,
}

impl MtlsArgs {
    /// Checks all settings; `None` without these ports. `tls` is that of the other ports.
    /// Errors are added to `problems`.
    pub(super) fn read(&self, tls: Option<&TlsSettings>, problems: &mut Problems) -> Option<Mtls> {
        let is_on = match self.mtls.as_str() {
            "on" => true,
            "off" => false,
            other => {
                problems.add("MTLS", format_args!("{other:?}: expected on or off"));
                return None;
            }
        };
        let files = (
            self.mtls_certificate_file.as_deref(),
            self.mtls_key_file.as_deref(),
        );
        let names = ["MTLS_CERTIFICATE_FILE", "MTLS_KEY_FILE"];
        let own = read_files(names, files, SystemClock.now(), problems);
        let clients = self.mtls_client_ca_file.as_deref();
        let clients = clients.and_then(|file| read_authorities(file, problems));
        let (own, lab) = match tls.map(|tls| &tls.certificates) {
            Some(Certificates::Files { own: files, .. }) => {
                (own.or_else(|| Some(Arc::clone(files))), OnceLock::new())
            }
            Some(Certificates::Issued(lab)) => (own, OnceLock::from(lab.clone())),
            None => (own, OnceLock::new()),
        };
        is_on.then(|| Mtls {
            own,
            clients,
            lab: Arc::new(lab),
        })
    }
}

fn read_authorities(file: &Path, problems: &mut Problems) -> Option<Authorities> {
    let pem = files::read_text(file).map_err(|error| error.to_string());
    let read = pem.and_then(|pem| Authorities::in_pem(pem.as_bytes()));
    let wrong = |what| {
        let what = format_args!("{}: {what}", file.display());
        problems.add("MTLS_CLIENT_CA_FILE", what);
    };
    read.map_err(wrong).ok()
}

impl Mtls {
    /// Makes the handshakes of the port of the site `host`, which listens at `addresses`.
    pub(crate) fn acceptor(
        &self,
        host: String,
        addresses: &[IpAddr],
        state_dir: &StateDir,
    ) -> Result<Acceptor, String> {
        let identity = if let Some(own) = &self.own {
            Identity::new(Arc::clone(own))
        } else {
            let issued = Certificates::Issued(self.lab(state_dir)?);
            let identity = issued.identity(&[host], addresses, SystemClock.now());
            identity.map_err(|error| error.to_string())?
        };
        let acceptor = Acceptor::new(identity, Protocol::Http, ClientCertificates::Requested);
        acceptor.map_err(|error| error.to_string())
    }

    /// The authorities that vouch for clients. Errors are added to `problems`.
    pub fn authorities(
        &self,
        state_dir: &StateDir,
        problems: &mut Problems,
    ) -> Option<Authorities> {
        if let Some(clients) = &self.clients {
            return Some(clients.clone());
        }
        let lab = self.lab(state_dir);
        let lab = lab.and_then(|lab| Authorities::in_pem(lab.pem().as_bytes()));
        lab.map_err(|error| problems.add("MTLS", error)).ok()
    }

    /// A new certificate of the lab's CA for the client `name` with these `names`, and whom
    /// it trusts: the same CA, which issues the certificates of the ports.
    pub fn client(
        &self,
        name: &str,
        names: &[AlternativeName],
        state_dir: &StateDir,
    ) -> Result<(ClientIdentity, Trust), String> {
        let lab = self.lab(state_dir)?;
        let issued = lab.client(name, names, SystemClock.now());
        let issued = issued.map_err(|error| error.to_string())?;
        let identity = ClientIdentity::new(vec![issued.certificate], issued.key)?;
        Ok((identity, Trust::in_pem(lab.pem().as_bytes())?))
    }

    /// Whether the ports present a certificate of the lab's CA, which is for the names of
    /// this machine too.
    pub const fn is_of_lab(&self) -> bool {
        self.own.is_none()
    }

    /// Whether the services trust clients' certificates of the lab's CA: no other authorities
    /// are set (`MTLS_CLIENT_CA_FILE`).
    pub const fn trusts_lab(&self) -> bool {
        self.clients.is_none()
    }

    /// The lab's CA.
    fn lab(&self, state_dir: &StateDir) -> Result<Authority, String> {
        if let Some(lab) = self.lab.get() {
            return Ok(lab.clone());
        }
        let now = SystemClock.now();
        let made = match state_dir.path("") {
            Some(_) => Authority::load(state_dir, now, &OsRandom),
            None => Authority::new(now, &OsRandom),
        };
        let made = made.map_err(|error| error.to_string())?;
        // Of two that are made at once without a directory, one counts.
        Ok(self.lab.get_or_init(|| made).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> MtlsArgs {
        MtlsArgs {
            mtls: "on".to_owned(),
            mtls_certificate_file: None,
            mtls_key_file: None,
            mtls_client_ca_file: None,
        }
    }

    fn read(args: &MtlsArgs) -> Result<Option<Mtls>, Vec<String>> {
        let mut problems = Problems::new();
        let read = args.read(None, &mut problems);
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(problems.lines().to_vec())
        }
    }

    #[test]
    fn every_wrong_setting_is_named_at_once() {
        assert!(read(&args()).unwrap().is_some());
        let off = MtlsArgs {
            mtls: "off".to_owned(),
            ..args()
        };
        assert!(read(&off).unwrap().is_none());
        let lines = read(&MtlsArgs {
            mtls_certificate_file: Some("/nowhere.pem".into()),
            mtls_client_ca_file: Some("/nowhere-ca.pem".into()),
            ..args()
        });
        let lines = lines.unwrap_err();
        assert_eq!(lines[0], "MTLS_KEY_FILE: needed with MTLS_CERTIFICATE_FILE");
        assert!(lines[1].starts_with("MTLS_CLIENT_CA_FILE: /nowhere-ca.pem: "));
        let lines = read(&MtlsArgs {
            mtls: "yes".to_owned(),
            ..args()
        });
        assert_eq!(lines.unwrap_err(), ["MTLS: \"yes\": expected on or off"]);
    }

    #[test]
    fn the_ports_of_a_process_share_one_lab_ca() {
        let mtls = read(&args()).unwrap().unwrap();
        let dir = StateDir::default();
        let first = mtls.lab(&dir).unwrap().pem();
        assert_eq!(mtls.clone().lab(&dir).unwrap().pem(), first);
        let other = read(&args()).unwrap().unwrap();
        assert_ne!(other.lab(&dir).unwrap().pem(), first);
    }

    #[test]
    fn certificate_and_key_may_be_in_one_file_and_are_checked() {
        let lab = Authority::new(SystemClock.now(), &OsRandom).unwrap();
        let issued = lab.server(&["idp".to_owned()], SystemClock.now()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = issued.certificate_pem() + &issued.key_pem();
        std::fs::write(file.path(), text).unwrap();
        let path = || Some(file.path().to_owned());
        let own = MtlsArgs {
            mtls_certificate_file: path(),
            mtls_key_file: path(),
            mtls_client_ca_file: path(),
            ..args()
        };
        let read_own = read(&own).unwrap().unwrap();
        assert!(read_own.own.is_some() && read_own.clients.is_some());
        std::fs::write(file.path(), issued.certificate_pem()).unwrap();
        let lines = read(&own).unwrap_err();
        assert!(lines[0].starts_with("MTLS_KEY_FILE: "), "{lines:?}");
    }
}
