//! The identity header and the cookie of the same content: API-1 takes them from peers
//! whose certificate may state who the user is, and removes them from everybody else's
//! requests. Client certificates are real, and so are the handshakes.

mod apps;

use kit::{
    clock::{Clock as _, SystemClock},
    config::Site,
    net::{ClientIdentity, Trust},
    tls::{AlternativeName, Authority},
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use testkit::{ClientAuth, Platform, TestCertificate};
use tests::words::{API1, API1_READ, API1_WRITE};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The names that may state who the user is.
const MESH: &str = "spiffe://mesh/app1";
const BY_DNS: &str = "mesh.example";
const ALICE: (&str, &str) = ("x-identity", "sub=alice");

/// Flags of API-1 that let those two state it.
const OPEN: [&str; 2] = ["--api1-identity-callers", "spiffe://mesh/app1,mesh.example"];

async fn open(more: &[&str]) -> Platform {
    Platform::start_with_apis(&[], &[&OPEN[..], more].concat(), &[]).await
}

/// A client of the mTLS port with a certificate of `ca` with these `names`.
fn peer(platform: &Platform, ca: &Authority, names: &[AlternativeName]) -> Client {
    let issued = ca.client("peer", names, SystemClock.now()).unwrap();
    let own = ClientIdentity::new(vec![issued.certificate], issued.key).unwrap();
    trust(platform).identified_by(own).http_client()
}

fn trust(platform: &Platform) -> Trust {
    Trust::in_pem(platform.lab_ca().pem().as_bytes()).unwrap()
}

fn uri(name: &str) -> AlternativeName {
    AlternativeName::Uri(name.to_owned())
}

/// A peer that may state who the user is.
fn mesh(platform: &Platform) -> Client {
    peer(platform, &platform.lab_ca(), &[uri(MESH)])
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// The status and the body of a call.
async fn call(client: &Client, method: Method, url: &str, headers: Headers<'_>) -> (u16, Value) {
    let is_order = method == Method::POST;
    let mut request = client.request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if is_order {
        request = request.json(&json!({"item": "tea-pot", "quantity": 1}));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// The same for `GET /whoami` of the mTLS port.
async fn whoami(platform: &Platform, client: &Client, headers: Headers<'_>) -> (u16, Value) {
    let url = format!("{}/whoami", platform.mtls_url(Site::Api1));
    call(client, Method::GET, &url, headers).await
}

/// An access token of the program `batch` for API-1.
async fn token(platform: &Platform) -> String {
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let form = [("grant_type", "client_credentials"), ("resource", API1)];
    batch.token(&form).await.granted().text("access_token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_the_right_states_the_user_by_header_or_cookie() {
    let platform = open(&[]).await;
    let by_uri = mesh(&platform);
    let dns = AlternativeName::Dns("MESH.example".to_owned());
    let by_dns = peer(&platform, &platform.lab_ca(), &[dns]);
    for (client, name) in [(&by_uri, MESH), (&by_dns, BY_DNS)] {
        for headers in [
            &[ALICE][..],
            &[("X-IDENTITY", "sub=alice")],
            &[("cookie", "theme=dark; identity=sub=alice")],
            &[ALICE, ("cookie", "identity=sub=alice")],
        ] {
            let (status, who) = whoami(&platform, client, headers).await;
            let expected = json!({
                "sub": "alice", "aud": "https://api-1", "stated_by": name,
                "scope": format!("{API1_READ} {API1_WRITE}"),
            });
            assert_eq!((status, who), (200, expected), "{headers:?}");
        }
    }
    // Each user has orders of their own, and API-1 reserves in its own name.
    let at = |path: &str| format!("{}{path}", platform.mtls_url(Site::Api1));
    let placed = call(&by_uri, Method::POST, &at("/resource"), &[ALICE]).await;
    assert_eq!(placed.0, 201, "{}", placed.1);
    for (sub, orders) in [("sub=alice", 1), ("sub=bob", 0)] {
        let own = [("x-identity", sub)];
        let (_, listed) = call(&by_dns, Method::GET, &at("/resource"), &own).await;
        assert_eq!(listed["orders"].as_array().unwrap().len(), orders, "{sub}");
        let (status, report) = call(&by_dns, Method::GET, &at("/report"), &own).await;
        assert_eq!(status, 200, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_states_anything_at_either_port() {
    let platform = open(&[]).await;
    let ca = platform.lab_ca();
    let (now, random) = (SystemClock.now(), kit::random::OsRandom);
    let strangers = Authority::new(now, &random).unwrap();
    let self_signed = TestCertificate::self_signed("app1").identity();
    let others = [
        (
            "another name",
            peer(&platform, &ca, &[uri("spiffe://mesh/app1/x")]),
        ),
        ("no alternative name", peer(&platform, &ca, &[])),
        (
            "another authority",
            peer(&platform, &strangers, &[uri(MESH)]),
        ),
        (
            "no authority",
            trust(&platform).identified_by(self_signed).http_client(),
        ),
        ("no certificate", trust(&platform).http_client()),
    ];
    let token = format!("Bearer {}", token(&platform).await);
    let sent = [ALICE, ("cookie", "identity=sub=alice")];
    let with_token = [&sent[..], &[("authorization", token.as_str())]].concat();
    let plain = (kit::net::http_client(), platform.url(Site::Api1));
    let peers = others
        .iter()
        .map(|(what, client)| (*what, client, platform.mtls_url(Site::Api1)));
    for (what, client, at) in peers.chain([("the plain port", &plain.0, plain.1.clone())]) {
        let url = format!("{at}/whoami");
        let (status, _) = call(client, Method::GET, &url, &sent).await;
        assert_eq!(status, 401, "{what}: nothing is left that could count");
        let (status, who) = call(client, Method::GET, &url, &with_token).await;
        assert_eq!((status, &who["sub"]), (200, &json!("batch")), "{what}");
        assert_eq!(who["stated_by"], Value::Null, "{what}");
    }
    let metrics = kit::net::http_client();
    let metrics = metrics
        .get(format!("{}/metrics", plain.1))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let mut lines = metrics
        .lines()
        .filter(|line| line.starts_with("sso_identity_checks_total"));
    let stripped = lines.find(|line| line.contains("\"stripped\"")).unwrap();
    assert!(stripped.ends_with(" 12"), "each was counted: {stripped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_ends_with_its_certificate() {
    let platform = open(&[]).await;
    let client = mesh(&platform);
    assert_eq!(whoami(&platform, &client, &[ALICE]).await.0, 200);
    let seconds = std::time::Duration::from_secs;
    platform.advance(kit::tls::LEAF_LIFETIME.checked_sub(seconds(30)).unwrap());
    assert_eq!(whoami(&platform, &client, &[ALICE]).await.0, 200);
    // API-1 remembers who vouches for it. The connection, and so the handshake, is the former
    // one.
    platform.advance(seconds(50));
    assert_eq!(whoami(&platform, &client, &[ALICE]).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_credential_for_each_call() {
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("keys.json");
    let platform = open(&["--api1-keys-file", keys.to_str().unwrap()]).await;
    let client = mesh(&platform);
    let token = format!("Bearer {}", token(&platform).await);
    for (what, more) in [
        ("a token", ("authorization", token.as_str())),
        (
            "credentials of another kind",
            ("authorization", "Basic YTpi"),
        ),
        ("an API key", ("x-api-key", "api1_x")),
        ("two headers", ("X-Identity", "sub=alice")),
        ("another cookie", ("cookie", "identity=sub=bob")),
        (
            "two cookies",
            ("cookie", "identity=sub=alice; identity=sub=alice"),
        ),
    ] {
        let (status, problem) = whoami(&platform, &client, &[ALICE, more]).await;
        assert_eq!(status, 400, "{what}: {problem}");
        assert_eq!(problem["title"], "More than one credential", "{what}");
    }
    // Without a statement, the same peer is a caller like any other.
    let own = [("authorization", token.as_str())];
    assert_eq!(whoami(&platform, &client, &own).await.1["sub"], "batch");
    assert_eq!(whoami(&platform, &client, &[]).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_with_a_sentence() {
    let platform = open(&[]).await;
    let client = mesh(&platform);
    let long = format!("sub={}", "a".repeat(256));
    for wrong in [
        "",
        "alice",
        "sub=",
        "sub=a&sub=b",
        "sub=a&role=admin",
        "sub=a&scope=",
        &long,
    ] {
        let (status, problem) = whoami(&platform, &client, &[("x-identity", wrong)]).await;
        assert_eq!(
            (status, &problem["title"]),
            (400, &json!("Unreadable identity")),
            "{wrong}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("The identity cannot be read: "),
            "{detail}"
        );
    }
    // No user has the orders of an API key.
    let (status, problem) = whoami(&platform, &client, &[("x-identity", "sub=api-key:till")]).await;
    assert_eq!(status, 400, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_does_what_both_the_setting_and_the_statement_allow() {
    let platform = open(&["--api1-identity-scope", API1_READ]).await;
    let client = mesh(&platform);
    let at = format!("{}/resource", platform.mtls_url(Site::Api1));
    assert_eq!(call(&client, Method::GET, &at, &[ALICE]).await.0, 200);
    let (status, problem) = call(&client, Method::POST, &at, &[ALICE]).await;
    assert_eq!(
        (status, &problem["title"]),
        (403, &json!("The identity lacks the scope"))
    );
    for (scope, status) in [(API1_READ, 200), (API1_WRITE, 403)] {
        let stated = format!("sub=alice&scope={scope}");
        let answer = call(
            &client,
            Method::GET,
            &at,
            &[("x-identity", stated.as_str())],
        )
        .await;
        assert_eq!(answer.0, status, "{scope}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unless_it_is_set_nobody_states_anything() {
    let platform = Platform::start().await;
    let client = mesh(&platform);
    assert_eq!(whoami(&platform, &client, &[ALICE]).await.0, 401);
    let token = format!("Bearer {}", token(&platform).await);
    let both = [ALICE, ("authorization", token.as_str())];
    assert_eq!(whoami(&platform, &client, &both).await.1["sub"], "batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9112_5_2_a_folded_header_is_refused_and_names_count_in_any_case() {
    let platform = open(&[]).await;
    let url = platform.url(Site::Api1);
    let address = url
        .trim_start_matches("http://")
        .replace("api1.localhost", "127.0.0.1");
    let token = token(&platform).await;
    for (headers, expected) in [
        ("X-Identity:\r\n sub=alice\r\n", "HTTP/1.1 400"),
        ("X-Other: a\r\n X-Identity: sub=alice\r\n", "HTTP/1.1 400"),
        ("X-Identity : sub=alice\r\n", "HTTP/1.1 400"),
        (
            "x-iDENTITY: sub=alice\r\nX-IDENTITY: sub=bob\r\n",
            "HTTP/1.1 200",
        ),
        ("X_Identity: sub=alice\r\n", "HTTP/1.1 200"),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "GET /whoami HTTP/1.1\r\nHost: api1.localhost\r\nAuthorization: Bearer {token}\r\n\
             {headers}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(expected), "{headers}: {answer}");
        assert!(
            !answer.contains("alice") && !answer.contains("stated_by"),
            "{answer}"
        );
    }
}
