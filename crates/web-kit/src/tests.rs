//! The server, called over real connections. Each call blocks its thread, and
//! with it the server's own tasks (not its workers): so what a test sees cannot
//! change while it looks.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use actix_web::{HttpResponse, web};
use kit::{
    admission::{Admission, Limits},
    metrics::Metrics,
    readiness::Readiness,
    running::Running,
    shutdown::{Drain, Shutdown},
};

use crate::{client::TrustedProxies, observe::MAX_HEADERS, server::HttpServer, trace::Origin};

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    metrics: SocketAddr,
    pub(crate) admission: Admission,
    shutdown: Shutdown,
    running: Running,
}

impl Served {
    async fn new() -> Self {
        Self::with(Drain::default(), |_| {}).await
    }

    async fn with(
        drain: Drain,
        routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        Self::start(drain, Limits::default(), false, routes).await
    }

    /// With other bounds of what clients may hold.
    pub(crate) async fn limited(
        limits: Limits,
        routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        Self::start(Drain::default(), limits, false, routes).await
    }

    async fn start(
        drain: Drain,
        limits: Limits,
        has_metrics_port: bool,
        routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let shutdown = Shutdown::with(drain);
        let admission = Admission::new(limits);
        let any = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (listener, metrics_at) = (any(), any());
        let address = listener.local_addr().unwrap();
        let metrics = metrics_at.local_addr().unwrap();
        let server = HttpServer {
            service: "tested",
            metrics: Metrics::new("tested").unwrap(),
            readiness: Readiness::waiting_for(shutdown.clone(), &[]),
            shutdown: shutdown.clone(),
            workers: 1,
            trusted_proxies: TrustedProxies::default(),
            trace: |_, _| Origin::New,
            sites: kit::config::Sites::default(),
            body_limit: 1024,
            admission: admission.clone(),
            metrics_at: Vec::from_iter(has_metrics_port.then_some(metrics_at)).into(),
        };
        let running = server.serve(vec![listener], routes).unwrap();
        let started = Self {
            address,
            metrics,
            admission,
            shutdown,
            running,
        };
        started.let_it_work().await;
        started
    }

    /// All of the server's tasks get as far as they can go by themselves.
    async fn let_it_work(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// The whole answer to `GET path` with `headers`, on a connection of its own.
    fn get(&self, path: &str, headers: &str) -> String {
        Self::ask(self.address, "GET", path, headers)
    }

    /// The same at another address and with another method.
    fn ask(at: SocketAddr, method: &str, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(at).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        stream
            .write_all(format!("{request}{headers}\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) async fn end(self) {
        self.shutdown.begin();
        self.running.join().await.unwrap();
    }
}

#[tokio::test]
async fn headers_over_32_kib_are_431_with_a_trace_id_on_every_route() {
    let served = Served::new().await;
    let too_large = format!("X-Large: {}\r\n", "x".repeat(MAX_HEADERS));
    for path in ["/healthz", "/readyz", "/metrics", "/nothing-here"] {
        let answer = served.get(path, &too_large).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 431 "), "{path}: {answer}");
        assert!(answer.contains("\r\ntrace-id: "), "{path}: {answer}");
        let answer = served.get(path, "").to_ascii_lowercase();
        assert!(!answer.starts_with("http/1.1 431 "), "{path}: {answer}");
        assert!(answer.contains("\r\ntrace-id: "), "{path}: {answer}");
    }
    served.end().await;
}

#[tokio::test]
async fn while_draining_a_new_connection_is_told_503_and_then_there_is_none() {
    let served = Served::new().await;
    assert!(served.get("/readyz", "").starts_with("HTTP/1.1 200 "));
    served.shutdown.begin();
    served.let_it_work().await;
    let answer = served.get("/readyz", "");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("draining\n"), "{answer}");
    let address = served.address;
    served.end().await;
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn rfc9112_9_6_while_draining_each_answer_closes_its_connection() {
    let served = Served::new().await;
    let mut stream = TcpStream::connect(served.address).unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(!answer.contains("connection: close"), "{answer}");

    served.shutdown.begin();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let answer = answer.to_ascii_lowercase();
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("ok\n"), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn a_request_that_never_ends_holds_up_the_drain_no_longer_than_its_timeout() {
    let drain = Drain {
        notice: Duration::ZERO,
        timeout: Duration::from_millis(1),
    };
    let served = Served::with(drain, |cfg| {
        cfg.route(
            "/endless",
            web::get().to(std::future::pending::<HttpResponse>),
        );
    });
    let served = served.await;
    let mut stream = TcpStream::connect(served.address).unwrap();
    let request = b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).unwrap();
    served.end().await;
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
}

/// An answer's headers, without those that differ each time, and its body.
fn parts(answer: &str) -> (Vec<String>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().map(str::to_ascii_lowercase);
    let same = |line: &String| !line.starts_with("date:") && !line.starts_with("trace-id:");
    let mut lines: Vec<_> = lines.filter(same).collect();
    lines.sort();
    (lines, body)
}

#[tokio::test]
async fn rfc9110_9_3_2_head_is_answered_as_get_without_a_body_on_every_route() {
    let served = Served::with(Drain::default(), |cfg| {
        cfg.route("/page", web::get().to(async || "some text"));
        cfg.route("/form", web::post().to(async || "posted"));
    })
    .await;
    for path in ["/healthz", "/readyz", "/page", "/form", "/nothing-here"] {
        let get = served.get(path, "");
        let head = Served::ask(served.address, "HEAD", path, "");
        let ((expected, _), (headers, body)) = (parts(&get), parts(&head));
        assert_eq!(headers, expected, "{path}");
        assert_eq!(body, "", "{path}");
    }
    served.end().await;
}

#[tokio::test]
async fn rfc9110_9_3_2_head_of_a_stream_that_never_ends_ends() {
    let served = Served::with(Drain::default(), |cfg| {
        let endless = async || {
            let pending = futures_util::stream::pending::<Result<web::Bytes, actix_web::Error>>();
            HttpResponse::Ok().streaming(pending)
        };
        cfg.route("/events", web::get().to(endless));
    })
    .await;
    let answer = Served::ask(served.address, "HEAD", "/events", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(parts(&answer).1, "");
    served.end().await;
}

#[tokio::test]
async fn rfc3986_6_2_2_another_spelling_of_a_path_leads_nowhere() {
    let served = Served::new().await;
    for path in [
        "/%6Detrics",
        "/%6detrics",
        "/metric%73",
        "/%2e%2e/metrics",
        "/%256Detrics",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = Served::ask(served.address, method, path, "");
            assert!(
                answer.starts_with("HTTP/1.1 400 "),
                "{method} {path}: {answer}"
            );
        }
    }
    assert!(
        served
            .get("/metrics", "")
            .contains("http_route=\"unmatched\"")
    );
    served.end().await;
}

#[tokio::test]
async fn with_a_metrics_port_metrics_are_there_and_nowhere_else() {
    let routes = |cfg: &mut web::ServiceConfig| {
        cfg.route("/page", web::get().to(async || "some text"));
    };
    let served = Served::start(Drain::default(), Limits::default(), true, routes).await;
    assert!(served.get("/page", "").starts_with("HTTP/1.1 200 "));
    assert!(served.get("/metrics", "").starts_with("HTTP/1.1 404 "));
    let scraped = Served::ask(served.metrics, "GET", "/metrics", "");
    assert!(scraped.contains("http_route=\"/page\""), "{scraped}");
    let page = Served::ask(served.metrics, "GET", "/page", "");
    assert!(page.starts_with("HTTP/1.1 404 "), "{page}");
    served.end().await;
}
