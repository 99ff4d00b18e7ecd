//! A client with a certificate (RFC 8705): it authenticates by mTLS, and its tokens are
//! bound to the certificate, so it calls API-1 by mTLS too.

use std::path::{Path, PathBuf};

use clap::Args;
use kit::{
    clock::{Clock as _, SystemClock},
    config::{Addresses, Problems, Site, TrustArgs},
    files,
    net::{ClientIdentity, Trust},
    random::OsRandom,
    state_dir::StateDir,
    tls::{Authority, KEY_FILE},
    x509::Certificate,
};
use oauth_types::names::grant;
use url::form_urlencoded;

/// The client with a certificate in the built-in configuration.
pub(crate) const DEMO_ID: &str = "batch-mtls";

/// The certificate of a client, and where API-1 asks for it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "A client with a certificate (mTLS)")]
pub(crate) struct MtlsArgs {
    /// The client's certificate (PEM) with its chain. Its key is in --client-key-file, or in the same file
    #[arg(
        long = "client-certificate-file",
        env = "BATCH_CLIENT_CERTIFICATE_FILE",
        value_name = "FILE"
    )]
    certificate_file: Option<PathBuf>,
    /// Certificate authorities (PEM) of the mTLS ports, in addition to --ca-file
    #[arg(long, env = "MTLS_CA_FILE", value_name = "FILE")]
    mtls_ca_file: Option<PathBuf>,
    /// API-1's mTLS address [default: its port 8484 at --domain, moved by --port-offset]
    #[arg(long, env = "API1_MTLS_URL", value_name = "URL")]
    api1_mtls_url: Option<String>,
}

/// A client with its certificate.
#[derive(Clone, Debug)]
pub(crate) struct MtlsClient {
    pub(crate) id: String,
    /// API-1's address for callers with a certificate.
    pub(crate) api1: String,
    identity: ClientIdentity,
    /// Who issued the certificates of the mTLS ports.
    ports: Trust,
}

impl MtlsArgs {
    /// The client `id` with its certificate; none if there is none. In `state_dir` is the
    /// CA of a deployment on this machine.
    pub(crate) fn read(
        &self,
        id: &str,
        key_file: Option<&Path>,
        state_dir: Option<&Path>,
        addresses: &Addresses,
        problems: &mut Problems,
    ) -> Option<MtlsClient> {
        let (setting, read) = match (&self.certificate_file, state_dir) {
            (Some(certificate), _) => {
                let read = from_files(certificate, key_file.unwrap_or(certificate));
                let read = read.map(|identity| (identity, self.trust(problems)));
                ("BATCH_CLIENT_CERTIFICATE_FILE", read)
            }
            (None, Some(dir)) if id == DEMO_ID && dir.join(KEY_FILE).is_file() => {
                ("STATE_DIR", from_lab(dir))
            }
            _ => return None,
        };
        let api1 = match &self.api1_mtls_url {
            Some(url) => problems.https_url("API1_MTLS_URL", url),
            None => addresses.mtls_url(Site::Api1),
        };
        let read = read.map_err(|what| problems.add(setting, what));
        let (identity, ports) = read.ok()?;
        Some(MtlsClient {
            id: id.to_owned(),
            api1: api1?,
            identity,
            ports: ports?,
        })
    }

    /// The authorities of the ports.
    fn trust(&self, problems: &mut Problems) -> Option<Trust> {
        let ca_file = self.mtls_ca_file.clone();
        TrustArgs { ca_file }.read_as("MTLS_CA_FILE", problems)
    }
}

fn from_files(certificate: &Path, key: &Path) -> Result<ClientIdentity, String> {
    let read = |file: &Path| {
        files::read_text(file).map_err(|error| format!("{}: {error}", file.display()))
    };
    ClientIdentity::in_pem(&read(certificate)?, &read(key)?)
}

/// A new certificate of the lab's CA on this machine, which the deployment has made.
fn from_lab(dir: &Path) -> Result<(ClientIdentity, Option<Trust>), String> {
    let said = |error: std::io::Error| error.to_string();
    let dir = StateDir::open(Some(dir.to_owned())).map_err(said)?;
    let now = SystemClock.now();
    let lab = Authority::load(&dir, now, &OsRandom).map_err(said)?;
    let issued = lab.client(DEMO_ID, &[], now).map_err(said)?;
    let identity = ClientIdentity::new(vec![issued.certificate], issued.key)?;
    Ok((identity, Some(Trust::in_pem(lab.pem().as_bytes())?)))
}

impl MtlsClient {
    /// `trust` for calls with the client's certificate.
    pub(crate) fn trust(&self, trust: &Trust) -> Trust {
        trust.and(&self.ports).identified_by(self.identity.clone())
    }

    /// `trust` for calls with a new certificate for the client's name, of an authority that
    /// nobody trusts.
    pub(crate) fn trust_as_stranger(&self, trust: &Trust) -> Result<Trust, String> {
        let now = SystemClock.now();
        let issued = Authority::new(now, &OsRandom).and_then(|ca| ca.client(&self.id, &[], now));
        let issued = issued.map_err(|error| error.to_string())?;
        let strangers = ClientIdentity::new(vec![issued.certificate], issued.key)?;
        Ok(trust.and(&self.ports).identified_by(strangers))
    }

    /// Whether the certificate is one that no authority issued.
    pub(crate) fn is_self_signed(&self) -> bool {
        let read = Certificate::read(self.identity.certificate());
        read.is_ok_and(|certificate| certificate.is_self_issued())
    }

    /// The form of a request for a token for `audience` (RFC 8705 §2: with the client's
    /// id).
    pub(crate) fn form(&self, audience: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", grant::CLIENT_CREDENTIALS);
        form.append_pair("resource", audience);
        form.append_pair("client_id", &self.id);
        form.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        args: &MtlsArgs,
        id: &str,
        key: Option<&Path>,
        dir: Option<&Path>,
    ) -> Result<Option<MtlsClient>, Vec<String>> {
        let mut problems = Problems::new();
        let read = args.read(id, key, dir, &Addresses::default(), &mut problems);
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(problems.lines().to_vec())
        }
    }

    #[test]
    fn the_certificate_comes_from_its_files_or_from_the_labs_ca() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        let none = MtlsArgs {
            certificate_file: None,
            mtls_ca_file: None,
            api1_mtls_url: None,
        };
        assert!(read(&none, "batch", None, Some(dir)).unwrap().is_none());
        assert!(
            read(&none, DEMO_ID, None, Some(dir)).unwrap().is_none(),
            "no CA yet"
        );
        let now = SystemClock.now();
        let state = StateDir::open(Some(dir.to_owned())).unwrap();
        let lab = Authority::load(&state, now, &OsRandom).unwrap();
        let made = read(&none, DEMO_ID, None, Some(dir)).unwrap().unwrap();
        assert_eq!(made.api1, "https://api1.localhost:8484");
        assert_ne!(made.ports, Trust::default());

        let issued = lab.client("own", &[], now).unwrap();
        let (certificate, key) = (dir.join("own.pem"), dir.join("own.key"));
        std::fs::write(&certificate, issued.certificate_pem()).unwrap();
        std::fs::write(&key, issued.key_pem()).unwrap();
        let own = MtlsArgs {
            certificate_file: Some(certificate),
            mtls_ca_file: None,
            api1_mtls_url: Some("https://api.example".to_owned()),
        };
        let client = read(&own, "own", Some(&key), None).unwrap().unwrap();
        assert_eq!(client.api1, "https://api.example");
        assert_eq!(client.identity.certificate(), &issued.certificate);
        assert!(!client.is_self_signed());
        let stranger = client.trust_as_stranger(&Trust::default()).unwrap();
        assert_ne!(stranger, client.trust(&Trust::default()));
        let lines = read(&own, "own", None, None).unwrap_err();
        assert!(lines[0].contains("no private key"), "{lines:?}");
        let lines = read(&own, "own", Some(&dir.join("none")), None).unwrap_err();
        assert!(lines[0].starts_with("BATCH_CLIENT_CERTIFICATE_FILE: "));
    }
}
