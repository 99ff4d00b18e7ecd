//! Reaching other services: names, the HTTP client, the gRPC channel. Each
//! call carries the trace on (`telemetry::propagation`).

mod listeners;
mod reach;
mod resolve;

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
pub use listeners::Listeners;
pub use reach::Reach;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
pub use resolve::{connect, is_localhost, resolve};
use tonic::transport::{Channel, Endpoint, Uri};

/// How long to wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait for a whole answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: less than the 5 s after which our own
/// servers close it, or a call could meet the closing.
pub const IDLE: Duration = Duration::from_secs(4);
/// The most that is read of another service's JSON answer, in bytes.
pub const MAX_ANSWER: usize = 1 << 20;

/// The HTTP client for discovery, JWKS, token calls and calls between APIs. It
/// follows no redirects: none of its peers has a reason to send one.
#[expect(
    clippy::expect_used,
    reason = "fails only where no TLS backend is compiled in"
)]
pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .no_proxy()
        .dns_resolver(Arc::new(LocalhostAware))
        .build()
        .expect("an HTTP client")
}

/// Reads an answer's body up to [`MAX_ANSWER`].
pub async fn read_bounded(mut response: reqwest::Response) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(ReadError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The connection failed.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// Longer than [`MAX_ANSWER`].
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLarge,
}

/// A gRPC channel to `url`, connected at the first call and again after a
/// loss. Call it inside the runtime that is to carry the connection.
pub fn grpc_channel(url: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let connector = tower::service_fn(|uri: Uri| async move {
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(80);
        connect(&host, port).await.map(TokioIo::new)
    });
    Ok(endpoint.connect_with_connector_lazy(connector))
}

struct LocalhostAware;

impl Resolve for LocalhostAware {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
