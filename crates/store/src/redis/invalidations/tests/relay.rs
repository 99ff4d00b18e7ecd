//! A TCP relay that can drop all data in both directions, so that its connections
//! are half-open, as behind a firewall that has forgotten them. It can also delay data.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
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
    faults: Arc<Faults>,
    accepting: AbortHandle,
}

/// What it does to data.
#[derive(Default)]
struct Faults {
    drops: AtomicBool,
    /// In milliseconds, in each direction.
    delay: AtomicU64,
}

impl Relay {
    /// A relay to `port` on loopback.
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let faults = Arc::<Faults>::default();
        let shared = Arc::clone(&faults);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (client, server) = (client.into_split(), server.into_split());
                tokio::spawn(copy(client.0, server.1, Arc::clone(&shared)));
                tokio::spawn(copy(server.0, client.1, Arc::clone(&shared)));
            }
        });
        Self {
            port: own,
            faults,
            accepting: accepting.abort_handle(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn drop_data(&self, all: bool) {
        self.faults.drops.store(all, SeqCst);
    }

    pub(super) fn delay(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.faults.delay.store(millis, SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Copies data until either end closes.
async fn copy(from: OwnedReadHalf, to: OwnedWriteHalf, faults: Arc<Faults>) {
    let mut buffer = [0; 4096];
    while from.readable().await.is_ok() {
        let read = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let delay = faults.delay.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        if faults.drops.load(SeqCst) {
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
