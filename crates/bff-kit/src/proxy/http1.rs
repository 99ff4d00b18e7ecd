//! HTTP/1.1 to an API, over a small pool of connections for each worker; the last one
//! used is used first. Hyper's connection-level client costs half as much as a general
//! HTTP client.

use std::{cell::RefCell, io, str::FromStr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::InvalidUri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use kit::net::{CALL_TIMEOUT, CONNECT_TIMEOUT, IDLE, Tls, Trust, connect};
use tokio::time::{Instant, timeout};
use tokio_util::either::Either;

use super::MAX_BODY;

/// The most idle connections that a worker keeps.
const MAX_IDLE: usize = 32;

/// A call to an API.
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: Method,
    /// The address at the API.
    pub(crate) uri: Uri,
    /// The headers to send.
    pub(crate) headers: HeaderMap,
    /// At most [`MAX_BODY`] bytes.
    pub(crate) body: Bytes,
}

/// An API's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// At most [`MAX_BODY`] bytes.
    pub(crate) body: Bytes,
}

/// Why an API gave no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No connection.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The connection broke in the middle of the call.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// No complete answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// An answer over [`MAX_BODY`].
    #[error("the answer is longer than {MAX_BODY} bytes")]
    TooLarge,
}

/// Where an API is: plain HTTP inside a cluster or on loopback, or https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    is_https: bool,
    host: String,
    port: u16,
    authority: HeaderValue,
    base: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: url::Url = text.parse().map_err(|e| format!("{e}"))?;
        let (Some(host), "http" | "https") = (url.host_str(), url.scheme()) else {
            return Err("an http:// or https:// address is expected".to_owned());
        };
        let is_https = url.scheme() == "https";
        let port = url.port().unwrap_or(if is_https { 443 } else { 80 });
        let authority =
            HeaderValue::try_from(format!("{host}:{port}")).map_err(|e| e.to_string())?;
        let base = url.path().trim_end_matches('/').to_owned();
        Ok(Self {
            is_https,
            host: host.to_owned(),
            port,
            authority,
            base,
        })
    }
}

impl Target {
    /// The address of `path` at the API.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, InvalidUri> {
        format!("{}{path}", self.base).parse()
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// The pool.
pub(crate) struct Pooled {
    target: Target,
    /// If the API is reached over https.
    tls: Option<Tls>,
    idle: RefCell<Vec<(Sender, Instant)>>,
}

/// How a call on one connection failed.
enum Failed {
    /// The call was not sent: it can go over another connection.
    NotSent,
    /// The API may have carried it out.
    Sent(UpstreamError),
}

impl Pooled {
    /// Connections to `target`.
    pub(crate) fn new(target: Target, trust: &Trust) -> Self {
        Self {
            tls: target.is_https.then(|| trust.tls(&[b"http/1.1"])),
            target,
            idle: RefCell::default(),
        }
    }

    /// Makes one call. `make` builds the request, once for each connection that is tried:
    /// an idle connection can turn out to be closed.
    pub(crate) async fn call(&self, make: &impl Fn() -> Call) -> Result<Answer, UpstreamError> {
        timeout(CALL_TIMEOUT, self.exchange(make))
            .await
            .unwrap_or(Err(UpstreamError::TimedOut))
    }

    async fn exchange(&self, make: &impl Fn() -> Call) -> Result<Answer, UpstreamError> {
        // An idle connection may have been closed at the other end just now.
        while let Some(sender) = self.idle_one() {
            let call = make();
            let is_safe = call.method.is_safe();
            match self.send(sender, call).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::NotSent) => {}
                Err(Failed::Sent(UpstreamError::Broken(_))) if is_safe => {}
                Err(Failed::Sent(error)) => return Err(error),
            }
        }
        // Boxed, so that a call that finds a connection needs no room for this future.
        let sender = Box::pin(self.connect()).await?;
        self.send(sender, make())
            .await
            .map_err(|failed| match failed {
                Failed::NotSent => UpstreamError::Unreachable("closed at once".to_owned()),
                Failed::Sent(error) => error,
            })
    }

    fn idle_one(&self) -> Option<Sender> {
        let mut idle = self.idle.borrow_mut();
        while let Some((sender, since)) = idle.pop() {
            if since.elapsed() < IDLE && !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self) -> Result<Sender, UpstreamError> {
        let Target { host, port, .. } = &self.target;
        let connecting = async {
            match &self.tls {
                Some(tls) => tls.connect(host, *port).await.map(Either::Right),
                None => connect(host, *port).await.map(Either::Left),
            }
        };
        let stream = connected_within(CONNECT_TIMEOUT, connecting).await?;
        let connected = handshake(TokioIo::new(stream)).await;
        let (sender, connection) =
            connected.map_err(|e| UpstreamError::Unreachable(e.to_string()))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection to an API ended: {error}");
            }
        });
        Ok(sender)
    }

    async fn send(&self, mut sender: Sender, call: Call) -> Result<Answer, Failed> {
        let broken = |error: hyper::Error| Failed::Sent(UpstreamError::Broken(error.to_string()));
        sender.ready().await.map_err(|_| Failed::NotSent)?;
        let mut request = http::Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = call.uri;
        *request.headers_mut() = call.headers;
        request
            .headers_mut()
            .insert(header::HOST, self.target.authority.clone());
        let response = sender
            .try_send_request(request)
            .await
            .map_err(|mut failed| {
                if failed.take_message().is_some() {
                    Failed::NotSent
                } else {
                    broken(failed.into_error())
                }
            })?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return Failed::Sent(UpstreamError::TooLarge);
                }
                Failed::Sent(UpstreamError::Broken(error.to_string()))
            })?;
        self.keep(sender);
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.borrow_mut();
        // The oldest is the first. Expired connections are removed only here.
        if idle
            .first()
            .is_some_and(|(_, since)| since.elapsed() >= IDLE)
        {
            idle.retain(|(_, since)| since.elapsed() < IDLE);
        }
        if idle.len() < MAX_IDLE && !sender.is_closed() {
            idle.push((sender, Instant::now()));
        }
    }
}

/// Connects within a time. Nothing has been sent by then, so after a timeout the call was
/// certainly not carried out.
async fn connected_within<T>(
    longest: Duration,
    connecting: impl Future<Output = io::Result<T>>,
) -> Result<T, UpstreamError> {
    let outcome = timeout(longest, connecting).await;
    let outcome = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    outcome.map_err(|e| UpstreamError::Unreachable(e.to_string()))
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
