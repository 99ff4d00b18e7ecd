//! The server over TLS, called by a real client.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use kit::{
    admission::{Admission, Limits},
    listeners::Sockets,
    metrics::Metrics,
    readiness::Readiness,
    running::Running,
    shutdown::{Drain, Shutdown},
    tls::{Issued, Protocol},
};
use tls_testing::{TlsPort, until_ended};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{client::TrustedProxies, peer_certificates, server::HttpServer, trace::Origin};

/// More than a test takes.
const LONG: Duration = Duration::from_secs(60);
/// Larger than a record of TLS, and than the steps in which a body is read.
const BODY: usize = 200 * 1024;

struct Served {
    port: TlsPort,
    admission: Admission,
    shutdown: Shutdown,
    running: Running,
}

impl Served {
    fn new(limits: Limits, drain: Drain) -> Self {
        let (port, sockets) = TlsPort::open(Protocol::Http);
        let shutdown = Shutdown::with(drain);
        let admission = Admission::new(limits);
        let server = HttpServer {
            service: "tested",
            metrics: Metrics::new("tested").unwrap(),
            readiness: Readiness::waiting_for(shutdown.clone(), &[]),
            shutdown: shutdown.clone(),
            workers: 1,
            trusted_proxies: TrustedProxies::default(),
            trace: |_, _| Origin::New,
            sites: kit::config::Sites::default(),
            body_limit: 2 * BODY,
            admission: admission.clone(),
            metrics_at: Sockets::default(),
        };
        let running = server.serve(sockets, |cfg| {
            cfg.route("/echo", web::post().to(async |body: web::Bytes| body));
            cfg.route("/who", web::get().to(who));
            cfg.route("/wait", web::get().to(std::future::pending::<HttpResponse>));
        });
        Self {
            port,
            admission,
            shutdown,
            running: running.unwrap(),
        }
    }

    async fn connect(&self, own: Option<Issued>) -> TlsStream<TcpStream> {
        self.port.client(own).connect().await.unwrap()
    }

    async fn end(self) {
        self.shutdown.begin();
        let ended = tokio::time::timeout(LONG, self.running.join());
        ended.await.expect("ends in time").unwrap();
    }
}

/// The common name of the client's certificate.
async fn who(req: HttpRequest) -> String {
    let Some(certificates) = peer_certificates(&req) else {
        return "nobody".to_owned();
    };
    format!("{} bytes", certificates.own().len())
}

/// The whole answer to a request, the last one of its connection.
async fn ask(mut stream: TlsStream<TcpStream>, request: &str, body: &[u8]) -> String {
    let head = format!("{request}\r\nHost: x\r\nConnection: close\r\n");
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &length).as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer));
    read.await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_passes_both_ways() {
    let served = Served::new(Limits::default(), Drain::default());
    let body = "x".repeat(BODY);
    let stream = served.connect(None).await;
    let answer = ask(stream, "POST /echo HTTP/1.1", body.as_bytes()).await;
    let (head, echoed) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(echoed == body, "{} bytes", echoed.len());
    let hsts = "\r\nstrict-transport-security: max-age=31536000\r\n";
    assert!(head.to_ascii_lowercase().contains(hsts), "{head}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_sees_the_clients_certificate_in_each_request_of_the_connection() {
    let served = Served::new(Limits::default(), Drain::default());
    let own = served.port.certificate("batch");
    let expected = format!("{} bytes", own.certificate.len());
    let mut stream = served.connect(Some(own)).await;
    let first = b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(first).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(expected.as_bytes()) {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    let answer = ask(stream, "GET /who HTTP/1.1", b"").await;
    assert!(answer.ends_with(&expected), "{answer}");
    let nobody = ask(served.connect(None).await, "GET /who HTTP/1.1", b"").await;
    assert!(nobody.ends_with("nobody"), "{nobody}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_client_has_gone_is_cancelled_and_pipelined_input_stays() {
    let served = Served::new(Limits::default(), Drain::default());
    let mut stream = served.connect(None).await;
    let two = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(two).await.unwrap();
    stream.flush().await.unwrap();
    while served.admission.connections() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.shutdown().await.unwrap();
    drop(stream);
    let gone = async {
        while served.admission.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
    // Two requests at once: the second waits while the first one is answered.
    let mut stream = served.connect(None).await;
    let two = "GET /who HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
    stream.write_all(two.as_bytes()).await.unwrap();
    let answer = ask(stream, "GET /who HTTP/1.1", b"").await;
    assert_eq!(answer.matches("nobody").count(), 3, "{answer}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_stalls_is_ended_and_delays_neither_others_nor_the_end() {
    let limits = Limits {
        tick: Duration::from_millis(20),
        head: 5,
        ..Limits::default()
    };
    let served = Served::new(limits, Drain::default());
    let stalled = served.port.stalled().await;
    let answer = ask(served.connect(None).await, "GET /who HTTP/1.1", b"").await;
    assert!(answer.ends_with("nobody"), "{answer}");
    let ended = tokio::time::timeout(LONG, until_ended(stalled));
    ended.await.unwrap();
    served.end().await;

    let drain = Drain {
        notice: Duration::ZERO,
        ..Drain::default()
    };
    let served = Served::new(Limits::default(), drain);
    let _stalled = served.port.stalled().await;
    while served.admission.connections() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    served.end().await;
}
