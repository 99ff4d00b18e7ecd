//! TLS with certificates of a CA of the test's own, and a user with no more
//! rights than `docs/redis.md` gives it, on each of the three.

use kit::config::RedisSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::{
    redis::changes::tests::Recorder,
    test_redis::{RedisCluster, RedisSentinels},
};

/// What the operator's manual says that the user needs.
const MANUAL: &str = include_str!("../../../../../docs/redis.md");
const PASSWORD: &str = "right";

/// A CA and a server's certificate for 127.0.0.1, as files.
struct Certificates {
    folder: TempDir,
    ca: String,
}

impl Certificates {
    fn make() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Not the name that a certificate has by default: OpenSSL would take that for self-signed.
        params.distinguished_name.push(DnType::CommonName, "CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&key, &ca).unwrap();
        let made = Self {
            folder: tempfile::tempdir().unwrap(),
            ca: ca.pem(),
        };
        for (name, pem) in [
            ("ca", &made.ca),
            ("cert", &server.pem()),
            ("key", &key.serialize_pem()),
        ] {
            std::fs::write(made.folder.path().join(name), pem).unwrap();
        }
        made
    }

    /// The flags of a server that has them, without the port.
    fn flags(&self) -> Vec<String> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
        [
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--tls-auth-clients", "no"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    fn settings(&self, url: &str) -> RedisSettings {
        RedisSettings {
            ca: Some(self.ca.clone().into_bytes()),
            ..RedisSettings::at(url)
        }
    }
}

/// Gives `server` the manual's user.
fn admit(server: &RedisServer) {
    let rule = MANUAL
        .lines()
        .find(|line| line.starts_with("user sso-lab "));
    let rule = rule.unwrap().replace("PASSWORD", PASSWORD);
    let rule = rule.strip_prefix("user ").unwrap();
    let answer = server.ask(&format!("ACL SETUSER {rule}"));
    assert!(answer.starts_with("+OK"), "{answer}");
}

/// That the user was refused nothing.
fn nothing_was_denied(server: &RedisServer) {
    let log = server.ask("ACL LOG");
    assert!(log.starts_with("*0"), "{log}");
}

/// The contract and a watch, by `settings`.
async fn all_works(settings: &RedisSettings) {
    let store = RedisStore::open(settings, OPTIONS).unwrap();
    in_the_end(async || store.ping().await).await;
    let store = Arc::new(store);
    contract::check(Arc::clone(&store), Time::Real)
        .await
        .unwrap();
    let recorder = Recorder::on(&store, "session:").await;
    let other = RedisStore::open(settings, OPTIONS).unwrap();
    for key in ["session:a", "session:b", "session:c", "session:d"] {
        other
            .put(key, Bytes::from_static(b"x"), MINUTE)
            .await
            .unwrap();
        until("told", || recorder.was_told(key)).await;
    }
}

/// A certificate alone does not do: who made it must be trusted.
async fn a_stranger_is_not_trusted(url: &str) {
    let stranger = Certificates::make();
    let store = RedisStore::open(&stranger.settings(url), OPTIONS).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

/// The same URL for TLS and the user.
fn secured(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let scheme = scheme.replacen("redis", "rediss", 1);
    format!("{scheme}://sso-lab:{PASSWORD}@{rest}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_with_tls_and_a_user_keeps_the_contract() {
    let certificates = Certificates::make();
    let server = RedisServer::start_tls(&certificates.flags());
    admit(&server);
    let url = format!("redis://127.0.0.1:{}", server.tls_port().unwrap());
    all_works(&certificates.settings(&secured(&url))).await;
    nothing_was_denied(&server);
    a_stranger_is_not_trusted(&secured(&url)).await;
    // Without TLS there is no Redis there.
    let plain = RedisStore::new(&url, OPTIONS).unwrap();
    assert!(matches!(
        plain.ping().await,
        Err(StoreError::Unreachable(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sentinels_with_tls_a_password_and_a_user_keep_the_contract() {
    let certificates = Certificates::make();
    let set = RedisSentinels::start_tls(CALM, &certificates.flags(), "hunter2");
    set.servers().iter().for_each(admit);
    let mut settings = certificates.settings(&secured(&set.tls_url()));
    let store = RedisStore::open(&settings, OPTIONS).unwrap();
    let error = store.ping().await.unwrap_err().to_string();
    assert!(error.contains("NOAUTH"), "{error}");
    settings.sentinel_password = Some("hunter2".into());
    all_works(&settings).await;
    set.servers().iter().for_each(nothing_was_denied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_with_tls_and_a_user_keeps_the_contract() {
    let certificates = Certificates::make();
    let cluster = RedisCluster::start_tls(CALM, &certificates.flags());
    cluster.servers().iter().for_each(admit);
    let url = secured(&cluster.tls_url());
    all_works(&certificates.settings(&url)).await;
    cluster.servers().iter().for_each(nothing_was_denied);
    a_stranger_is_not_trusted(&url).await;
}
