//! `*.localhost` is loopback whatever the system's resolver says (RFC 6761 §6.3).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::net::TcpStream;

/// The addresses of `host`.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if is_localhost(host) {
        return Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)]);
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// Connects to the first address of `host` that answers.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
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
