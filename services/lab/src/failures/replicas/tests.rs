use std::net::Ipv4Addr;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// A name that nobody can resolve, so that a request finds its replica by the address alone.
const NAME: &str = "http://idp.test";

fn clients() -> Clients {
    Clients::new(Trust::default(), "the key")
}

fn post() -> Asked {
    Asked {
        method: Method::POST,
        path: "/lab/control".to_owned(),
        body: Some(json!({ "fault": "down" })),
    }
}

fn with(body: &Value) -> String {
    let body = body.to_string();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
    format!("{head}: {}\r\n\r\n{body}", body.len())
}

/// Answers one request by `answer`, and returns the request.
async fn replica(listener: TcpListener, answer: String) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    while !text.contains("\"down\"") {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        text += std::str::from_utf8(&bytes[..read]).unwrap();
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    text
}

/// Replicas at addresses of their own, with the same port; the last one is gone.
async fn three(answers: [String; 2]) -> (Vec<Replica>, [JoinHandle<String>; 2]) {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = first.local_addr().unwrap().port();
    let at = |last| SocketAddr::from(([127, 0, 0, last], port));
    let second = TcpListener::bind(at(2)).await.unwrap();
    let [one, two] = answers;
    let serving = [
        tokio::spawn(replica(first, one)),
        tokio::spawn(replica(second, two)),
    ];
    let url = format!("{NAME}:{port}");
    (each(&url, vec![at(3), at(2), at(1), at(2)]), serving)
}

#[tokio::test]
async fn every_replica_behind_a_name_is_asked_and_one_that_does_not_answer_is_named() {
    let answers = [with(&json!({ "n": 1 })), with(&json!({ "n": 2 }))];
    let (found, serving) = three(answers).await;
    let port = found[0].at.port();
    let answers = clients().ask_each(&found, Vec::new(), &post()).await;
    assert_eq!(answers.said, [json!({ "n": 1 }), json!({ "n": 2 })]);
    assert_eq!(answers.replicas(), 3);
    let said = answers.problem("did so").unwrap();
    let start = format!("2 of 3 replicas did so. 127.0.0.3:{port}: ");
    assert!(said.starts_with(&start) && said.ends_with('.'), "{said}");
    assert!(!answers.is_refused());
    for request in serving {
        let request = request.await.unwrap().to_ascii_lowercase();
        let host = format!("host: idp.test:{port}\r\n");
        assert!(request.contains(&host), "{request}");
        assert!(
            request.contains("authorization: bearer the key\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn what_is_asked_of_one_replica_reaches_the_first_that_is_there_and_no_other() {
    let answers = [with(&json!({ "n": 1 })), with(&json!({ "n": 2 }))];
    let (mut found, serving) = three(answers).await;
    found.rotate_right(1);
    let answers = clients().ask_first(&found, Vec::new(), &post()).await;
    assert_eq!(answers.said, [json!({ "n": 1 })]);
    assert!(answers.failed.is_empty(), "{answers:?}");
    let [first, second] = serving;
    first.await.unwrap();
    assert!(!second.is_finished());
    second.abort();
    let gone = clients().ask_first(&found[..1], Vec::new(), &post()).await;
    assert_eq!((gone.said.len(), gone.failed.len()), (0, 1));
}

#[tokio::test]
async fn a_refusal_is_told_from_a_replica_that_is_away() {
    let refusal = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 16\r\n\r\n\
                   {\"detail\":\"No.\"}";
    let (found, _serving) = three([refusal.to_owned(), refusal.to_owned()]).await;
    let answers = clients().ask_each(&found[..2], Vec::new(), &post()).await;
    assert!(answers.is_refused());
    let said = answers.problem("did so").unwrap();
    assert!(said.starts_with("0 of 2 replicas did so. 127.0.0.1"));
    assert!(said.ends_with(": No (400)."), "{said}");
    let one = clients().ask_each(&found[2..], Vec::new(), &post()).await;
    assert!(!one.is_refused() && one.replicas() == 1);
    assert!(!one.problem("did so").unwrap().contains("replicas"));
}

#[tokio::test]
async fn replicas_beyond_the_limit_are_not_asked_and_said_to_be_left_out() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let last = u8::try_from(MAX_REPLICAS).unwrap() + 1;
    let all = (1..=last).map(|last| SocketAddr::from(([127, 0, 0, last], port)));
    let found = each(&format!("{NAME}:{port}"), all.collect());
    let answers = clients().ask_each(&found, Vec::new(), &post()).await;
    assert_eq!(answers.replicas(), MAX_REPLICAS + 1);
    let left_out = |failed: &&Failed| failed.why.contains("beyond");
    let left_out: Vec<_> = answers.failed.iter().filter(left_out).collect();
    assert_eq!(left_out.len(), 1);
    assert!(left_out[0].place.starts_with("127.0.0.21:"));
}

#[tokio::test]
async fn a_name_has_a_replica_at_each_address() {
    let found = behind("http://idp.localhost:8081/").await.unwrap();
    let at: SocketAddr = "127.0.0.1:8081".parse().unwrap();
    let url = "http://idp.localhost:8081".to_owned();
    assert_eq!(found, [Replica { url, at }]);
    behind("nowhere").await.unwrap_err();
    let urls = ["nowhere".to_owned(), "https://idp.localhost".to_owned()];
    let (found, failed) = replicas(&urls).await;
    assert_eq!(found[0].at.to_string(), "127.0.0.1:443");
    assert_eq!((found.len(), failed.len()), (1, 1));
    assert_eq!(failed[0].place, "nowhere");
}

#[test]
fn of_several_replicas_the_longest_time_counts() {
    let one = |fault: &str, remaining: u64| {
        json!({ "in_force": [{
            "fault": fault, "amount": 0, "remaining_ms": remaining, "sentence": "s",
        }] })
    };
    let answers = Answers {
        said: vec![one("down", 5), one("down", 9), one("store-away", 1)],
        failed: Vec::new(),
    };
    let all = answers.in_force();
    let held: Vec<_> = all
        .iter()
        .map(|held| {
            (
                &*held.failure.fault,
                held.failure.remaining_ms,
                held.replicas,
            )
        })
        .collect();
    assert_eq!(held, [("down", 9, 2), ("store-away", 1, 1)]);
}
