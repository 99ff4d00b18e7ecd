//! A little TCP relay that can swallow all it is given, both ways: connections
//! through it are then half-open, as behind a firewall that forgot them. Or it
//! passes everything on late.

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
    moods: Arc<Moods>,
    accepting: AbortHandle,
}

/// What it does to all that passes.
#[derive(Default)]
struct Moods {
    swallows: AtomicBool,
    /// In milliseconds, either way.
    dawdles: AtomicU64,
}

impl Relay {
    /// To `port` of this machine.
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let moods = Arc::<Moods>::default();
        let shared = Arc::clone(&moods);
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
            moods,
            accepting: accepting.abort_handle(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn swallow(&self, all: bool) {
        self.moods.swallows.store(all, SeqCst);
    }

    pub(super) fn dawdle(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.moods.dawdles.store(millis, SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Until either end closes.
async fn pump(from: OwnedReadHalf, to: OwnedWriteHalf, moods: Arc<Moods>) {
    let mut buffer = [0; 4096];
    while from.readable().await.is_ok() {
        let read = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let dawdles = moods.dawdles.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(dawdles)).await;
        if moods.swallows.load(SeqCst) {
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
