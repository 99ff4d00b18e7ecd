//! A client with a key of its own: it signs JWTs to authenticate (RFC 7523 §2.2) and to
//! name the subject of its tokens (§2.1).

use std::path::{Path, PathBuf};

use bff_kit::ClientKey;
use clap::Args;
use kit::{
    clock::{Clock as _, SystemClock},
    config::Problems,
    random::OsRandom,
    state_dir::StateDir,
};
use oauth_types::names::{client_auth, grant};
use url::form_urlencoded;

/// The client with a key in the built-in configuration.
pub(crate) const DEMO_ID: &str = "batch-jwt";

/// The key of a client, and whom its tokens are for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "A client with a key (JWT bearer)")]
pub(crate) struct KeyArgs {
    /// The client's key (PEM): of its certificate, or P-256 as PKCS#8 that signs assertions in place of a secret
    #[arg(
        long = "client-key-file",
        env = "BATCH_CLIENT_KEY_FILE",
        value_name = "FILE"
    )]
    key_file: Option<PathBuf>,
    /// State directory of the deployment on this machine, for the key of batch-jwt, the certificate of batch-mtls and the lab's CA
    #[arg(long = "state-dir", env = "STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// A client with its key.
#[derive(Clone, Debug)]
pub(crate) struct KeyClient {
    pub(crate) id: String,
    key: ClientKey,
    /// The user of its tokens, by name or `sub`; none: the client itself.
    pub(crate) user: Option<String>,
}

impl KeyArgs {
    /// The key's file and the state directory, for a client whose key is a certificate's.
    pub(crate) fn places(&self) -> (Option<&Path>, Option<&Path>) {
        (self.key_file.as_deref(), self.state_dir.as_deref())
    }

    /// The client `id` with the key that is configured for it; none if there is none.
    pub(crate) fn read(
        &self,
        id: &str,
        user: Option<&str>,
        problems: &mut Problems,
    ) -> Option<KeyClient> {
        let (setting, key) = match (&self.key_file, &self.state_dir) {
            (Some(file), _) => ("BATCH_CLIENT_KEY_FILE", from_file(file)),
            (None, Some(dir)) if id == DEMO_ID && dir.is_dir() => ("STATE_DIR", from_state(dir)),
            _ => return None,
        };
        Some(KeyClient {
            id: id.to_owned(),
            key: key.map_err(|why| problems.add(setting, why)).ok()?,
            user: user.map(str::to_owned),
        })
    }
}

fn from_file(file: &Path) -> Result<ClientKey, String> {
    let pem = kit::files::read_text(file).map_err(|error| error.to_string());
    let key = pem.and_then(|pem| ClientKey::from_pem(&pem));
    key.map_err(|why| format!("{}: {why}", file.display()))
}

/// The key, made there if it is not there yet, as App 2 does it with its own: the
/// provider finds the public half beside it.
fn from_state(dir: &Path) -> Result<ClientKey, String> {
    let state = StateDir::open(Some(dir.to_owned())).map_err(|error| error.to_string())?;
    bff_kit::client_key(&state, DEMO_ID, &OsRandom)
}

impl KeyClient {
    /// A JWT about `sub` for the provider `issuer`. It counts once.
    pub(crate) fn assertion(&self, issuer: &str, sub: &str) -> Result<String, String> {
        let (id, now) = (&self.id, SystemClock.now());
        let signed = self.key.assertion(id, sub, issuer, now, &OsRandom);
        signed.map_err(|error| error.to_string())
    }

    /// The form of a request for a token for `audience`. `assertion` names its subject.
    pub(crate) fn form(
        &self,
        issuer: &str,
        audience: &str,
        assertion: &str,
    ) -> Result<String, String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", grant::JWT_BEARER);
        form.append_pair("assertion", assertion);
        form.append_pair("resource", audience);
        form.append_pair("client_id", &self.id);
        form.append_pair("client_assertion_type", client_auth::JWT_BEARER);
        form.append_pair("client_assertion", &self.assertion(issuer, &self.id)?);
        Ok(form.finish())
    }

    /// Whom its tokens are for.
    pub(crate) fn subject(&self) -> &str {
        self.user.as_deref().unwrap_or(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_comes_from_its_file_or_the_state_directory() {
        let home = tempfile::tempdir().unwrap();
        let dir = Some(home.path().to_owned());
        let read = |key_file: Option<&Path>, state_dir: Option<PathBuf>, id: &str| {
            let mut problems = Problems::new();
            let args = KeyArgs {
                key_file: key_file.map(Path::to_owned),
                state_dir,
            };
            let client = args.read(id, Some("alice"), &mut problems);
            (client, problems.lines().to_vec())
        };
        assert!(read(None, dir.clone(), "batch").0.is_none(), "a secret");
        let nowhere = Some(home.path().join("nowhere"));
        assert!(read(None, nowhere, DEMO_ID).0.is_none());
        let made = read(None, dir.clone(), DEMO_ID).0.unwrap();
        let public = home.path().join("batch-jwt-client.jwks.json");
        let public = std::fs::read_to_string(public).unwrap();
        assert_eq!(public, made.key.jwks_file(), "for the provider");
        let pem = home.path().join("batch-jwt-client.pem");
        for (client, problems) in [read(Some(&pem), None, "own"), read(None, dir, DEMO_ID)] {
            let client = client.unwrap();
            assert_eq!(client.key.jwks_file(), public);
            assert_eq!(client.subject(), "alice");
            assert!(problems.is_empty(), "{problems:?}");
        }
        std::fs::write(&pem, "no key").unwrap();
        for file in [pem.as_path(), Path::new("/nowhere.pem")] {
            let (client, problems) = read(Some(file), None, "own");
            assert!(client.is_none());
            let start = format!("BATCH_CLIENT_KEY_FILE: {}: ", file.display());
            assert!(problems[0].starts_with(&start), "{problems:?}");
            assert!(!problems[0].contains("no key"), "{problems:?}");
        }
    }
}
