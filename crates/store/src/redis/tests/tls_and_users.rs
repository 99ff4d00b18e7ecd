//! TLS with certificates of the test's own CA, and the users of `docs/redis.md` with
//! exactly their rights, on one server, with sentinels and in a cluster.

use kit::config::RedisSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::{
    redis::invalidations::tests::Recorder,
    test_redis::{RedisCluster, RedisSentinels, RedisUser},
};

/// A CA, and a server certificate for 127.0.0.1, as files.
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

    /// The flags of a server with these certificates, without its port.
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

/// Creates the users of `docs/redis.md` on `server`.
fn create_users(server: &RedisServer) {
    for user in RedisUser::all() {
        let answer = server.ask(&format!("ACL SETUSER {}", user.rule()));
        assert!(answer.starts_with("+OK"), "{answer}");
    }
}

/// The server has denied no command of any user.
fn assert_nothing_denied(server: &RedisServer) {
    let log = server.ask("ACL LOG");
    assert!(log.starts_with("*0"), "{log}");
}

/// Runs the contract suite and a watch with `settings`.
async fn assert_all_works(settings: &RedisSettings) {
    let store = RedisStore::open(settings, OPTIONS).unwrap();
    eventually(async || store.ping().await).await;
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
        until("invalidated", || recorder.saw(key)).await;
    }
}

/// A certificate of an unknown CA is refused.
async fn assert_unknown_ca_refused(url: &str) {
    let other = Certificates::make();
    let store = RedisStore::open(&other.settings(url), OPTIONS).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

/// The URL with TLS and the user of the one process.
fn secured(url: &str) -> String {
    secured_for(&RedisUser::named("sso-lab"), url)
}

fn secured_for(user: &RedisUser, url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let scheme = scheme.replacen("redis", "rediss", 1);
    format!("{scheme}://{}{rest}", user.login())
}

/// The operations that a service does not use and has no right to.
fn denied_operations(user: &RedisUser) -> &'static [&'static str] {
    match user.name() {
        "sso-lab" => &[],
        "sso-lab-idp" => &["watch"],
        "sso-lab-app1-bff" | "sso-lab-app2-bff" => &["increment", "count_range"],
        _ => &[
            "take",
            "remove",
            "increment",
            "release",
            "add_scored",
            "range",
            "count_range",
            "score",
            "remove_scored",
            "claim",
        ],
    }
}

/// The result of each operation on keys that begin with `keys`.
async fn each_operation(
    store: &RedisStore,
    keys: &str,
) -> Vec<(&'static str, Result<(), StoreError>)> {
    let key = |name: &str| format!("{keys}{name}");
    let (value, set, now) = (
        Bytes::from_static(b"x"),
        key("set"),
        Timestamp::from_secs(1),
    );
    let swapped = store
        .compare_and_swap(&key("v"), b"x", value.clone(), MINUTE)
        .await;
    vec![
        ("put", store.put(&key("v"), value.clone(), MINUTE).await),
        (
            "put_new",
            store
                .put_new(&key("v"), value.clone(), MINUTE)
                .await
                .map(drop),
        ),
        ("get", store.get(&key("v")).await.map(drop)),
        ("compare_and_swap", swapped.map(drop)),
        ("take", store.take(&key("v")).await.map(drop)),
        ("remove", store.remove(&key("v")).await.map(drop)),
        (
            "increment",
            store.increment(&key("sum"), MINUTE).await.map(drop),
        ),
        (
            "lease",
            store.lease(&key("lease"), "me", MINUTE).await.map(drop),
        ),
        (
            "release",
            store.release(&key("lease"), "me").await.map(drop),
        ),
        (
            "add_scored",
            store.add_scored(&set, "m", now, MINUTE).await.map(drop),
        ),
        ("range", store.range(&set, now, 9).await.map(drop)),
        ("count_range", store.count_range(&set, now).await.map(drop)),
        ("score", store.score(&set, "m").await.map(drop)),
        (
            "claim",
            store.claim(&set, now, now + MINUTE, 9).await.map(drop),
        ),
        (
            "remove_scored",
            store.remove_scored(&set, "m").await.map(drop),
        ),
    ]
}

/// Each service may use its operations on its own keys and watch them, and is refused
/// every other key and operation.
async fn assert_rights(settings: &RedisSettings, url: &str) {
    let users = RedisUser::all();
    let all = RedisUser::named("sso-lab");
    let by = |user: &RedisUser| {
        let url = secured_for(user, url).into();
        let settings = RedisSettings {
            url,
            ..settings.clone()
        };
        Arc::new(RedisStore::open(&settings, OPTIONS).unwrap())
    };
    let all_rights = by(&all);
    eventually(async || all_rights.ping().await).await;
    for user in users.iter().filter(|user| user.name() != all.name()) {
        let store = by(user);
        store.ping().await.unwrap();
        for (operation, outcome) in each_operation(&store, user.keys()).await {
            // A denied command in a script is answered ERR, a command alone NOPERM.
            let refused = matches!(&outcome, Err(StoreError::Refused(_)));
            let expected = denied_operations(user).contains(&operation);
            assert_eq!(
                refused,
                expected,
                "{}: {operation}: {outcome:?}",
                user.name()
            );
            assert_eq!(outcome.is_err(), expected, "{}: {operation}", user.name());
        }
        if !denied_operations(user).contains(&"watch") {
            let recorder = Recorder::on(&store, user.keys()).await;
            let key = format!("{}watched", user.keys());
            let changed = Bytes::from_static(b"x");
            all_rights.put(&key, changed, MINUTE).await.unwrap();
            until("invalidated", || recorder.saw(&key)).await;
        }
        for other in users.iter().filter(|other| other.name() != user.name()) {
            let foreign = if other.name() == all.name() {
                "else:"
            } else {
                other.keys()
            };
            for (operation, outcome) in each_operation(&store, foreign).await {
                let Err(StoreError::Refused(why)) = &outcome else {
                    panic!("{}: {operation} on {foreign}: {outcome:?}", user.name());
                };
                assert!(why.contains("NOPERM"), "{why}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_with_tls_and_a_user_passes_the_contract_suite() {
    let certificates = Certificates::make();
    let server = RedisServer::start_tls(&certificates.flags());
    create_users(&server);
    let url = format!("redis://127.0.0.1:{}", server.tls_port().unwrap());
    let settings = certificates.settings(&secured(&url));
    assert_all_works(&settings).await;
    assert_nothing_denied(&server);
    assert_rights(&settings, &url).await;
    assert_unknown_ca_refused(&secured(&url)).await;
    // Without TLS the port does not speak Redis.
    let plain = RedisStore::new(&url, OPTIONS).unwrap();
    assert!(matches!(
        plain.ping().await,
        Err(StoreError::Unreachable(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sentinels_with_tls_a_password_and_a_user_pass_the_contract_suite() {
    let certificates = Certificates::make();
    let set = RedisSentinels::start_tls(NO_FAILOVER, &certificates.flags(), "hunter2");
    set.servers().iter().for_each(create_users);
    let mut settings = certificates.settings(&secured(&set.tls_url()));
    let store = RedisStore::open(&settings, OPTIONS).unwrap();
    let error = store.ping().await.unwrap_err().to_string();
    assert!(error.contains("NOAUTH"), "{error}");
    settings.sentinel_password = Some("hunter2".into());
    assert_all_works(&settings).await;
    set.servers().iter().for_each(assert_nothing_denied);
    assert_rights(&settings, &set.tls_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_with_tls_and_a_user_passes_the_contract_suite() {
    let certificates = Certificates::make();
    let cluster = RedisCluster::start_tls(NO_FAILOVER, &certificates.flags());
    cluster.servers().iter().for_each(create_users);
    let url = secured(&cluster.tls_url());
    let settings = certificates.settings(&url);
    assert_all_works(&settings).await;
    cluster.servers().iter().for_each(assert_nothing_denied);
    assert_rights(&settings, &cluster.tls_url()).await;
    assert_unknown_ca_refused(&url).await;
}
