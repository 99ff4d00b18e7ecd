//! Clients that begin and do not go on, 2,000 of them: the process keeps its
//! memory and serves whoever means it, from the same address too.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use kit::{admission::Admission, config::Site};
use serde_json::json;
use testkit::HeadlessBrowser;
use tests::{ALICE, all_in_one, offset_of, sign_in_to};

/// How many stall at once.
const STALLED: usize = 2000;
/// What all that one address may hold comes to, in a debug build: 1,024
/// connections, its share of buffered bytes, and a password check of 19 MiB.
const MOST_HELD: u64 = 96 << 20;

/// Requests without their last byte: where, and what they say of their body.
const SHAPES: [(u16, &str); 6] = [
    (
        8082,
        "POST /logout HTTP/1.1\r\nHost: app1.localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1048576\r\n\r\n",
    ),
    (
        8082,
        "POST /api1/data HTTP/1.1\r\nHost: app1.localhost\r\nX-CSRF: 1\r\nContent-Type: application/json\r\nContent-Length: 8192\r\n\r\n",
    ),
    (
        8083,
        "POST /backchannel-logout HTTP/1.1\r\nHost: app2.localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8192\r\n\r\n",
    ),
    (
        8081,
        "POST /token HTTP/1.1\r\nHost: idp.localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 16384\r\n\r\n",
    ),
    (
        8084,
        "POST /resource HTTP/1.1\r\nHost: api1.localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n",
    ),
    (8081, "GET /authorize?x="),
];

/// As many as there are of each shape, each all but done.
fn stall(offset: u16) -> Vec<TcpStream> {
    let body = vec![b'x'; 8191];
    (0..STALLED)
        .map(|number| {
            let (port, head) = SHAPES[number % SHAPES.len()];
            let mut stream = TcpStream::connect(("127.0.0.1", port + offset)).unwrap();
            stream.set_nonblocking(true).unwrap();
            for part in [head.as_bytes(), &body] {
                // Refused already, or no more is taken: that is what is tested.
                if let Err(error) = stream.write_all(part) {
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::WouldBlock
                                | ErrorKind::ConnectionReset
                                | ErrorKind::BrokenPipe
                        ),
                        "{error}"
                    );
                }
            }
            stream
        })
        .collect()
}

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Waits until every service has taken the connections that were made before:
/// each listener takes them in their order.
async fn until_taken(offset: u16) {
    for port in [8081, 8082, 8083, 8084] {
        let began = std::time::Instant::now();
        while !is_healthy(port + offset) {
            assert!(began.elapsed() < Duration::from_secs(60), "port {port}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn is_healthy(port: u16) -> bool {
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    });
    asked.is_ok_and(|answer| answer == *b"HTTP/1.1 200")
}

/// Alice signs in, orders and signs out.
async fn alice_is_served(app1: &str) {
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, app1, ALICE).await;
    assert_eq!(cli.fetch_get("/api1/data").await.status, 200);
    let order = json!({ "item": "chess-set", "quantity": 1 });
    assert_eq!(cli.fetch_post("/api1/data", &order).await.status, 201);
    assert_eq!(cli.fetch_post("/logout", &json!({})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_stalled_clients_leave_memory_flat_and_a_user_is_served() {
    // Both ends are here: this raises the limit of open files as the services do.
    Admission::of_process();
    let folder = tempfile::tempdir().unwrap();
    let (child, addresses) = all_in_one(folder.path(), &[]).await;
    let (offset, app1) = (offset_of(&addresses), addresses.url(Site::App1));
    alice_is_served(&app1).await;
    let before = resident(child.pid());

    let flood = stall(offset);
    until_taken(offset).await;
    alice_is_served(&app1).await;
    let first = resident(child.pid());
    let second_flood = stall(offset);
    until_taken(offset).await;
    alice_is_served(&app1).await;
    let second = resident(child.pid());
    println!("resident: {before} before, {first} with {STALLED}, {second} with twice as many");
    // However many stall, one address holds no more.
    for flooded in [first, second] {
        assert!(
            flooded.saturating_sub(before) < MOST_HELD,
            "{before} {flooded}"
        );
    }

    // They end by themselves, each with an answer or without.
    let ended = async {
        for stream in flood.iter().chain(&second_flood) {
            let mut byte = [0];
            while matches!(stream.peek(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), ended)
        .await
        .expect("no stalled connection stays");
}
