//! The TLS of this process's own ports.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use rustls::sign::CertifiedKey;

use super::Problems;
use crate::{
    clock::Timestamp,
    random::Random,
    state_dir::StateDir,
    tls::{self, Authority, Certificates, Member},
};

/// The maximum number of `TLS_NAMES`.
const MAX_NAMES: usize = 64;

/// Flags and environment for the certificates of a process. `TLS` itself is one of
/// [`super::AddressArgs`], because clients need it too.
#[derive(Args, Clone, Debug, Default)]
pub struct TlsArgs {
    /// Certificate to serve with TLS, with its chain (PEM), instead of one from the lab's CA
    #[arg(
        long = "tls-cert-file",
        id = "tls_cert_file",
        env = "TLS_CERT_FILE",
        value_name = "FILE"
    )]
    pub certificate: Option<PathBuf>,
    /// Private key of TLS_CERT_FILE (PEM, not encrypted)
    #[arg(
        long = "tls-key-file",
        id = "tls_key_file",
        env = "TLS_KEY_FILE",
        value_name = "FILE"
    )]
    pub key: Option<PathBuf>,
    /// Further host names and IP addresses in the certificates from the lab's CA (without TLS_CERT_FILE)
    #[arg(
        long = "tls-names",
        id = "tls_names",
        env = "TLS_NAMES",
        value_delimiter = ',',
        value_name = "NAME,…"
    )]
    pub names: Vec<String>,
}

/// The TLS of a process.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where the certificates come from.
    pub certificates: Certificates,
    /// Further names in the certificates from the lab's CA.
    pub names: Vec<String>,
}

impl TlsArgs {
    /// Checks the settings and reads the files, or the lab's CA in `dir`. `None` without
    /// `TLS`, and after an error. Errors are added to `problems`.
    pub(super) fn read(
        &self,
        is_on: bool,
        dir: Option<&StateDir>,
        now: Timestamp,
        random: &dyn Random,
        problems: &mut Problems,
    ) -> Option<TlsSettings> {
        let names = self.read_names(problems);
        let files = (self.certificate.as_deref(), self.key.as_deref());
        if !is_on {
            for (key, is_set) in [
                ("TLS_CERT_FILE", files.0.is_some()),
                ("TLS_KEY_FILE", files.1.is_some()),
                ("TLS_NAMES", !self.names.is_empty()),
            ] {
                if is_set {
                    problems.add(key, "only together with TLS");
                }
            }
            return None;
        }
        let certificates = if files == (None, None) {
            let lab = Authority::load(dir?, now, random).map(Certificates::Issued);
            lab.map_err(|error| problems.add("STATE_DIR", error))
        } else {
            if !self.names.is_empty() {
                let why = "only without TLS_CERT_FILE, whose certificate has its own names";
                problems.add("TLS_NAMES", why);
            }
            let own = read_files(["TLS_CERT_FILE", "TLS_KEY_FILE"], files, now, problems)?;
            let internal = Authority::new(now, random);
            let own = internal.map(|internal| Certificates::Files { own, internal });
            own.map_err(|error| problems.add("TLS", error))
        };
        Some(TlsSettings {
            certificates: certificates.ok()?,
            names: names?,
        })
    }

    fn read_names(&self, problems: &mut Problems) -> Option<Vec<String>> {
        let names = self.names.iter().map(|name| name.trim());
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        if names.len() > MAX_NAMES {
            problems.add("TLS_NAMES", format_args!("at most {MAX_NAMES} names"));
            return None;
        }
        let is_name = |name: &str| {
            let plain = name.strip_prefix("*.").unwrap_or(name);
            rustls::pki_types::ServerName::try_from(plain).is_ok()
        };
        let wrong: Vec<_> = names.iter().filter(|name| !is_name(name)).collect();
        for name in &wrong {
            let what = format_args!("{name:?}: expected a host name or an IP address");
            problems.add("TLS_NAMES", what);
        }
        wrong
            .is_empty()
            .then(|| names.into_iter().map(ToOwned::to_owned).collect())
    }
}

/// The certificate and its private key in a pair of files, which the settings `names` name;
/// `None` if neither is set, and after an error. Errors are added to `problems`.
pub(super) fn read_files(
    names: [&str; 2],
    files: (Option<&Path>, Option<&Path>),
    now: Timestamp,
    problems: &mut Problems,
) -> Option<Arc<CertifiedKey>> {
    let [certificate_file, key_file] = names;
    let (certificate, key) = match files {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            problems.add(key_file, format_args!("needed with {certificate_file}"));
            return None;
        }
        (None, Some(_)) => {
            problems.add(certificate_file, format_args!("needed with {key_file}"));
            return None;
        }
    };
    let wrong = |errors: Vec<tls::FileError>| {
        for error in errors {
            let name = match error.of {
                Member::Certificate => certificate_file,
                Member::Key => key_file,
            };
            problems.add(name, error.what);
        }
    };
    tls::read(certificate, key, now).map_err(wrong).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock as _, SystemClock},
        random::OsRandom,
    };

    fn read(args: &TlsArgs, is_on: bool) -> Result<Option<TlsSettings>, String> {
        let mut problems = Problems::new();
        let dir = StateDir::default();
        let now = SystemClock.now();
        let read = args.read(is_on, Some(&dir), now, &OsRandom, &mut problems);
        if problems.is_empty() {
            return Ok(read);
        }
        Err(problems.lines().join("\n"))
    }

    fn files(certificate: Option<&str>, key: Option<&str>) -> TlsArgs {
        TlsArgs {
            certificate: certificate.map(PathBuf::from),
            key: key.map(PathBuf::from),
            names: Vec::new(),
        }
    }

    #[test]
    fn the_labs_authority_is_the_default_and_files_of_ones_own_replace_it() {
        assert!(read(&TlsArgs::default(), false).unwrap().is_none());
        let settings = read(&TlsArgs::default(), true).unwrap().unwrap();
        let Certificates::Issued(ca) = settings.certificates else {
            panic!("the lab's CA");
        };
        let names = ["idp.example.com".to_owned()];
        let issued = ca.server(&names, SystemClock.now()).unwrap();
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).display().to_string();
        std::fs::write(path("crt"), issued.certificate_pem()).unwrap();
        std::fs::write(path("key"), issued.key_pem()).unwrap();
        let own = read(&files(Some(&path("crt")), Some(&path("key"))), true);
        let own = own.unwrap().unwrap();
        assert!(matches!(own.certificates, Certificates::Files { .. }));
    }

    #[test]
    fn each_wrong_file_is_named_with_its_key() {
        let both = read(&files(Some("/nowhere/a"), Some("/nowhere/b")), true).unwrap_err();
        let lines: Vec<_> = both.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("TLS_CERT_FILE: /nowhere/a: "));
        assert!(lines[1].starts_with("TLS_KEY_FILE: /nowhere/b: "));
        let one = read(&files(Some("/nowhere/a"), None), true).unwrap_err();
        assert_eq!(one, "TLS_KEY_FILE: needed with TLS_CERT_FILE");
        let other = read(&files(None, Some("/nowhere/b")), true).unwrap_err();
        assert_eq!(other, "TLS_CERT_FILE: needed with TLS_KEY_FILE");
        let off = read(&files(Some("/nowhere/a"), Some("/nowhere/b")), false).unwrap_err();
        assert_eq!(off.lines().count(), 2, "{off}");
    }

    #[test]
    fn names_are_for_the_labs_certificates_alone() {
        let with_names = TlsArgs {
            names: vec!["idp".to_owned()],
            ..files(Some("/nowhere/a"), Some("/nowhere/b"))
        };
        let refused = read(&with_names, true).unwrap_err();
        assert!(
            refused.contains("TLS_NAMES: only without TLS_CERT_FILE"),
            "{refused}"
        );
        assert_eq!(refused.lines().count(), 3, "{refused}");
    }

    #[test]
    fn further_names_are_host_names_or_addresses() {
        let named = |names: &[&str]| {
            let args = TlsArgs {
                names: names.iter().map(|name| (*name).to_owned()).collect(),
                ..TlsArgs::default()
            };
            read(&args, true).map(|settings| settings.unwrap().names)
        };
        let good = [
            "idp",
            "idp.sso-lab.svc",
            "*.example.com",
            "192.0.2.1",
            "::1",
        ];
        assert_eq!(named(&good).unwrap(), good);
        assert_eq!(named(&[""]).unwrap(), [""; 0]);
        let wrong = named(&["a b", "https://x", "ok"]).unwrap_err();
        assert_eq!(wrong.lines().count(), 2, "{wrong}");
        let many: Vec<_> = (0..65).map(|n| format!("n{n}.example")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(named(&many).is_err());
    }
}
