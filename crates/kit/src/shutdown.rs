//! Ctrl-C and SIGTERM begin a drain, in which requests in flight can end.
//!
//! First every service reports that it is not ready, and still accepts connections
//! during the notice, in which load balancers learn to choose another replica. Then each
//! service stops in its turn ([`Shutdown::in_turn`]), and requests in flight have the
//! timeout to end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::{CancellationToken, DropGuard};

/// The durations of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long a draining server still accepts connections, so that load balancers learn
    /// that it is not ready. After that it stops.
    pub notice: Duration,
    /// How long requests in flight may take to end after the notice.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            notice: Duration::from_millis(500),
            timeout: Duration::from_secs(10),
        }
    }
}

/// Begins the drain for all holders of a clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// The state of `token`. Each request reads it, and an atomic read is cheaper.
    begun: Arc<AtomicBool>,
    token: CancellationToken,
    /// Cancelled when holders of this clone may stop; without it, they stop after the
    /// notice.
    turn: Option<CancellationToken>,
    drain: Drain,
}

/// Keeps the services of a later turn from stopping until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _guard: DropGuard,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Not begun, with the default durations.
    pub fn new() -> Self {
        Self::with(Drain::default())
    }

    /// Not begun, with these durations.
    pub fn with(drain: Drain) -> Self {
        Self {
            begun: Arc::default(),
            token: CancellationToken::new(),
            turn: None,
            drain,
        }
    }

    /// Begins at Ctrl-C and SIGTERM. Call it inside a runtime.
    pub fn on_signals(drain: Drain) -> Self {
        let shutdown = Self::with(drain);
        let signalled = shutdown.clone();
        tokio::spawn(async move {
            wait_for_signal().await;
            signalled.begin();
        });
        shutdown
    }

    /// The same drain for a service that others in this process call: holders of the
    /// returned clone stop after the notice, but not before the turn is dropped.
    pub fn in_turn(&self) -> (Self, Turn) {
        let turn = CancellationToken::new();
        let waiting = Self {
            turn: Some(turn.clone()),
            ..self.clone()
        };
        let turn = Turn {
            _guard: turn.drop_guard(),
        };
        (waiting, turn)
    }

    /// Begins the drain.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Waits until the drain begins.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Waits until the service must stop accepting connections.
    pub async fn time_to_stop(&self) {
        self.begun().await;
        let noticed = async {
            tokio::time::sleep(self.drain.notice).await;
            if let Some(turn) = &self.turn {
                turn.cancelled().await;
            }
        };
        // A service whose turn does not come in time stops with the others.
        tokio::select! {
            () = noticed => {}
            () = self.time_is_up() => {}
        }
    }

    /// Waits until requests in flight have had their time: notice and timeout after the
    /// drain began, whatever the turn.
    pub async fn time_is_up(&self) {
        self.begun().await;
        tokio::time::sleep(self.drain.notice + self.drain.timeout).await;
    }

    /// Runs `work` until it ends or the drain begins (then `None`).
    pub async fn unless_begun<F: Future>(&self, work: F) -> Option<F::Output> {
        self.token.run_until_cancelled(work).await
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

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(timeout: Duration) -> Shutdown {
        Shutdown::with(Drain {
            notice: Duration::ZERO,
            timeout,
        })
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_does_not_stop_before_it() {
        let shutdown = drain(Duration::from_secs(300));
        let (waiting, turn) = shutdown.in_turn();
        shutdown.begin();
        assert!(waiting.has_begun());
        shutdown.time_to_stop().await;
        let mut stop = std::pin::pin!(waiting.time_to_stop());
        assert!(futures_util::poll!(&mut stop).is_pending());
        drop(turn);
        stop.await;
    }

    #[tokio::test]
    async fn nobody_waits_for_a_turn_longer_than_requests_may_take() {
        let shutdown = drain(Duration::from_millis(1));
        let (waiting, _turn) = shutdown.in_turn();
        shutdown.begin();
        waiting.time_to_stop().await;
    }
}
