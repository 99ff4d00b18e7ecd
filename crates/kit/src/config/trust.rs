//! The certificate authorities of outgoing TLS.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Problems;
use crate::{files, net::Trust, tls::CERTIFICATE_FILE};

/// Flags and environment of programs that call others over TLS.
#[derive(Args, Clone, Debug, Default)]
pub struct TrustArgs {
    /// Certificates (PEM) to trust for outgoing https, in addition to the system's
    #[arg(long, env = "CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl TrustArgs {
    /// Reads the file, and the lab's CA in the state directory `dir`, if it has one. Errors are
    /// added to `problems`.
    pub fn read_with(&self, dir: Option<&Path>, problems: &mut Problems) -> Option<Trust> {
        let trust = self.read(problems);
        let Some(lab) = dir.map(|dir| dir.join(CERTIFICATE_FILE)) else {
            return trust;
        };
        if !lab.is_file() {
            return trust;
        }
        let lab = read_file(&lab).map_err(|what| problems.add("STATE_DIR", what));
        let (trust, lab) = trust.zip(lab.ok())?;
        Some(trust.and(&lab))
    }

    /// Reads the file. Errors are added to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<Trust> {
        self.read_as("CA_FILE", problems)
    }

    /// The same for a file of another setting, `key`.
    pub fn read_as(&self, key: &str, problems: &mut Problems) -> Option<Trust> {
        let Some(file) = &self.ca_file else {
            return Some(Trust::default());
        };
        let trust = read_file(file);
        trust.map_err(|what| problems.add(key, what)).ok()
    }
}

/// The certificates in `file`; the error names the file.
fn read_file(file: &Path) -> Result<Trust, String> {
    let pem = files::read_text(file).map_err(|error| error.to_string());
    let trust = pem.and_then(|pem| Trust::in_pem(pem.as_bytes()));
    trust.map_err(|what| format!("{}: {what}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock as _, SystemClock},
        random::OsRandom,
        tls::Authority,
    };

    #[test]
    fn the_labs_authority_is_trusted_where_its_state_directory_is_given() {
        let home = tempfile::tempdir().unwrap();
        let mut problems = Problems::new();
        let mut read = || TrustArgs::default().read_with(Some(home.path()), &mut problems);
        assert_eq!(read(), Some(Trust::default()));
        let ca = Authority::new(SystemClock.now(), &OsRandom).unwrap();
        std::fs::write(home.path().join(CERTIFICATE_FILE), ca.pem()).unwrap();
        assert_eq!(read(), Some(Trust::default().with_root(ca.certificate())));
        std::fs::write(home.path().join(CERTIFICATE_FILE), "").unwrap();
        assert_eq!(read(), None);
        assert!(problems.to_string().starts_with("STATE_DIR: "));
    }

    #[test]
    fn a_file_without_a_usable_certificate_is_refused_with_its_key_and_its_name() {
        for wrong in ["", "hello"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), wrong).unwrap();
            let ca_file = Some(file.path().to_owned());
            let mut problems = Problems::new();
            assert!(TrustArgs { ca_file }.read(&mut problems).is_none());
            let named = format!("CA_FILE: {}: ", file.path().display());
            assert!(problems.to_string().starts_with(&named), "{problems}");
        }
        let mut problems = Problems::new();
        let none = TrustArgs::default().read(&mut problems);
        assert_eq!((none, problems.is_empty()), (Some(Trust::default()), true));
    }
}
