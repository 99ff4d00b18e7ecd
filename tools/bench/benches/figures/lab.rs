//! All services in one process, as people start it, and tokens of the demo's machines.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kit::{
    clock::{Clock as _, SystemClock},
    config::{Addresses, Site},
    random::OsRandom,
    state_dir::StateDir,
    tls::Authority,
};
use tempfile::TempDir;
use testkit::{AssertionKey, Child, ClientAuth, Machine, TestCertificate, free_offset};

use crate::programs::{binary, until_ready};

/// The process. It ends when this is dropped.
pub struct Lab {
    process: Child,
    addresses: Addresses,
    folder: TempDir,
    binary: PathBuf,
}

impl Lab {
    /// Starts it with `flags`, and with the built-in configuration as `change` changes it.
    pub async fn start<F: AsRef<str>>(flags: &[F], change: impl Fn(&str) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("idp.toml");
        fs::write(&file, change(idp::settings::DEFAULT)).expect("a folder of our own");
        let offset = free_offset(1);
        let mut all = vec![
            format!("--port-offset={offset}"),
            format!("--state-dir={}", folder.path().join("state").display()),
            format!("--config={}", file.display()),
        ];
        all.extend(flags.iter().map(|flag| flag.as_ref().to_owned()));
        let binary = binary("sso-lab");
        let process = Child::spawn(&binary, &all, &[], folder.path().join("lab.log"));
        let lab = Self {
            process,
            addresses: Addresses::new("http", "localhost", offset),
            folder,
            binary,
        };
        for site in [Site::Idp, Site::App1, Site::Api1, Site::Api2] {
            until_ready(&lab.url(site)).await;
        }
        lab
    }

    /// The address of `site` for browsers.
    pub fn url(&self, site: Site) -> String {
        self.addresses.url(site)
    }

    /// The address of the mTLS port of `site`.
    pub fn mtls_url(&self, site: Site) -> String {
        let url = self.addresses.mtls_url(site);
        url.expect("a site with an mTLS port")
    }

    /// A folder that lasts as long as the process.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its state directory.
    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How the program was built: the folder that cargo put it in.
    pub fn profile(&self) -> String {
        let folder = self.binary.parent().and_then(|folder| folder.file_name());
        folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// A token of the client `batch` for `audience`.
    pub async fn batch_token(&self, audience: &str) -> String {
        let auth = ClientAuth::basic("batch", "batch-secret");
        token(&Machine::new(&self.url(Site::Idp), auth), audience).await
    }

    /// A token of the client `client_id` for `audience`, by the key that it has in the
    /// state directory.
    pub async fn token_by_key(&self, client_id: &str, audience: &str) -> String {
        let pem = self.state().join(format!("{client_id}-client.pem"));
        let pem = fs::read(pem).expect("the client has made its key");
        let auth = ClientAuth::PrivateKeyJwt {
            client_id: client_id.to_owned(),
            key: AssertionKey::es256(None, &pem),
        };
        token(&Machine::new(&self.url(Site::Idp), auth), audience).await
    }

    /// A token of the client `client_id` for API-1, bound to its certificate `own`.
    pub async fn bound_token(&self, client_id: &str, own: &TestCertificate) -> String {
        let machine = Machine::new(&self.url(Site::Idp), ClientAuth::public(client_id));
        let ca = self.ca().pem();
        let machine = machine.over_mtls(&self.mtls_url(Site::Idp), &ca, Some(own));
        token(&machine, "https://api-1").await
    }

    /// A new certificate of the lab's CA for the client `client_id`.
    pub fn certificate(&self, client_id: &str) -> TestCertificate {
        let issued = self.ca().client(client_id, &[], SystemClock.now());
        let issued = issued.expect("a certificate");
        TestCertificate {
            certificate: issued.certificate_pem(),
            key: issued.key_pem(),
            der: issued.certificate.to_vec(),
        }
    }

    fn ca(&self) -> Authority {
        let state = StateDir::open(Some(self.state())).expect("the process has made it");
        Authority::load(&state, SystemClock.now(), &OsRandom).expect("the lab's CA")
    }
}

/// A token that `machine` gets for itself.
async fn token(machine: &Machine, audience: &str) -> String {
    let asked = [("grant_type", "client_credentials"), ("resource", audience)];
    machine.token(&asked).await.granted().text("access_token")
}
