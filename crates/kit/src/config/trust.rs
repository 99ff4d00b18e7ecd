//! The certificate authorities of outgoing TLS.

use std::path::PathBuf;

use clap::Args;

use super::Problems;
use crate::{files, net::Trust};

/// Flags and environment of programs that call others over TLS.
#[derive(Args, Clone, Debug, Default)]
pub struct TrustArgs {
    /// Certificates (PEM) to trust for outgoing https, in addition to the system's
    #[arg(long, env = "CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl TrustArgs {
    /// Reads the file. Errors are added to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<Trust> {
        let Some(file) = &self.ca_file else {
            return Some(Trust::default());
        };
        let pem = files::read_text(file).map_err(|error| error.to_string());
        let trust = pem.and_then(|pem| Trust::in_pem(pem.as_bytes()));
        trust
            .map_err(|what| problems.add("CA_FILE", format_args!("{}: {what}", file.display())))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
