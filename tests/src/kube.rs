//! `sso-lab secrets`, run against a stand-in for the Kubernetes API.

use std::{fs, time::Duration};

use tempfile::TempDir;
use testkit::{Child, KubeApi, binary};

const SOON: Duration = Duration::from_secs(60);
/// All Secrets of a deployment.
pub const NAMES: [&str; 5] = ["d-app1", "d-app2", "d-ca", "d-idp", "d-redis"];
/// As a chart would write it; in it the provider comes before what it is made from.
pub const SPEC: &str = r#"
[labels]
"app.kubernetes.io/managed-by" = "Helm"

[[secrets]]
name = "d-idp"
[secrets.keys]
"idp-es256.pem" = { kind = "signing-key-es256" }
"idp-rs256.pem" = { kind = "signing-key-rs256" }
"idp-eddsa.pem" = { kind = "signing-key-eddsa" }
"idp-refresh.key" = { kind = "sealing-key" }
"idp-records.key" = { kind = "sealing-key" }
"idp-records.upgraded" = { kind = "records-upgraded" }
"operator.key" = { kind = "token" }
"app1-client-secret" = { kind = "copy", from = "d-app1/client-secret" }
"app2-client.jwks.json" = { kind = "client-jwks", from = "d-app2/app2-client.pem" }
"api-1-client-secret" = { kind = "token" }
"mtls.pem" = { kind = "server-certificate", from = "d-ca/ca-bundle.pem", names = ["idp.localhost"] }
"client-ca.pem" = { kind = "authority-certificate", from = "d-ca/ca-bundle.pem" }

[[secrets]]
name = "d-ca"
[secrets.keys]
"ca-bundle.pem" = { kind = "authority" }

[[secrets]]
name = "d-app1"
[secrets.keys]
"bff-sealing.key" = { kind = "sealing-key" }
client-secret = { kind = "token" }

[[secrets]]
name = "d-app2"
[secrets.keys]
"bff-sealing.key" = { kind = "copy", from = "d-app1/bff-sealing.key" }
"app2-client.pem" = { kind = "client-key" }

[[secrets]]
name = "d-redis"
[secrets.keys]
redis-password = { kind = "password" }
redis-url = { kind = "redis-url", from = "redis-password", template = "redis://:${password}@d-redis:6379" }
"#;

/// The command on its way.
pub struct Run {
    /// Its process.
    pub child: Child,
    _folder: TempDir,
}

/// Exit code and output.
pub type Ended = (Option<i32>, String);

impl Run {
    /// Starts it.
    pub fn begin(api: &KubeApi, spec: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spec.toml");
        fs::write(&file, spec).unwrap();
        let mut flags = vec!["secrets".to_owned()];
        flags.extend(api.flags());
        flags.extend(["--spec".to_owned(), file.display().to_string()]);
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let log = folder.path().join("log");
        Self {
            child: Child::spawn(&binary("sso-lab"), &flags, &[], log),
            _folder: folder,
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let status = tokio::task::block_in_place(|| self.child.wait(SOON));
        (status.expect("it ends").code(), self.child.output())
    }
}

/// A run by [`SPEC`].
pub fn run(api: &KubeApi) -> Ended {
    Run::begin(api, SPEC, &[]).end()
}
