//! The connections of the proxy: each request is recorded, passed on, and answered or not.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client, header, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

use super::{Fault, ProxiedCall};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(super) struct Inner {
    server: SocketAddr,
    pub(super) calls: Mutex<Vec<ProxiedCall>>,
    /// The delay of the responses of a path.
    pub(super) delays: Mutex<HashMap<String, Duration>>,
    /// The faults for the next requests of a path.
    pub(super) faults: Mutex<VecDeque<(String, Fault)>>,
}

/// Serves the connections of `caller` until it is aborted.
pub(super) async fn serve(listener: TcpListener, caller: Arc<str>, inner: Arc<Inner>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (caller, inner) = (Arc::clone(&caller), Arc::clone(&inner));
        tokio::spawn(async move {
            let service = service_fn(|request| inner.handle(&caller, request));
            // Broken connections are expected.
            let _ = server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Inner {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self {
            server,
            calls: Mutex::default(),
            delays: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    async fn handle(
        &self,
        caller: &str,
        request: Request<Incoming>,
    ) -> Outcome<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = head.uri.path().to_owned();
        let underway = UnderWay::begin(self, ProxiedCall::new(caller, &path, &body));
        let fault = self.fault(&path);
        let answer = if let Some(Fault::Refused(status)) = fault {
            let mut answer = Response::new(Full::default());
            *answer.status_mut() = StatusCode::from_u16(status)?;
            answer
        } else {
            // A task of its own, so that the server gets the request even if the caller disconnects.
            let request = Request::from_parts(head, Full::new(body));
            tokio::spawn(pass_on(self.server, request)).await??
        };
        underway.note(|call| call.status = Some(answer.status().as_u16()));
        let delay = self.delays.lock().get(&path).copied();
        tokio::time::sleep(delay.unwrap_or_default()).await;
        if fault == Some(Fault::Lost) {
            return Err("the answer is lost".into());
        }
        underway.note(|call| call.is_delivered = true);
        Ok(answer)
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let place = faults.iter().position(|(at, _)| at == path)?;
        faults.remove(place).map(|(_, fault)| fault)
    }
}

/// A call's entry in the record. The call ends when this is dropped: with the
/// response, or because the caller disconnected.
struct UnderWay<'a> {
    calls: &'a Mutex<Vec<ProxiedCall>>,
    number: usize,
}

impl<'a> UnderWay<'a> {
    fn begin(inner: &'a Inner, call: ProxiedCall) -> Self {
        let mut calls = inner.calls.lock();
        calls.push(call);
        Self {
            calls: &inner.calls,
            number: calls.len() - 1,
        }
    }

    fn note(&self, change: impl FnOnce(&mut ProxiedCall)) {
        change(&mut self.calls.lock()[self.number]);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.note(|call| call.ended = Some(Instant::now()));
    }
}

/// One request on a connection of its own.
async fn pass_on(
    server: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Outcome<Response<Full<Bytes>>> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let (mut head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    driven.abort();
    // The framing headers are replaced by this connection's own.
    head.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(head, Full::new(body)))
}
