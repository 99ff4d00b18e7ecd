//! Measures one address from a process of its own, so that the client is optimised as the
//! service is: calls on one connection, or new connections. Prints the median in
//! microseconds.
//!
//! `connection calls|connects N URL [CA CERTIFICATE KEY]`; the files are PEM. The header
//! Authorization of the calls is in the environment, as `AUTHORIZATION`.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for the benchmark, which ends where it cannot go on"
)]

use std::{env, fs, time::Instant};

use bench::results::{WARM_UP, median};
use kit::net::{ClientIdentity, Trust, connect};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::either::Either;
use url::Url;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let [what, count, url, files @ ..] = &args[..] else {
        panic!("connection calls|connects N URL [CA CERTIFICATE KEY]");
    };
    let count: usize = count.parse().expect("a number");
    let address = Address::new(url, files);
    let taken = match what.as_str() {
        "calls" => address.calls(count).await,
        "connects" => address.connects(count).await,
        other => panic!("{other}: calls or connects is expected"),
    };
    println!("{}", median(taken));
}

/// The address, and how it is reached.
struct Address {
    host: String,
    port: u16,
    path: String,
    tls: Option<kit::net::Tls>,
}

type Stream = Either<tokio::net::TcpStream, tokio_rustls::client::TlsStream<tokio::net::TcpStream>>;

impl Address {
    fn new(url: &str, files: &[String]) -> Self {
        let url: Url = url.parse().expect("an address");
        let read = |file: &String| fs::read_to_string(file).expect("a PEM file");
        let trust = files.first().map(|ca| {
            let trust = Trust::in_pem(read(ca).as_bytes()).expect("a CA");
            match files {
                [_, certificate, key] => {
                    let identity = ClientIdentity::in_pem(&read(certificate), &read(key));
                    trust.identified_by(identity.expect("a certificate with its key"))
                }
                _ => trust,
            }
        });
        Self {
            host: url.host_str().expect("a host").to_owned(),
            port: url.port().expect("a port"),
            path: url.path().to_owned(),
            tls: trust.map(|trust| trust.tls(&[b"http/1.1"])),
        }
    }

    async fn connect(&self) -> Stream {
        let Self {
            host, port, tls, ..
        } = self;
        match tls {
            Some(tls) => Either::Right(tls.connect(host, *port).await.expect("a handshake")),
            None => Either::Left(connect(host, *port).await.expect("a connection")),
        }
    }

    /// How long each of `count` new connections took, until a call could be sent. Each is
    /// closed before it has read a session ticket, so the next one is no resumption.
    async fn connects(&self, count: usize) -> Vec<f64> {
        let mut taken = Vec::new();
        for _ in 0..count + WARM_UP {
            let began = Instant::now();
            let stream = self.connect().await;
            taken.push(micros(began));
            drop(stream);
        }
        taken.split_off(WARM_UP)
    }

    /// How long each of `count` calls took, one after the other on one connection.
    async fn calls(&self, count: usize) -> Vec<f64> {
        let authorization = env::var("AUTHORIZATION").expect("AUTHORIZATION");
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}:{}\r\nAuthorization: {authorization}\r\n\r\n",
            self.path, self.host, self.port
        );
        let mut stream = BufReader::new(self.connect().await);
        let mut taken = Vec::new();
        for _ in 0..count + WARM_UP {
            let began = Instant::now();
            let sent = stream.write_all(request.as_bytes()).await;
            sent.expect("the connection is open");
            stream.flush().await.expect("the connection is open");
            answer(&mut stream).await;
            taken.push(micros(began));
        }
        taken.split_off(WARM_UP)
    }
}

/// Reads one answer, which has to be 200 and to name its length.
async fn answer(stream: &mut BufReader<Stream>) {
    let (mut line, mut length, mut is_first) = (String::new(), 0, true);
    loop {
        line.clear();
        stream.read_line(&mut line).await.expect("an answer");
        if is_first {
            assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
            is_first = false;
        }
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("the body");
}

fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}
