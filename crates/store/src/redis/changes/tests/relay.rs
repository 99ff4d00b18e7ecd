//! A little TCP relay that can swallow all it is given, both ways: connections
//! through it are then half-open, as behind a firewall that forgot them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::{
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::AbortHandle,
};

pub(super) struct Relay {
    port: u16,
    swallows: Arc<AtomicBool>,
    accepting: AbortHandle,
}

impl Relay {
    /// To `port` of this machine.
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let swallows = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&swallows);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (near, far) = (near.into_split(), far.into_split());
                tokio::spawn(pump(near.0, far.1, Arc::clone(&shared)));
                tokio::spawn(pump(far.0, near.1, Arc::clone(&shared)));
            }
        });
        Self {
            port: own,
            swallows,
            accepting: accepting.abort_handle(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn swallow(&self, all: bool) {
        self.swallows.store(all, SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Until either end closes.
async fn pump(from: OwnedReadHalf, to: OwnedWriteHalf, swallows: Arc<AtomicBool>) {
    let mut buffer = [0; 4096];
    while from.readable().await.is_ok() {
        let read = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        if swallows.load(SeqCst) {
            continue;
        }
        let mut left = &buffer[..read];
        while !left.is_empty() && to.writable().await.is_ok() {
            match to.try_write(left) {
                Ok(written) => left = &left[written..],
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
