//! Calls of other services: name resolution, the HTTP client, the gRPC channel. Each call
//! carries the trace context (`telemetry::propagation`).

mod address_overrides;
mod bad_port;
mod bucket;
mod identity;
mod resolve;
mod trust;

use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

pub use address_overrides::AddressOverrides;
pub use bad_port::is_bad_port;
pub use bucket::{AddrBucket, network};
pub use identity::ClientIdentity;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
pub use resolve::{connect, is_localhost, resolve};
pub use trust::{Tls, Trust, client_config};

/// How long to wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait for a whole response.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle HTTP/1 connection is kept: less than the default `DRAIN_NOTICE`
/// of a server. A draining server sets `Connection: close` on its answers during the
/// notice, so no request races the server's close (RFC 9110 §9.2.2).
pub const IDLE: Duration = Duration::from_millis(400);
/// The start of the text by which rustls reports an untrusted peer.
const BAD_CERTIFICATE: &str = "invalid peer certificate: ";
/// The most bytes of another service's JSON response.
pub const MAX_ANSWER: usize = 1 << 20;

/// The HTTP client that trusts only the system's certificate authorities: see
/// [`Trust::http_client`].
pub fn http_client() -> reqwest::Client {
    Trust::default().http_client()
}

/// The HTTP client of a program that takes a browser's part: see
/// [`Trust::browsers_http_client`].
pub fn browsers_http_client() -> reqwest::Client {
    Trust::default().browsers_http_client()
}

/// Sends `request`, and repeats it while the connection is refused, as [`connect`] does.
/// Nothing was sent over a refused connection, so any request may be repeated.
pub async fn send_retry_connect(
    request: reqwest::RequestBuilder,
) -> reqwest::Result<reqwest::Response> {
    for pause in resolve::AGAIN {
        let Some(copy) = request.try_clone() else {
            break;
        };
        match copy.send().await {
            Err(error) if is_refused(&error) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
    }
    request.send().await
}

/// Sends the idempotent `request` (RFC 9110 §9.2.2), and repeats it once if its
/// connection broke before the answer.
pub async fn send_idempotent(
    request: reqwest::RequestBuilder,
) -> reqwest::Result<reqwest::Response> {
    let Some(copy) = request.try_clone() else {
        return send_retry_connect(request).await;
    };
    match send_retry_connect(copy).await {
        Err(error) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
            send_retry_connect(request).await
        }
        outcome => outcome,
    }
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut causes = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    error.is_connect() && causes.any(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
}

/// The causes of `error`, the nearest first.
pub fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut last = error;
    std::iter::from_fn(move || {
        last = last.source()?;
        Some(last)
    })
}

/// The text of the innermost cause of `error`. The outer texts of an HTTP client's error
/// say only that a request failed.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let last = causes(error).last();
    last.unwrap_or(error).to_string()
}

/// Why a call failed, for a log: the innermost cause of `error`, without the address. An
/// untrusted certificate is named as such.
pub fn why(error: &reqwest::Error) -> String {
    let last = causes(error).last().map(ToString::to_string);
    match last
        .as_deref()
        .map(|last| last.strip_prefix(BAD_CERTIFICATE))
    {
        Some(Some(problem)) => format!("its certificate is not trusted: {problem}"),
        _ if error.is_timeout() => "no whole answer in time".to_owned(),
        Some(None) => last.unwrap_or_default(),
        // The text of the error contains the address.
        None if error.is_connect() => "no connection".to_owned(),
        None => "no answer".to_owned(),
    }
}

/// Reads a response's body of at most [`MAX_ANSWER`] bytes, without a byte order mark.
pub async fn read_bounded(mut response: reqwest::Response) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(ReadError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    crate::files::strip_mark(&mut body);
    Ok(body)
}

/// Why a response could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The connection failed.
    #[error("{}", why(.0))]
    Http(#[from] reqwest::Error),
    /// The body is longer than [`MAX_ANSWER`].
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLarge,
}

/// Resolves names as browsers do: `*.localhost` is `::1` first.
pub(crate) struct BrowserResolver;

impl Resolve for BrowserResolver {
    fn resolve(&self, name: Name) -> Resolving {
        if !is_localhost(name.as_str()) {
            return LocalhostResolver.resolve(name);
        }
        let both: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        let both = both.map(|ip| SocketAddr::new(ip, 0));
        Box::pin(async move { Ok(Box::new(both.into_iter()) as Addrs) })
    }
}

/// Resolves every name to this address.
pub(crate) struct FixedResolver(pub(crate) IpAddr);

impl Resolve for FixedResolver {
    fn resolve(&self, _: Name) -> Resolving {
        let address = SocketAddr::new(self.0, 0);
        Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
    }
}

/// Resolves names as [`resolve`] does.
pub struct LocalhostResolver;

impl Resolve for LocalhostResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// A server that sends one of `answers` on each connection, after its first bytes.
    /// Returns its address, and how many it sent in the end.
    async fn server(answers: &'static [&'static str]) -> (String, tokio::task::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            for (said, answer) in answers.iter().enumerate() {
                let accepted = tokio::time::timeout(CALL_TIMEOUT, listener.accept()).await;
                let Ok(Ok((mut stream, _))) = accepted else {
                    return said;
                };
                let _ = stream.read(&mut [0; 4096]).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            answers.len()
        });
        (url, serving)
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn rfc9110_9_2_2_only_what_may_be_done_twice_is_sent_again_after_a_lost_answer() {
        let (url, serving) = server(&["", OK]).await;
        let answer = send_idempotent(http_client().post(&url)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(serving.await.unwrap(), 2);

        let (url, serving) = server(&["", OK]).await;
        assert!(send_retry_connect(http_client().post(&url)).await.is_err());
        serving.abort();
        // It still waited for a second connection.
        assert!(serving.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn what_stands_for_a_browser_meets_a_stranger_at_the_other_loopback_address() {
        let Ok(stranger) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            return; // This machine has no IPv6.
        };
        let port = stranger.local_addr().unwrap().port();
        let ours = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let url = format!("http://app1.localhost:{port}/");
        let asking = browsers_http_client().get(&url).send();
        let met = async {
            let (mut stream, _) = stranger.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
        };
        let (answer, ()) = tokio::join!(asking, met);
        assert!(answer.unwrap().remote_addr().unwrap().is_ipv6());
        drop((ours, stranger));
        // Without a server at `::1`, the client uses 127.0.0.1.
        let (url, serving) = server(&[OK]).await;
        let url = url.replace("127.0.0.1", "app1.localhost");
        let answer = browsers_http_client().get(&url).send().await.unwrap();
        assert!(answer.remote_addr().unwrap().is_ipv4());
        assert_eq!(serving.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_refused_connection_is_refused_in_the_end() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", gone.local_addr().unwrap());
        drop(gone);
        let refused = send_retry_connect(http_client().get(&url))
            .await
            .unwrap_err();
        assert!(is_refused(&refused), "{refused:?}");
    }
}
