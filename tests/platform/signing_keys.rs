//! Rotation of the provider's signing keys: by the operator, over gRPC and by
//! `sso-lab keys`, on all replicas, under load.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join_all;
use kit::config::Site;
use reqwest::Method;
use serde_json::Value;
use sso_proto::idp::{
    KeyState, ListKeysRequest, RotateKeysRequest, RotateKeysResponse, SigningKey,
    keys_client::KeysClient,
};
use testkit::{
    Child, ClientAuth, HeadlessBrowser, Machine, Plan, Platform, Processes, UnverifiedClaims,
    binary,
};
use tests::{ALICE, Party, sign_in_to, words::API1};
use tonic::{Code, Request, transport::Channel};

use crate::operator::{KEY, operated};

const RETIREMENT: Duration = Duration::from_secs(16 * 60);
const DELAY: Duration = Duration::from_secs(600);
/// How long the replicas may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The operator, by gRPC.
struct Operator(KeysClient<Channel>);

impl Operator {
    fn at(url: &str) -> Self {
        Self(KeysClient::new(
            kit::net::Trust::default().grpc_channel(url).unwrap(),
        ))
    }

    async fn list(&self) -> Vec<SigningKey> {
        let listed = self.0.clone().list(with_key(KEY, ListKeysRequest {})).await;
        listed.unwrap().into_inner().keys
    }

    async fn rotate(&self, algorithm: &str, at_once: bool) -> RotateKeysResponse {
        let algorithm = algorithm.to_owned();
        let request = RotateKeysRequest { algorithm, at_once };
        let rotated = self.0.clone().rotate(with_key(KEY, request)).await;
        rotated.unwrap().into_inner()
    }
}

fn with_key<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {key}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

async fn platform() -> (Platform, Operator) {
    let platform = Platform::start_with(&["--operator-key", KEY]).await;
    let operator = Operator::at(&platform.grpc_url(Site::Idp));
    (platform, operator)
}

fn batch(issuer: &str) -> Machine {
    Machine::new(issuer, ClientAuth::basic("batch", "batch-secret"))
}

async fn token(batch: &Machine) -> String {
    let form = [("grant_type", "client_credentials"), ("resource", API1)];
    batch.token(&form).await.granted().text("access_token")
}

fn kid(jwt: &str) -> String {
    UnverifiedClaims::of(jwt).header["kid"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn published(machine: &Machine) -> BTreeSet<String> {
    let keys: Value = machine.get("/jwks").await.granted().json();
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

async fn at_api1(platform: &Platform, token: &str) -> u16 {
    let url = format!("{}/whoami", platform.url(Site::Api1));
    batch(&platform.issuer())
        .call(Method::GET, &url, token)
        .await
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_noticed_by_nobody_from_the_publication_to_the_retirement() {
    let (platform, operator) = platform().await;
    let batch = batch(&platform.issuer());
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    cli.goto(&format!("{app2}/login")).await;
    let old = token(&batch).await;
    let rotated = operator.rotate("", false).await;
    assert_eq!((rotated.keys.len(), rotated.made.len()), (3, 3));
    let again = operator.rotate("ES256", false).await;
    assert!(again.made.is_empty(), "one waits already");
    assert_eq!(again.keys[0].kid, rotated.keys[0].kid);
    assert_eq!(published(&batch).await.len(), 6);
    assert_eq!(kid(&token(&batch).await), kid(&old), "not yet");
    platform.advance(DELAY);
    let new = token(&batch).await;
    assert_eq!(kid(&new), rotated.keys[0].kid);
    // Both keys are good at an API; sessions go on, and begin, at both apps.
    assert_eq!(at_api1(&platform, &old).await, 200);
    assert_eq!(at_api1(&platform, &new).await, 200);
    let mut other: HeadlessBrowser = platform.cli();
    sign_in_to(&mut other, &app2, ALICE).await;
    for (cli, app) in [(&mut cli, &app1), (&mut other, &app2)] {
        for path in ["/api1/data", "/api1/report", "/api2/data"] {
            cli.goto(app).await;
            let answer = cli.fetch_get(path).await;
            assert_eq!(answer.status, 200, "{app}{path}: {}", answer.body);
        }
    }
    let states: Vec<_> = operator
        .list()
        .await
        .iter()
        .map(SigningKey::state)
        .collect();
    let each = [KeyState::Retired, KeyState::Signing];
    assert_eq!(states, [each, each, each].concat());
    platform.advance(RETIREMENT);
    let left = published(&batch).await;
    assert_eq!(
        left,
        rotated.keys.iter().map(|key| key.kid.clone()).collect()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_rp_initiated_logout_2_a_hint_of_a_withdrawn_key_is_still_recognised() {
    let (platform, operator) = platform().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let tokens = party.tokens(&mut cli, &[]).await;
    let hint = tokens.text("id_token");
    operator.rotate("ES256", false).await;
    platform.advance(DELAY + RETIREMENT);
    assert!(!published(&party.machine).await.contains(&kid(&hint)));
    let logout = format!("{}/logout?id_token_hint={hint}", platform.issuer());
    let page = cli.goto(&logout).await;
    assert!(!page.has_form(), "nothing is asked: {page}");
    assert!(
        cli.jar()
            .get("idp.localhost", "__Host-idp_session")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_compromise_the_old_key_leaves_at_once_and_its_tokens_with_it() {
    let (platform, operator) = platform().await;
    let batch = batch(&platform.issuer());
    let old = token(&batch).await;
    assert_eq!(at_api1(&platform, &old).await, 200);
    let waiting = operator.rotate("ES256", false).await.keys.remove(0).kid;
    platform.advance(Duration::from_secs(1));
    let rotated = operator.rotate("ES256", true).await;
    let new = token(&batch).await;
    assert_eq!(kid(&new), rotated.keys[0].kid);
    let published = published(&batch).await;
    assert_eq!(published.len(), 3);
    assert!(!published.contains(&kid(&old)) && !published.contains(&waiting));
    // The new key makes the API fetch the set, which lacks the old one.
    assert_eq!(at_api1(&platform, &new).await, 200);
    assert_eq!(at_api1(&platform, &old).await, 401);
    let introspected = Machine::new(
        &platform.issuer(),
        ClientAuth::basic("api-1", "api-1-secret"),
    );
    let introspected = introspected.introspect(&old, "*/*").await.json();
    assert_eq!(introspected["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_key_is_needed_and_the_algorithm_is_known() {
    let (platform, operator) = platform().await;
    let wrong = with_key(
        "another-key-of-just-a-good-length",
        RotateKeysRequest::default(),
    );
    let refused = operator.0.clone().rotate(wrong).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let request = RotateKeysRequest {
        algorithm: "HS256".to_owned(),
        at_once: false,
    };
    let refused = operator
        .0
        .clone()
        .rotate(with_key(KEY, request))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(published(&batch(&platform.issuer())).await.len(), 3);
}

/// `sso-lab keys` with these arguments: exit code and output.
fn keys(url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut flags = vec!["keys".to_owned()];
    flags.extend(arguments.iter().map(|flag| (*flag).to_owned()));
    flags.push(format!("--idp-grpc-url={url}"));
    let key = [("IDP_OPERATOR_KEY".to_owned(), KEY.to_owned())];
    let mut child = Child::spawn(&binary("sso-lab"), &flags, &key, log.path().to_owned());
    let ended = tokio::task::block_in_place(|| child.wait(PATIENCE));
    (ended.unwrap().code(), child.output())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_and_rotates() {
    let (platform, _) = platform().await;
    let url = platform.grpc_url(Site::Idp);
    let (code, listed) = keys(&url, &["list"]);
    assert_eq!(code, Some(0), "{listed}");
    assert!(
        listed.contains("SIGNS FROM") && listed.matches("signing").count() == 3,
        "{listed}"
    );
    let (code, rotated) = keys(&url, &["rotate", "--alg", "RS256"]);
    assert_eq!(code, Some(0), "{rotated}");
    assert!(
        rotated.contains("1 new key, published and not used yet"),
        "{rotated}"
    );
    let (_, again) = keys(&url, &["rotate", "--alg", "RS256"]);
    assert!(again.contains("no new key"), "{again}");
    let (code, at_once) = keys(&url, &["rotate", "--now"]);
    assert_eq!(code, Some(0), "{at_once}");
    assert!(
        at_once.contains("every other one is withdrawn"),
        "{at_once}"
    );
    let (code, wrong) = keys(&url, &["rotate", "--alg", "none"]);
    assert_eq!(code, Some(1), "{wrong}");
}

/// Requests without an end, each judged, until it is stopped.
struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU32>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    /// Each of `workers` gets a token and calls API-1 with it and with its former one.
    fn begin(platform: &Processes, workers: usize) -> Self {
        let (stop, good) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let tasks = (0..workers).map(|_| {
            let (stop, good) = (Arc::clone(&stop), Arc::clone(&good));
            let batch = batch(&platform.url(Site::Idp));
            let url = format!("{}/whoami", platform.url(Site::Api1));
            tokio::spawn(async move {
                let mut failed = Vec::new();
                let mut former = None;
                while !stop.load(SeqCst) {
                    let form = [("grant_type", "client_credentials"), ("resource", API1)];
                    let answer = batch.token(&form).await;
                    if answer.status != 200 {
                        failed.push(answer.body);
                        continue;
                    }
                    let token = answer.text("access_token");
                    for token in [Some(token.clone()), former.replace(token)]
                        .into_iter()
                        .flatten()
                    {
                        let called = batch.call(Method::GET, &url, &token).await;
                        if called.status != 200 {
                            failed.push(format!("{}: {}", kid(&token), called.body));
                        }
                        good.fetch_add(1, SeqCst);
                    }
                }
                failed
            })
        });
        let tasks = tasks.collect();
        Self { stop, good, tasks }
    }

    /// Waits for so many more calls.
    async fn goes_on(&self, calls: u32) {
        let until = self.good.load(SeqCst) + calls;
        let enough = async {
            while self.good.load(SeqCst) < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.unwrap();
    }

    /// What failed.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, SeqCst);
        let failed = join_all(self.tasks).await;
        failed.into_iter().flat_map(Result::unwrap).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_redis_rotate_under_load_without_a_failed_request() {
    let delay = ("IDP_KEY_PUBLISH_DELAY".to_owned(), "3s".to_owned());
    let platform = Processes::start(&operated(Plan {
        replicas: 2,
        environment: vec![delay],
        ..Plan::default()
    }))
    .await;
    let replicas = [1, 2].map(|number| batch(&platform.replica_url(Site::Idp, number)));
    let operators =
        [1, 2].map(|number| Operator::at(&platform.replica_grpc_url(Site::Idp, number).unwrap()));
    let load = Load::begin(&platform, 4);
    load.goes_on(40).await;
    let old = kid(&token(&replicas[0]).await);
    // A hundred at once, at both replicas.
    let rotations = (0..100).map(|n| operators[n % 2].rotate("", false));
    let mut made = Vec::new();
    let mut new = BTreeSet::new();
    for rotated in join_all(rotations).await {
        made.extend(rotated.made);
        new.insert(rotated.keys[0].kid.clone());
    }
    assert_eq!((made.len(), new.len()), (3, 1), "one key of each algorithm");
    let new = new.pop_first().unwrap();
    for replica in &replicas {
        let published = published(replica).await;
        assert!(published.contains(&old) && published.contains(&new));
    }
    load.goes_on(40).await;
    for replica in &replicas {
        let changed = async {
            while kid(&token(replica).await) != new {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, changed).await.unwrap();
    }
    load.goes_on(80).await;
    let failed = load.end().await;
    assert!(failed.is_empty(), "{failed:?}");
    for replica in &replicas {
        assert!(
            published(replica).await.contains(&old),
            "tokens of it are still valid"
        );
    }
}
