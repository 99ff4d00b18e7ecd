//! What each service's user may do at Redis is what `docs/redis.md` says: enough
//! for all that the services do, and nothing with another's keys.

use kit::{config::Site, seal::fingerprint};
use reqwest::Method;
use testkit::{HeadlessBrowser, Plan, Processes, RedisServer, RedisUser};
use tests::{ALICE, session_at, sign_in_to};

const SERVICES: [&str; 5] = [
    "sso-lab-idp",
    "sso-lab-app1-bff",
    "sso-lab-app2-bff",
    "sso-lab-api-1",
    "sso-lab-api-2",
];

/// A platform in which alice is signed in to both apps and has placed an order.
struct Scene {
    platform: Processes,
    cli: HeadlessBrowser,
}

impl Scene {
    async fn set() -> Self {
        let platform = Processes::start(&Plan::default()).await;
        let mut cli = HeadlessBrowser::new();
        for site in [Site::App1, Site::App2] {
            let app = platform.url(site);
            if site == Site::App1 {
                sign_in_to(&mut cli, &app, ALICE).await;
            } else {
                cli.goto(&format!("{app}/login")).await;
            }
            for path in ["/api1/data", "/api2/data", "/api1/report"] {
                let answer = cli.raw(Method::GET, &format!("{app}{path}"), &[], "").await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            }
        }
        let order = r#"{"item":"chess-set","quantity":1}"#;
        let headers = [("x-csrf", "1"), ("content-type", "application/json")];
        let url = format!("{}/api1/data", platform.url(Site::App2));
        let placed = cli.raw(Method::POST, &url, &headers, order).await;
        assert_eq!(placed.status, 201, "{}", placed.body);
        Self { platform, cli }
    }

    fn redis(&self) -> &RedisServer {
        self.platform.redis()
    }

    /// All keys that there are, as Redis has them.
    fn keys(&self) -> Vec<String> {
        let answer = self.redis().ask("KEYS *");
        let lines = answer.lines().filter(|line| line.starts_with("sso-lab:"));
        lines.map(str::to_owned).collect()
    }

    /// One of them that begins so.
    fn key(&self, begins: &str) -> String {
        let mut keys = self.keys().into_iter();
        let found = keys.find(|key| key.starts_with(begins));
        found.unwrap_or_else(|| panic!("no key {begins}"))
    }
}

fn ask_as(redis: &RedisServer, name: &str, command: &str) -> String {
    redis.ask_as(Some(&RedisUser::named(name)), command)
}

fn is_refused(redis: &RedisServer, name: &str, command: &str) {
    let answer = ask_as(redis, name, command);
    assert!(answer.starts_with("-NOPERM"), "{name}: {command}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_suffice_and_each_service_has_keys_of_its_own_alone() {
    let scene = Scene::set().await;
    let redis = scene.redis();
    let denied = redis.ask("ACL LOG");
    assert!(denied.starts_with("*0"), "{denied}");
    let keys = scene.keys();
    for name in SERVICES {
        let own = format!("sso-lab:{}", RedisUser::named(name).keys());
        assert!(
            keys.iter().any(|key| key.starts_with(&own)),
            "{own}: {keys:?}"
        );
        let foreign: Vec<_> = keys.iter().filter(|key| !key.starts_with(&own)).collect();
        assert!(!foreign.is_empty());
        for key in foreign {
            for command in ["GET", "ZSCORE", "ZRANGEBYSCORE", "GETDEL", "DEL", "PTTL"] {
                let more = match command {
                    "ZSCORE" => " m",
                    "ZRANGEBYSCORE" => " 0 1",
                    _ => "",
                };
                is_refused(redis, name, &format!("{command} {key}{more}"));
            }
            for change in [
                format!("SET {key} x"),
                format!("SET {key} x PX 1000 NX"),
                format!("ZADD {key} 1 m"),
                format!("PEXPIRE {key} 1"),
                format!("RENAME {key} {own}x"),
                format!("COPY {key} {own}x"),
            ] {
                is_refused(redis, name, &change);
            }
        }
    }
    // Nothing was changed by all that.
    let app = scene.platform.url(Site::App1);
    let mut cli = scene.cli;
    assert_eq!(session_at(&mut cli, &app).await["authenticated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redis_user_of_api_2_can_neither_read_nor_write_records_of_others() {
    let scene = Scene::set().await;
    let redis = scene.redis();
    let user = "sso-lab-api-2";
    // A login session for alice, another `sub` in a grant, an app's session.
    is_refused(redis, user, "SET sso-lab:idp:login:mine {} PX 60000");
    is_refused(
        redis,
        user,
        &format!("SET {} {{}}", scene.key("sso-lab:idp:grant:")),
    );
    is_refused(
        redis,
        user,
        &format!("GET {}", scene.key("sso-lab:bff:app1:session:")),
    );
    is_refused(redis, user, "SET sso-lab:bff:app1:session:mine x PX 60000");
    // A script runs with its caller's rights.
    let swap = "return redis.call('SET', KEYS[1], 'x')";
    let hash = ask_as(redis, user, &format!("SCRIPT LOAD \"{swap}\""));
    let hash = hash.lines().nth(1).unwrap();
    let key = scene.key("sso-lab:idp:grant:");
    is_refused(redis, user, &format!("EVALSHA {hash} 1 {key}"));
    let hidden = format!("return redis.call('SET', '{key}', 'x')");
    let hash = ask_as(redis, user, &format!("SCRIPT LOAD \"{hidden}\""));
    let hash = hash.lines().nth(1).unwrap();
    let answer = ask_as(redis, user, &format!("EVALSHA {hash} 1 sso-lab:api-2:x"));
    assert!(answer.starts_with('-'), "{answer}");
    let kept = redis.ask(&format!("GET {key}"));
    assert!(kept.contains("\"client_id\""), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_app_reads_and_writes_nothing_of_the_others_sessions() {
    let scene = Scene::set().await;
    let redis = scene.redis();
    for (user, other) in [("sso-lab-app1-bff", "app2"), ("sso-lab-app2-bff", "app1")] {
        let key = scene.key(&format!("sso-lab:bff:{other}:session:"));
        for command in ["GET", "GETDEL", "DEL"] {
            is_refused(redis, user, &format!("{command} {key}"));
        }
        is_refused(redis, user, &format!("SET {key} x"));
        let index = scene.key(&format!("sso-lab:bff:{other}:of-user:"));
        is_refused(redis, user, &format!("ZREM {index} m"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_may_scan_or_administer_redis_and_an_unknown_user_may_do_nothing() {
    let scene = Scene::set().await;
    let redis = scene.redis();
    let wide = [
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "DBSIZE",
        "FLUSHALL",
        "FLUSHDB",
        "MONITOR",
        "CONFIG GET dir",
        "ACL LIST",
        "ACL WHOAMI",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "INFO",
        "SAVE",
        "SHUTDOWN NOSAVE",
        "REPLICAOF NO ONE",
        "SCRIPT FLUSH",
        "SUBSCRIBE a",
        "PUBLISH a b",
        "SWAPDB 0 1",
        "EVAL \"return 1\" 0",
        "FUNCTION LIST",
    ];
    for name in SERVICES {
        for command in wide {
            is_refused(redis, name, command);
        }
    }
    is_refused(
        redis,
        "sso-lab-idp",
        "CLIENT TRACKING ON BCAST PREFIX sso-lab:bff:",
    );
    for command in [
        "GET sso-lab:idp:users",
        "CLIENT TRACKING ON",
        "KEYS *",
        "INFO",
        "ACL LIST",
    ] {
        let answer = redis.ask_as(None, command);
        assert!(answer.starts_with("-NOAUTH"), "{command}: {answer}");
    }
}

/// `CLIENT TRACKING` has no keys of its own: whoever may track one prefix may
/// track all, and is told names.
#[tokio::test(flavor = "multi_thread")]
async fn key_names_in_redis_contain_no_secret() {
    let scene = Scene::set().await;
    let keys = scene.keys();
    let jar = scene.cli.jar();
    let cookies = ["app1.localhost", "app2.localhost", "idp.localhost"]
        .into_iter()
        .flat_map(|host| jar.of(host))
        .map(|cookie| cookie.value.clone());
    // The parts of each value that is no more than a name: a secret is after the dot.
    for value in cookies {
        let secret = value.rsplit('.').next().unwrap().to_owned();
        assert!(!secret.is_empty());
        for key in &keys {
            assert!(!key.contains(&secret), "{key} holds a cookie's secret");
            assert!(!key.contains(&value), "{key} holds a cookie");
        }
    }
    let mut session = jar
        .of("app1.localhost")
        .filter(|cookie| cookie.name == "__Host-session_id");
    let id = session.next().unwrap().value.clone();
    let kept = format!("sso-lab:bff:app1:session:{}", fingerprint(&id));
    assert!(keys.contains(&kept), "{kept}: {keys:?}");
}
