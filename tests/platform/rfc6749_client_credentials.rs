//! `sso-lab batch`: a program without a user works through a list of orders (RFC 6749
//! §4.4).

use std::{path::Path, sync::Arc, time::Duration};

use kit::config::Site;
use reqwest::Method;
use serde_json::Value;
use testkit::{Child, ClientAuth, Platform, Terminal, binary};
use tests::{own_addresses, words::API1};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Semaphore, mpsc},
};

/// What a run may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(90);

/// A list of orders in a file.
fn list(folder: &Path, lines: &str) -> String {
    let file = folder.join("orders.jsonl");
    std::fs::write(&file, lines).unwrap();
    file.display().to_string()
}

fn run(flags: &[&str], environment: &[(String, String)]) -> (String, Option<i32>) {
    let flags = [&["batch"], flags].concat();
    let run = || Child::run_to_end(&binary("sso-lab"), &flags, environment, SOON);
    tokio::task::block_in_place(run)
}

fn lines_of(output: &str) -> Vec<Value> {
    let lines = output.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

fn token_requests(platform: &Platform) -> usize {
    let requests = platform.tap(Site::Idp).requests();
    requests.matches("POST /token").count()
}

/// Stands where API-1 is: says when it has read an order, answers with `answer` when it
/// may, and counts.
async fn stand_in(answer: &'static str) -> (String, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (came, orders) = mpsc::unbounded_channel();
    let may_answer = Arc::new(Semaphore::new(0));
    let may = Arc::clone(&may_answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (came, may) = (came.clone(), Arc::clone(&may));
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"}") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                came.send(()).unwrap();
                may.acquire().await.unwrap().forget();
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (url, orders, may_answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_4_4_orders_are_placed_at_both_apis_without_a_user() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut orders = String::new();
    for _ in 0..8 {
        orders += "{\"item\": \"playing-card\", \"quantity\": 1}\n";
        orders += "{\"api\": \"api-2\", \"item\": \"playing-card\", \"quantity\": 2}\n\n";
    }
    let file = list(folder.path(), &orders);
    let (output, code) = run(&[&file], &own_addresses(&platform));
    assert_eq!(code, Some(0), "{output}");
    for (api, count) in [("done at api-1: ", 8), ("done at api-2: ", 8)] {
        assert_eq!(output.matches(api).count(), count, "{output}");
    }
    assert!(output.contains("16 orders in "), "{output}");
    assert!(
        output.contains(" s: 16 done, 0 failed, 0 unknown."),
        "{output}"
    );
    // One token for each API. (API-1 exchanges its own over gRPC.)
    assert_eq!(token_requests(&platform), 2);
    // The orders are the client's own.
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let for_itself = [("grant_type", "client_credentials"), ("resource", API1)];
    let token = batch
        .token(&for_itself)
        .await
        .granted()
        .text("access_token");
    let url = format!("{}/resource", platform.url(Site::Api1));
    let own = batch.call(Method::GET, &url, &token).await.json();
    assert_eq!(own["orders"].as_array().map(Vec::len), Some(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_fails_is_told_the_others_are_placed_and_the_exit_code_is_1() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let orders = "{\"item\": \"jabberwock\", \"quantity\": 1}\n\
                  {\"item\": \"tea-pot\"}\n\
                  {\"api\": \"api-2\", \"item\": \"looking-glass\", \"quantity\": 8}\n\
                  {\"item\": \"tea-pot\", \"quantity\": 1}\n";
    let file = list(folder.path(), orders);
    let flags = ["--json", "--concurrency", "1", &file];
    let (output, code) = run(&flags, &own_addresses(&platform));
    assert_eq!(code, Some(1), "{output}");
    let lines = lines_of(&output);
    let outcomes: Vec<_> = lines[..4].iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["failed", "failed", "failed", "done"], "{output}");
    assert!(lines[0]["why"].as_str().unwrap().contains("No such item"));
    assert_eq!(lines[0]["trace_id"].as_str().map(str::len), Some(32));
    assert!(lines[1]["why"].as_str().unwrap().contains("quantity"));
    assert!(lines[2]["why"].as_str().unwrap().contains("7 left"));
    let summary = &lines[4]["summary"];
    assert_eq!(
        (&summary["done"], &summary["failed"]),
        (&1.into(), &3.into())
    );
    assert!(!output.contains("batch-secret"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9110_9_2_2_an_order_whose_answer_is_lost_is_not_sent_again() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = list(folder.path(), "{\"item\": \"tea-pot\", \"quantity\": 1}\n");
    for answer in [
        "",
        "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (url, mut orders, may_answer) = stand_in(answer).await;
        may_answer.add_permits(10);
        let mut environment = own_addresses(&platform);
        environment.push(("API1_URL".to_owned(), url));
        let (output, code) = run(&["--json", &file], &environment);
        assert_eq!(code, Some(1), "{output}");
        assert_eq!(lines_of(&output)[0]["outcome"], "unknown", "{output}");
        assert_eq!(orders.recv().await, Some(()));
        assert!(orders.try_recv().is_err(), "it was sent twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_5_2_a_client_that_is_refused_sends_nothing() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = list(
        folder.path(),
        &"{\"item\": \"tea-pot\", \"quantity\": 1}\n".repeat(50),
    );
    let flags = ["--client-secret", "wrong", &file];
    let (output, code) = run(&flags, &own_addresses(&platform));
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("Stopped: the identity provider refused: invalid_client"));
    assert!(output.lines().count() < 10, "{output}");
    let requests = platform.tap(Site::Api1).requests();
    assert!(!requests.contains("POST /resource"), "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_a_progress_bar_and_what_failed() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let orders =
        "{\"item\": \"tea-pot\", \"quantity\": 1}\n{\"item\": \"jabberwock\", \"quantity\": 1}\n";
    let file = list(folder.path(), orders);
    let environment = own_addresses(&platform);
    let terminal = Terminal::start(&binary("sso-lab"), &["batch", &file], &environment);
    let (text, code) = terminal.end(SOON).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("0/2 orders"), "{text}");
    assert!(
        text.contains("line 2: failed at api-1: status 404"),
        "{text}"
    );
    assert!(!text.contains("line 1: "), "{text}");
    assert!(text.contains(" s: 1 done, 1 failed, 0 unknown."), "{text}");

    // Orders that are typed have no number before their end.
    let mut terminal = Terminal::start(&binary("sso-lab"), &["batch"], &environment);
    terminal.until("0 orders", SOON).await;
    terminal.type_keys("{\"item\": \"tea-pot\", \"quantity\": 1}\n\x04");
    let (text, code) = terminal.end(SOON).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 order in "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_sends_no_more_and_waits_for_the_orders_in_flight() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let orders = "{\"item\": \"tea-pot\", \"quantity\": 1}\n".repeat(100);
    let file = list(folder.path(), &orders);
    let answer =
        "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 12\r\n\r\n{\"id\":\"o-1\"}";
    let (url, mut orders, may_answer) = stand_in(answer).await;
    let mut environment = own_addresses(&platform);
    environment.push(("API1_URL".to_owned(), url));
    let flags = ["batch", "--concurrency", "2", &file];
    let mut terminal = Terminal::start(&binary("sso-lab"), &flags, &environment);
    for _ in 0..2 {
        assert_eq!(orders.recv().await, Some(()));
    }
    terminal.type_keys("\x03");
    terminal
        .until("waiting for the orders in flight", SOON)
        .await;
    may_answer.add_permits(100);
    let (text, code) = terminal.end(SOON).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("Stopped: interrupted. No further order was sent."),
        "{text}"
    );
    assert!(text.contains("2 orders in "), "{text}");
    assert!(orders.try_recv().is_err(), "another order was sent");
}
