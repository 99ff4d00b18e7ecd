//! A reverse proxy that understands HTTP/1.1 and can fail: it makes a path slow,
//! answers in the server's place, or loses an answer. It keeps a record of all
//! that went through. Each caller can have a port of its own, and its name is
//! then in the record.

mod call;
mod relay;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

pub use call::ProxiedCall;
use relay::Inner;

/// The proxy. Stops when dropped.
pub struct FaultProxy {
    inner: Arc<Inner>,
    /// The number of forgotten calls.
    forgotten: AtomicUsize,
    /// One for each port.
    servers: Mutex<Vec<JoinHandle<()>>>,
}

/// A fault for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The proxy answers with this status; the request does not reach the server.
    Refused(u16),
    /// The server handles the request; the proxy cuts the connection instead of answering.
    Lost,
}

impl FaultProxy {
    /// Leads to `server`, once it listens for a caller ([`FaultProxy::listen_for`]).
    pub fn leading_to(server: SocketAddr) -> Self {
        Self {
            inner: Arc::new(Inner::new(server)),
            forgotten: AtomicUsize::new(0),
            servers: Mutex::default(),
        }
    }

    /// Listens on a free port of loopback for the caller `name`.
    pub fn listen_for(&self, name: &str) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let serving = relay::serve(listener, name.into(), Arc::clone(&self.inner));
        self.servers.lock().push(tokio::spawn(serving));
        address
    }

    /// Delays each response of `path` by `delay`. The request reaches the
    /// server at once.
    pub fn slow_down(&self, path: &str, delay: Duration) {
        self.inner.delays.lock().insert(path.to_owned(), delay);
    }

    /// Answers the next request for `path` with `status`, without passing it
    /// to the server.
    pub fn refuse_next(&self, path: &str, status: u16) {
        self.next(path, Fault::Refused(status));
    }

    /// Passes the next request for `path` to the server and loses the response:
    /// cuts the connection instead.
    pub fn lose_next_answer(&self, path: &str) {
        self.next(path, Fault::Lost);
    }

    /// The requests for `path` since the last [`FaultProxy::forget`], in the order
    /// of arrival, including requests in progress.
    pub fn calls(&self, path: &str) -> Vec<ProxiedCall> {
        let calls = self.inner.calls.lock();
        calls
            .iter()
            .skip(self.forgotten.load(Ordering::Relaxed))
            .filter(|call| call.path == path)
            .cloned()
            .collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        let count = self.inner.calls.lock().len();
        // The records stay in the list, because some calls may be in progress.
        self.forgotten.store(count, Ordering::Relaxed);
    }

    fn next(&self, path: &str, fault: Fault) {
        self.inner.faults.lock().push_back((path.to_owned(), fault));
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.servers.lock().iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::timeout,
    };

    use super::*;

    /// A proxy in front of a server that answers `ok` to each connection's one request,
    /// and the proxy's URL.
    async fn proxy() -> (FaultProxy, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::leading_to(listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let address = proxy.listen_for("somebody");
        (proxy, format!("http://{address}"))
    }

    async fn post(url: &str, body: &'static str) -> Option<(u16, String)> {
        let answer = kit::net::http_client().post(url).body(body).send().await;
        let answer = answer.ok()?;
        Some((answer.status().as_u16(), answer.text().await.unwrap()))
    }

    #[tokio::test]
    async fn a_call_goes_through_and_is_remembered_with_its_form() {
        let (proxy, url) = proxy().await;
        let answer = post(&format!("{url}/token?x=1"), "a=1&b=%2F").await;
        assert_eq!(answer, Some((200, "ok".to_owned())));
        let calls = proxy.calls("/token");
        let call = &calls[0];
        assert_eq!((call.by.as_str(), call.status), ("somebody", Some(200)));
        assert_eq!((call.param("a"), call.param("b")), (Some("1"), Some("/")));
        assert!(call.is_delivered && call.ended.is_some());
        assert!(proxy.calls("/other").is_empty());
        proxy.forget();
        assert!(proxy.calls("/token").is_empty());
    }

    #[tokio::test]
    async fn a_refusal_and_a_lost_answer_happen_once_and_at_their_path() {
        let (proxy, url) = proxy().await;
        proxy.refuse_next("/token", 500);
        proxy.lose_next_answer("/token");
        let token = format!("{url}/token");
        assert_eq!(post(&format!("{url}/jwks"), "").await.unwrap().0, 200);
        assert_eq!(post(&token, "").await.unwrap().0, 500);
        assert_eq!(post(&token, "").await, None);
        assert_eq!(post(&token, "").await.unwrap().0, 200);
        let told: Vec<_> = proxy
            .calls("/token")
            .iter()
            .map(|call| (call.status, call.is_delivered))
            .collect();
        let expected = [(Some(500), true), (Some(200), false), (Some(200), true)];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn slow_calls_overlap_and_later_ones_do_not() {
        let (proxy, url) = proxy().await;
        let delay = Duration::from_millis(300);
        proxy.slow_down("/token", delay);
        let token = format!("{url}/token");
        tokio::join!(post(&token, ""), post(&token, ""));
        post(&token, "").await;
        let calls = proxy.calls("/token");
        assert!(calls[0].overlaps(&calls[1]));
        assert!(!calls[1].overlaps(&calls[2]));
        assert!(calls.iter().all(|call| call.took() >= Some(delay)));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_ends_its_call() {
        let (proxy, url) = proxy().await;
        proxy.slow_down("/token", Duration::from_secs(3600));
        let token = format!("{url}/token");
        let call = tokio::spawn(async move { post(&token, "").await });
        let ended = async |ended: bool| {
            let is_so = |call: &ProxiedCall| call.status.is_some() && call.ended.is_some() == ended;
            let until = async {
                while !proxy.calls("/token").first().is_some_and(is_so) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(Duration::from_secs(20), until).await.unwrap();
        };
        ended(false).await;
        call.abort();
        ended(true).await;
        assert!(!proxy.calls("/token")[0].is_delivered);
    }
}
