//! Bodies that do not come as they should, over real connections. A tick is a
//! moment here; nothing says when something happens, only that it does.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use actix_web::{HttpResponse, web};
use kit::admission::Limits;

use super::*;
use crate::tests::Served;

/// The most bytes that `/read` takes. The service takes 1024.
const ROUTE: usize = 100;

async fn read(body: Body) -> Result<Bytes, BodyError> {
    body.read(ROUTE).await
}

async fn read_known(body: Body) -> Result<Bytes, BodyError> {
    body.authenticated().read(ROUTE).await
}

async fn refuse(_: Body) -> HttpResponse {
    HttpResponse::Forbidden().finish()
}

fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/read", web::post().to(read))
        .route("/known", web::post().to(read_known))
        .route("/refuse", web::post().to(refuse))
        .route("/long", web::get().to(async || vec![0_u8; 64 << 20]));
}

/// Short, but none is over before a request that is whole is answered.
fn short() -> Limits {
    Limits {
        tick: Duration::from_millis(20),
        head: 10,
        body: 10,
        body_longest: 20,
        write: 5,
        ..Limits::default()
    }
}

struct Client(TcpStream);

impl Client {
    fn of(served: &Served) -> Self {
        let stream = TcpStream::connect(served.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(stream)
    }

    fn send(&mut self, text: &str) -> &mut Self {
        self.0.write_all(text.as_bytes()).unwrap();
        self
    }

    /// A POST that says that its body has so many bytes.
    fn post(&mut self, path: &str, length: usize) -> &mut Self {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        ))
    }

    fn post_chunked(&mut self, path: &str) -> &mut Self {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
    }

    /// All that comes until the server closes the connection.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut rest);
        String::from_utf8(rest).unwrap()
    }

    /// One answer, up to `end`.
    fn answer(&mut self, end: &str) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        String::from_utf8(answer).unwrap()
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// Waits until the server has let go of all connections.
async fn until_nobody_is_connected(served: &Served) {
    let gone = async {
        while served.admission.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_read_in_one_piece_in_chunks_and_in_a_row_on_one_connection() {
    let served = Served::limited(Limits::default(), routes).await;
    let mut client = Client::of(&served);
    for text in ["hello", "again"] {
        client.post("/read", 5).send(text);
        assert_eq!(status(&client.answer(text)), "200");
    }
    client.post_chunked("/read");
    client.send("3\r\nabc\r\n").send("2\r\nde\r\n0\r\n\r\n");
    assert_eq!(status(&client.answer("abcde")), "200");
    client.post("/known", 2).send("o").send("k");
    assert_eq!(status(&client.answer("ok")), "200");
    drop(client);
    until_nobody_is_connected(&served).await;
    assert_eq!(served.admission.buffered(), (0, 0));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_says_it_is_too_long_is_413_before_it_comes() {
    let served = Served::limited(Limits::default(), routes).await;
    for length in [ROUTE + 1, 1 << 20, usize::MAX] {
        let answer = Client::of(&served).post("/read", length).rest();
        assert_eq!(status(&answer), "413", "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"));
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_are_counted_as_they_come() {
    let served = Served::limited(Limits::default(), routes).await;
    let mut client = Client::of(&served);
    client.post_chunked("/read");
    // Many small ones; the server may hang up before the last.
    for _ in 0..=ROUTE {
        let _ = client.0.write_all(b"1\r\nx\r\n");
    }
    assert_eq!(status(&client.rest()), "413");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_is_408_and_gives_its_bytes_back() {
    let served = Served::limited(short(), routes).await;
    for path in ["/read", "/known"] {
        let answer = Client::of(&served).post(path, 50).send("almost").rest();
        assert_eq!(status(&answer), "408", "{answer}");
    }
    until_nobody_is_connected(&served).await;
    assert_eq!(served.admission.buffered(), (0, 0));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_is_408() {
    let served = Served::limited(short(), routes).await;
    let mut client = Client::of(&served);
    client.post("/read", ROUTE);
    let mut writer = client.0.try_clone().unwrap();
    let trickle = std::thread::spawn(move || {
        // Until the server hangs up.
        while writer.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let answer = client.answer("slowly.\"}");
    assert_eq!(status(&answer), "408", "{answer}");
    drop(client);
    until_nobody_is_connected(&served).await;
    trickle.join().unwrap();
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9112_9_6_an_unread_body_does_not_hold_the_connection() {
    let served = Served::limited(short(), routes).await;
    for path in ["/refuse", "/nothing-here", "/long"] {
        let answer = Client::of(&served).post(path, 1 << 20).send("x").rest();
        let refused = ["403", "404", "405"].contains(&status(&answer));
        assert!(refused, "{path}: {answer}");
        let mut chunked = Client::of(&served);
        let answer = chunked.post_chunked(path).send("1\r\nx\r\n").rest();
        let refused = ["403", "404", "405"].contains(&status(&answer));
        assert!(refused, "{path}: {answer}");
    }
    until_nobody_is_connected(&served).await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_trickles_has_a_deadline_on_a_used_connection_too() {
    let served = Served::limited(short(), routes).await;
    let mut client = Client::of(&served);
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    client.answer("ok\n");
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Never: ");
    assert_eq!(client.rest(), "");
    until_nobody_is_connected(&served).await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_reads_is_given_up() {
    let served = Served::limited(short(), routes).await;
    let mut client = Client::of(&served);
    client.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
    until_nobody_is_connected(&served).await;
    drop(client);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_body_that_waited_longest_makes_room_for_a_whole_one_of_its_address() {
    let limits = Limits {
        bytes_of_one: 60,
        ..Limits::default()
    };
    let served = Served::limited(limits, routes).await;
    let mut stalled = Client::of(&served);
    stalled.post("/read", 51).send(&"x".repeat(50));
    while served.admission.buffered().0 < 50 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut whole = Client::of(&served);
    whole.post("/read", 50).send(&"y".repeat(50));
    assert_eq!(status(&whole.answer("yy")), "200");
    let answer = stalled.rest();
    assert_eq!(status(&answer), "503", "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1"));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_head_is_431_and_one_that_nobody_pays_for_ends() {
    let served = Served::limited(Limits::default(), routes).await;
    let long = "x".repeat(40 * 1024);
    let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n");
    assert_eq!(status(&Client::of(&served).send(&head).rest_of(431)), "431");
    served.end().await;
    let none = Limits {
        bytes_of_one: 0,
        ..Limits::default()
    };
    let served = Served::limited(none, routes).await;
    let mut client = Client::of(&served);
    let _ = client.0.write_all(head.as_bytes());
    assert_eq!(client.rest(), "");
    served.end().await;
}

impl Client {
    /// An answer with `status`, whose end is its JSON's.
    fn rest_of(&mut self, status: u16) -> String {
        let answer = self.answer("}");
        assert!(answer.contains(&status.to_string()), "{answer}");
        answer
    }
}
