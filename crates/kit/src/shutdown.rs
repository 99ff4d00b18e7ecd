//! Ctrl-C and SIGTERM drain; nothing is cut off that can end by itself.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a server that drains still takes new connections: those who ask
/// whether it is ready have to hear that it is not. Only then does it stop.
pub const NOTICE: Duration = Duration::from_millis(500);
/// How long open requests get to end before the process leaves them.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Told once, heard by all who hold a clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that nobody has told yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that Ctrl-C and SIGTERM tell. Call it inside a runtime.
    pub fn on_signals() -> Self {
        let shutdown = Self::new();
        let told = shutdown.clone();
        tokio::spawn(async move {
            wait_for_signal().await;
            told.begin();
        });
        shutdown
    }

    /// Begins the drain.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the drain begins.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// Runs `work` until it ends or the drain begins (then `None`).
    pub async fn unless_begun<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.run_until_cancelled(work).await
    }
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
