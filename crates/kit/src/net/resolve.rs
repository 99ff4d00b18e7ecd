//! `*.localhost` is loopback whatever the system's resolver says (RFC 6761 §6.3).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpStream;

/// How long to wait before each retry after a refused connection. Several replicas can
/// share an address, and for a moment connections go to one that has ended: a retry may
/// reach another.
pub(super) const AGAIN: [Duration; 3] = [
    Duration::from_millis(25),
    Duration::from_millis(75),
    Duration::from_millis(150),
];

/// The addresses of `host`.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if is_localhost(host) {
        return Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)]);
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// Connects to the first address of `host` that accepts; retries a refused connection.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    for pause in AGAIN {
        match connect_once(host, port).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
    connect_once(host, port).await
}

async fn connect_once(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = resolve(host, port).await?;
    let stream = TcpStream::connect(&*addresses).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether `host` is `localhost` or a name below it.
pub fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let (start, last) = host
        .rsplit_once('.')
        .map_or(("", host), |(start, last)| (start, last));
    last.eq_ignore_ascii_case("localhost") && !start.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_is_tried_again() {
        let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = gone.local_addr().unwrap().port();
        drop(gone);
        let refused = connect("localhost", port).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let mut connecting = std::pin::pin!(connect("localhost", port));
        // The first attempt ends before there is a listener.
        let first = tokio::time::timeout(AGAIN[0] / 2, &mut connecting).await;
        assert!(first.is_err(), "{first:?}");
        let _there = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        connecting.await.unwrap();
    }

    #[test]
    fn rfc6761_localhost_names() {
        for name in [
            "localhost",
            "LOCALHOST",
            "app1.localhost",
            "a.b.localhost",
            "idp.localhost.",
        ] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["localhost.example.com", "notlocalhost", "app1", "", "."] {
            assert!(!is_localhost(name), "{name}");
        }
    }
}
