//! The server, called over real connections. It has no methods of its own.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::stream;
use http::uri::PathAndQuery;
use kit::{
    admission::{Admission, Limits},
    metrics::Metrics,
    net::Trust,
    readiness::Readiness,
    running::Running,
    shutdown::{Drain, Shutdown},
};
use tonic::{Code, Request, client::Grpc, service::RoutesBuilder, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{GrpcServer, call_retry_unprocessed};

const INVENTORY: &str = "sso.inventory.v1.Inventory";
/// More than a test takes.
const LONG: Duration = Duration::from_secs(60);

struct Served {
    admission: Admission,
    url: String,
    metrics: Metrics,
    shutdown: Shutdown,
    running: Running,
}

impl Served {
    fn new(notice: Duration) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), notice)
    }

    fn on(listener: TcpListener, notice: Duration) -> Self {
        Self::limited(listener, notice, Limits::default())
    }

    fn limited(listener: TcpListener, notice: Duration, limits: Limits) -> Self {
        let admission = Admission::new(limits);
        let shutdown = Shutdown::with(Drain {
            notice,
            ..Drain::default()
        });
        let metrics = Metrics::new("tested").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = GrpcServer {
            admission: admission.clone(),
            service: "tested",
            metrics: metrics.clone(),
            names: &[INVENTORY],
            // These hold the provider's service too.
            descriptors: sso_proto::DESCRIPTORS,
            readiness: Readiness::waiting_for(shutdown.clone(), &[]),
            shutdown: shutdown.clone(),
        };
        let routes = RoutesBuilder::default();
        let running = server.serve(vec![listener], routes).unwrap();
        Self {
            admission,
            url,
            metrics,
            shutdown,
            running,
        }
    }

    /// A new connection.
    fn channel(&self) -> Channel {
        Trust::default().grpc_channel(&self.url).unwrap()
    }

    /// Asks, on a new connection each time, until health says `expected`.
    async fn until_health_says(&self, expected: ServingStatus) {
        let asked = async {
            loop {
                let mut health = HealthClient::new(self.channel());
                let service = INVENTORY.to_owned();
                match health.check(HealthCheckRequest { service }).await {
                    Ok(answer) if answer.get_ref().status() == expected => break,
                    Ok(_) => {}
                    // Before the server has said anything about it.
                    Err(status) => assert_eq!(status.code(), Code::NotFound, "{status}"),
                }
            }
        };
        let asked = tokio::time::timeout(LONG / 2, asked).await;
        asked.expect("told in time");
    }

    async fn end(self) {
        self.shutdown.begin();
        self.running.join().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_announces_what_is_served_and_nothing_else() {
    let served = Served::new(Drain::default().notice);
    let mut reflection = ServerReflectionClient::new(served.channel());
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = stream::iter([list]);
    let mut answers = reflection.server_reflection_info(asked).await.unwrap();
    let answer = answers.get_mut().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("a list, not {answer:?}")
    };
    let mut names: Vec<_> = list.service.into_iter().map(|found| found.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            INVENTORY,
        ]
    );
    drop((answers, reflection));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_draining_a_new_connection_is_told_not_serving() {
    let served = Served::new(LONG);
    served.until_health_says(ServingStatus::Serving).await;
    served.shutdown.begin();
    served.until_health_says(ServingStatus::NotServing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_notice_there_is_no_new_connection() {
    let served = Served::new(Duration::ZERO);
    served.until_health_says(ServingStatus::Serving).await;
    let channel = served.channel();
    served.end().await;
    let mut health = HealthClient::new(channel);
    let refused = health.check(HealthCheckRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_method_is_counted_without_its_name() {
    let served = Served::new(Drain::default().notice);
    let mut client = Grpc::new(served.channel());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/sso.inventory.v1.Inventory/Steal");
    let codec = ProstCodec::<(), ()>::default();
    let refused = client.unary(Request::new(()), path, codec).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    drop(client);
    let text = String::from_utf8(served.metrics.text()).unwrap();
    assert!(text.contains("rpc_method=\"_OTHER\""), "{text}");
    assert!(!text.contains("Steal"), "{text}");
    served.end().await;
}

/// Takes a connection and its first call, and says `last_words` instead of an answer.
fn end_at_first_call(listener: &TcpListener, last_words: &[u8]) {
    /// RFC 9113 §3.4, §4.1, §6.2, §6.5.
    const PREFACE: usize = 24;
    const HEADERS: u8 = 1;
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(&SETTINGS).unwrap();
    let read = |peer: &mut TcpStream, length| {
        let mut bytes = vec![0; length];
        peer.read_exact(&mut bytes).unwrap();
        bytes
    };
    read(&mut peer, PREFACE);
    loop {
        let head = read(&mut peer, 9);
        read(
            &mut peer,
            u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize,
        );
        if head[3] == HEADERS {
            break;
        }
    }
    peer.write_all(last_words).unwrap();
    // Closed with unread bytes, a connection is reset, and a reset may overtake the last
    // words (RFC 1122 §4.2.2.13).
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    peer.set_read_timeout(Some(LONG)).unwrap();
    let _ = peer.read_to_end(&mut Vec::new());
}

/// Asks for the health of a server that ends its first connection with
/// `last_words`; the answer, and how often it was asked.
async fn asked_across_an_end(last_words: &'static [u8]) -> (Result<ServingStatus, Code>, usize) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ending = tokio::task::spawn_blocking(move || {
        end_at_first_call(&listener, last_words);
        listener
    });
    let times = AtomicUsize::new(0);
    let health = HealthClient::new(Trust::default().grpc_channel(&url).unwrap());
    let asked = call_retry_unprocessed(async || {
        times.fetch_add(1, Ordering::Relaxed);
        health.clone().check(HealthCheckRequest::default()).await
    });
    let serving = async {
        let served = Served::on(ending.await.unwrap(), Duration::ZERO);
        served.until_health_says(ServingStatus::Serving).await;
        served
    };
    // The second time, the listener is the real server's.
    let (answer, served) = tokio::join!(asked, serving);
    drop(health);
    served.end().await;
    let answer = answer.map(|answer| answer.get_ref().status());
    (answer.map_err(|status| status.code()), times.into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9113_6_8_a_call_that_the_peer_has_not_seen_is_made_once_more() {
    // The last stream that was seen is 0, and there was no error.
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (answer, times) = asked_across_an_end(&GOAWAY).await;
    assert!(answer.is_ok(), "{answer:?}");
    // The second may be taken back from the queue of the connection that has ended.
    assert!((2..=3).contains(&times), "{times}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_the_peer_may_have_seen_is_not_made_again() {
    let (answer, times) = asked_across_an_end(&[]).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(times, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_makes_no_call_is_closed_and_one_that_did_may_wait() {
    let limits = Limits {
        tick: Duration::from_millis(20),
        head: 5,
        ..Limits::default()
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let served = Served::limited(listener, Drain::default().notice, limits);
    let mut health = HealthClient::new(served.channel());
    let service = INVENTORY.to_owned();
    while health
        .check(HealthCheckRequest {
            service: service.clone(),
        })
        .await
        .is_err()
    {}
    let mut silent = TcpStream::connect(address).unwrap();
    let mut half = TcpStream::connect(address).unwrap();
    half.write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    for stream in [&mut silent, &mut half] {
        stream.set_read_timeout(Some(LONG)).unwrap();
        // A reset is an end too, and a time-out is none.
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
        }
    }
    // A closed connection is counted out a moment after its peer learns of the end.
    let only_the_one_that_made_a_call = async {
        while served.admission.connections() != 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, only_the_one_that_made_a_call)
        .await
        .unwrap();
    health.check(HealthCheckRequest { service }).await.unwrap();
    drop(health);
    served.end().await;
}

/// Reflection and health's `Watch` last as long as their client likes: one address may have
/// some open, and its calls and health checks go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_may_watch_a_few_streams_at_once() {
    let served = Served::new(Drain::default().notice);
    let service = INVENTORY.to_owned();
    let request = HealthCheckRequest { service };
    let mut open = Vec::new();
    let refused = loop {
        let mut health = HealthClient::new(served.channel());
        match health.watch(request.clone()).await {
            Ok(watched) => open.push(watched),
            Err(status) => break status,
        }
        assert!(open.len() < 100, "no bound");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let mut reflection = ServerReflectionClient::new(served.channel());
    let endless = stream::pending::<ServerReflectionRequest>();
    let refused = reflection
        .server_reflection_info(endless)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let mut health = HealthClient::new(served.channel());
    health.check(request.clone()).await.unwrap();
    // What ends makes room.
    open.clear();
    let again = async {
        while health.watch(request.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, again).await.unwrap();
    served.end().await;
}

/// A watch that is a connection's first call ends the wait for that call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_watch_longer_than_a_connection_waits_for_its_first_call() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let limits = Limits {
        head: 1,
        ..Limits::default()
    };
    let served = Served::limited(listener, Drain::default().notice, limits);
    let mut health = HealthClient::new(served.channel());
    let service = INVENTORY.to_owned();
    let watch = health.watch(HealthCheckRequest { service }).await.unwrap();
    let mut watch = watch.into_inner();
    let mut last = watch.message().await.unwrap().unwrap();
    while last.status() != ServingStatus::Serving {
        let next = tokio::time::timeout(LONG, watch.message()).await.unwrap();
        last = next.unwrap().unwrap();
    }
    // Several sweeps of the limits later it still listens.
    let next = tokio::time::timeout(Duration::from_secs(4), watch.message()).await;
    assert!(next.is_err(), "{next:?}");
    served.end().await;
}
