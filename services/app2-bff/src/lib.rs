//! The second app: it pushes its authorization request (RFC 9126), and authenticates with
//! its own key. Everything else is in `bff-kit`.

use std::path::{Path, PathBuf};

use bff_kit::{App, CertificateFiles, ClientAuth, ClientKey, RequestBy, SessionMode};
pub use bff_kit::{Config, build};
use kit::{
    config::{Common, Problems, Site},
    random::{OsRandom, Random},
    state_dir::StateDir,
};

/// The identity of this app.
pub const APP: App = App {
    service: "app2-bff",
    client_id: "app2",
    name: "App 2",
    site: Site::App2,
    other: Site::App1,
    mode: SessionMode::Hybrid,
    request: RequestBy::Push,
};

/// The app's command line.
pub type Args = bff_kit::AppArgs<OwnArgs>;

/// The settings of this app only.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(id = "app2_own")]
#[command(next_help_heading = "App 2")]
pub struct OwnArgs {
    /// Session mode of App 2; overrides BFF_SESSION_MODE
    #[arg(long, env = "APP2_SESSION_MODE", value_name = "MODE")]
    pub app2_session_mode: Option<String>,
    /// Key of the client app2, P-256 as PKCS#8 PEM [default: app2-client.pem in --state-dir, created if missing]
    #[arg(long, env = "APP2_CLIENT_KEY_FILE", value_name = "FILE")]
    pub app2_client_key_file: Option<PathBuf>,
    /// Key of the client app2-machine, P-256 as PKCS#8 PEM, for the methods client_credentials and jwt_bearer [default: app2-machine-client.pem in --state-dir, created if missing]
    #[arg(long, env = "APP2_MACHINE_KEY_FILE", value_name = "FILE")]
    pub app2_machine_key_file: Option<PathBuf>,
    /// Certificate (PEM) of the client app2-mtls with its chain, for the methods mtls and identity_header [default: the lab's CA issues one]
    #[arg(long, env = "APP2_MTLS_CERTIFICATE_FILE", value_name = "FILE")]
    pub app2_mtls_certificate_file: Option<PathBuf>,
    /// Private key (PEM) of APP2_MTLS_CERTIFICATE_FILE [default: in the same file]
    #[arg(long, env = "APP2_MTLS_KEY_FILE", value_name = "FILE")]
    pub app2_mtls_key_file: Option<PathBuf>,
}

/// The app's key in `state_dir`, created if missing. Its public half is beside it for the
/// provider, in `app2-client.jwks.json`.
pub fn client_key(state_dir: &StateDir, random: &dyn Random) -> Result<ClientKey, String> {
    bff_kit::client_key(state_dir, APP.client_id, random)
}

impl bff_kit::OwnArgs for OwnArgs {
    const APP: App = APP;

    fn session_mode(&self) -> (&'static str, Option<&str>) {
        ("APP2_SESSION_MODE", self.app2_session_mode.as_deref())
    }

    fn machine_key_file(&self) -> (&'static str, Option<&Path>) {
        (
            "APP2_MACHINE_KEY_FILE",
            self.app2_machine_key_file.as_deref(),
        )
    }

    fn certificate_files(&self) -> CertificateFiles<'_> {
        let certificate = self.app2_mtls_certificate_file.as_deref();
        let key = self.app2_mtls_key_file.as_deref();
        CertificateFiles {
            certificate: ("APP2_MTLS_CERTIFICATE_FILE", certificate),
            key: ("APP2_MTLS_KEY_FILE", key),
        }
    }

    fn client_auth(&self, common: &Common, problems: &mut Problems) -> Option<ClientAuth> {
        let key = self.key(&common.state_dir, &OsRandom, problems);
        key.map(ClientAuth::PrivateKeyJwt)
    }
}

impl OwnArgs {
    /// The key from its file, or from `state_dir`; errors are added to `problems`.
    pub fn key(
        &self,
        state_dir: &StateDir,
        random: &dyn Random,
        problems: &mut Problems,
    ) -> Option<ClientKey> {
        let file = ("APP2_CLIENT_KEY_FILE", self.app2_client_key_file.as_deref());
        bff_kit::read_client_key(file, APP.client_id, state_dir, random, problems)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn read(flags: &[&str]) -> Result<Config, Problems> {
        let args = Args::parse_from([&["app2-bff"], flags].concat());
        let mut problems = Problems::new();
        let common = args.common.read(&mut problems).unwrap();
        match args.read(&common, &mut problems) {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    #[test]
    fn its_key_comes_from_nowhere_a_state_dir_or_a_file() {
        assert!(matches!(
            read(&[]).unwrap().auth,
            ClientAuth::PrivateKeyJwt(_)
        ));
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().to_str().unwrap();
        let kid = |config: Config| format!("{:?}", config.auth);
        let first = kid(read(&["--state-dir", dir]).unwrap());
        let pem = home.path().join("app2-client.pem");
        let from_file = kid(read(&["--app2-client-key-file", pem.to_str().unwrap()]).unwrap());
        let again = kid(read(&["--state-dir", dir]).unwrap());
        assert_eq!((&first, &first), (&again, &from_file));
    }

    #[test]
    fn a_key_file_that_is_not_there_is_named() {
        let problems = read(&["--app2-client-key-file", "/nowhere.pem"]).unwrap_err();
        assert!(
            problems.lines()[0].starts_with("APP2_CLIENT_KEY_FILE: /nowhere.pem: "),
            "{problems}"
        );
    }

    #[test]
    fn the_apps_own_mode_wins_over_the_common_one_and_an_unknown_one_is_named() {
        let mode = |flags: &[&str]| read(flags).unwrap().mode;
        assert_eq!(mode(&[]), SessionMode::Hybrid);
        assert_eq!(mode(&["--bff-session-mode", "cached"]), SessionMode::Cached);
        let both = [
            "--bff-session-mode",
            "cached",
            "--app2-session-mode",
            "stateless",
        ];
        assert_eq!(mode(&both), SessionMode::Stateless);
        for (flag, key) in [
            ("--app2-session-mode", "APP2_SESSION_MODE: "),
            ("--bff-session-mode", "BFF_SESSION_MODE: "),
            ("--bff-session-mode-choice", "BFF_SESSION_MODE_CHOICE: "),
        ] {
            let problems = read(&[flag, "sticky"]).unwrap_err();
            assert!(problems.lines()[0].starts_with(key), "{problems}");
        }
    }
}
