//! `sso-lab secrets`: creates the Secrets of a deployment on Kubernetes, once. Existing
//! values are never changed; missing ones are added. The next run completes the work of
//! an interrupted run, and concurrent runs agree.

mod api;
mod apply;
mod make;
mod spec;

use std::{fs::File, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use kit::{
    Deps,
    config::{Problems, parse_duration, refuse},
    files,
    shutdown::Shutdown,
};

use self::{
    api::{Api, ApiServer},
    apply::{Event, apply},
    spec::Spec,
};
use crate::output::{complain, exit_code, print};

/// The maximum size of a specification in bytes.
const MAX_SPEC: u64 = 256 * 1024;

/// Create the missing Secrets of a deployment on Kubernetes
///
/// Uses the service account of the pod that it runs in. Existing values are never
/// changed: a missing Secret is created, a missing key is added. So it can run before
/// each installation and upgrade, and concurrently. It prints the names of the Secrets
/// and keys that it made or kept, and never a value.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct SecretsArgs {
    /// Namespace of the Secrets
    #[arg(long, env = "NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// Specification of the Secrets, as TOML
    #[arg(long, env = "SECRETS_SPEC", value_name = "FILE")]
    spec: PathBuf,
    /// Directory of the pod's service account: token and ca.crt
    #[arg(
        long,
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount",
        value_name = "DIR"
    )]
    service_account: PathBuf,
    /// The API server's host; Kubernetes sets it in each pod
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", value_name = "HOST")]
    kubernetes_host: Option<String>,
    /// The API server's port
    #[arg(
        long,
        env = "KUBERNETES_SERVICE_PORT",
        default_value_t = 443,
        value_name = "PORT"
    )]
    kubernetes_port: u16,
    /// Time for which a call is repeated while the API server is unreachable or refuses it
    #[arg(long, default_value = "2m", value_name = "TIME")]
    timeout: String,
}

const HELP: &str = r#"The specification names no value, so it may be in a ConfigMap:

  [labels]                       # of each Secret that is created
  "app.kubernetes.io/part-of" = "sso-lab"

  [[secrets]]
  name = "demo-redis"
  [secrets.keys]
  redis-password = { kind = "password" }
  redis-url = { kind = "redis-url", from = "redis-password", template = "redis://:${password}@demo-redis:6379" }

  [[secrets]]
  name = "demo-app2"
  [secrets.keys]
  "bff-sealing.key" = { kind = "sealing-key" }
  "app2-client.pem" = { kind = "client-key" }

  [[secrets]]
  name = "demo-idp"
  [secrets.keys]
  "idp-es256.pem" = { kind = "signing-key-es256" }
  "idp-refresh.key" = { kind = "sealing-key" }
  "idp-records.key" = { kind = "sealing-key" }
  "idp-records.upgraded" = { kind = "records-upgraded" }
  "operator.key" = { kind = "token" }
  "app2-client.jwks.json" = { kind = "client-jwks", from = "demo-app2/app2-client.pem" }

Kinds:
  password                                  32 letters and digits
  token                                     256 random bits in base64url
  sealing-key                               32 random bytes
  records-upgraded                          when a Secret that was there before got its first
                                            idp-records.key; "never" in a new Secret
  signing-key-es256, -rs256, -eddsa         a private key (PKCS#8, PEM)
  client-key                                a P-256 private key (PKCS#8, PEM)
  client-jwks  from = "[SECRET/]KEY"        the public half of a client-key
  redis-url    from = ..., template = ...   ${password} becomes the password of that key
  copy         from = ...                   the same value
  authority                                 a certificate authority: its certificate and its
                                            private key (PEM)
  authority-certificate  from = ...         the certificate of an authority
  server-certificate     from = ..., names = [...]
                                            a certificate of the authority for these host
                                            names, and its private key (PEM)
  client-certificate     from = ..., subject = "...", and uri = "..." where it has one
                                            the same for a client, with this common name

SECRET may be one that is not listed here and was made by hand.

The role that it needs is get, create and patch on Secrets. Kubernetes cannot
limit create by name (the name is not in the request's path), so: create on
Secrets of the namespace, get and patch by resourceNames.

Exit code 0 when all is there, 1 when not, 2 for a bad argument or specification."#;

/// Runs the command. The exit code is 0, 1 after a failure, or 2 for bad arguments.
pub async fn run(args: &SecretsArgs) -> ExitCode {
    let mut problems = Problems::new();
    let read = args.read(&mut problems);
    let (spec, api) = match read {
        Some(read) if problems.is_empty() => read,
        _ => return refuse("sso-lab", &problems),
    };
    let deps = Deps::system(Shutdown::new());
    exit_code(apply(&spec, &api, &deps, &mut tell).await)
}

impl SecretsArgs {
    fn read(&self, problems: &mut Problems) -> Option<(Spec, Api)> {
        if !spec::is_label(&self.namespace) {
            problems.add(
                "--namespace",
                format_args!("{:?}: not the name of a namespace", self.namespace),
            );
        }
        let spec = self.read_spec(problems);
        let patience = match parse_duration(&self.timeout) {
            Ok(time) if time <= Duration::from_secs(3600) => Some(time),
            Ok(_) => {
                problems.add("--timeout", "at most 60m");
                None
            }
            Err(what) => {
                problems.add("--timeout", what);
                None
            }
        };
        let host = self.kubernetes_host.as_deref();
        if host.is_none_or(str::is_empty) {
            problems.add(
                "KUBERNETES_SERVICE_HOST",
                "not set: this runs in a pod, or give --kubernetes-host",
            );
        }
        let server = ApiServer {
            host: host.unwrap_or_default(),
            port: self.kubernetes_port,
            namespace: &self.namespace,
            service_account: &self.service_account,
        };
        let api = Api::new(&server, patience?, problems);
        Some((spec?, api?))
    }

    fn read_spec(&self, problems: &mut Problems) -> Option<Spec> {
        let name = self.spec.display().to_string();
        let read = File::open(&self.spec).and_then(|file| files::read_from(file, MAX_SPEC));
        match read.and_then(files::text) {
            Ok(text) => Spec::parse(&name, &text, problems),
            Err(error) => {
                problems.add("--spec", format_args!("{name}: {error}"));
                None
            }
        }
    }
}

fn tell(event: &Event<'_>) {
    match event {
        Event::Kept { .. } | Event::Made { .. } => print(event),
        Event::Differs { .. } => complain(event),
    }
}
