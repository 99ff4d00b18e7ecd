//! Ctrl-C and SIGTERM drain; nothing is cut off that can end by itself.
//!
//! First all say that they are not ready, and go on taking connections for the
//! notice: whoever sends them requests learns meanwhile to send them elsewhere.
//! Then each stops in its turn ([`Shutdown::in_turn`]), and open requests get
//! the timeout to end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::Problems;

/// How long the parts of a drain take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long a server that drains still takes new connections: those who ask
    /// whether it is ready have to hear that it is not. Only then does it stop.
    pub notice: Duration,
    /// How long open requests get to end then, before the process leaves them.
    pub timeout: Duration,
}

impl Drain {
    /// The longest notice.
    const MAX_NOTICE: Duration = Duration::from_secs(60);
    /// The shortest and the longest timeout.
    const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

    /// Checks the bounds; what is out of them goes to `problems`.
    pub(crate) fn within_bounds(self, problems: &mut Problems) -> Self {
        if self.notice > Self::MAX_NOTICE {
            problems.add("DRAIN_NOTICE", "at most 60s");
        }
        if !(Self::TIMEOUTS.0..=Self::TIMEOUTS.1).contains(&self.timeout) {
            problems.add("DRAIN_TIMEOUT", "from 1s to 300s");
        }
        self
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            notice: Duration::from_millis(500),
            timeout: Duration::from_secs(10),
        }
    }
}

/// Told once, heard by all who hold a clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// The same as `told`; each request asks, and this costs next to nothing.
    begun: Arc<AtomicBool>,
    told: CancellationToken,
    /// Told when who has this clone may stop; without one, after the notice.
    turn: Option<CancellationToken>,
    drain: Drain,
}

/// The turn of those that wait for it: it comes when this is dropped.
#[derive(Debug)]
pub struct Turn {
    _comes: DropGuard,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that nobody has told yet.
    pub fn new() -> Self {
        Self::with(Drain::default())
    }

    /// The same, that takes so long.
    pub fn with(drain: Drain) -> Self {
        Self {
            begun: Arc::default(),
            told: CancellationToken::new(),
            turn: None,
            drain,
        }
    }

    /// One that Ctrl-C and SIGTERM tell. Call it inside a runtime.
    pub fn on_signals(drain: Drain) -> Self {
        let shutdown = Self::with(drain);
        let told = shutdown.clone();
        tokio::spawn(async move {
            wait_for_signal().await;
            told.begin();
        });
        shutdown
    }

    /// The same drain for what others in this process call: who has this clone
    /// stops after the notice too, but not before the turn has come.
    pub fn in_turn(&self) -> (Self, Turn) {
        let turn = CancellationToken::new();
        let waiting = Self {
            turn: Some(turn.clone()),
            ..self.clone()
        };
        let turn = Turn {
            _comes: turn.drop_guard(),
        };
        (waiting, turn)
    }

    /// Begins the drain.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Release);
        self.told.cancel();
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Waits until the drain begins.
    pub async fn begun(&self) {
        self.told.cancelled().await;
    }

    /// Waits until it is time to take no new connections and to end.
    pub async fn time_to_stop(&self) {
        self.begun().await;
        let noticed = async {
            tokio::time::sleep(self.drain.notice).await;
            if let Some(turn) = &self.turn {
                turn.cancelled().await;
            }
        };
        // Who had no turn in time leaves with the others.
        tokio::select! {
            () = noticed => {}
            () = self.time_is_up() => {}
        }
    }

    /// Waits until open requests have had their time: notice and timeout after
    /// the drain began, in their turn or not.
    pub async fn time_is_up(&self) {
        self.begun().await;
        tokio::time::sleep(self.drain.notice + self.drain.timeout).await;
    }

    /// Runs `work` until it ends or the drain begins (then `None`).
    pub async fn unless_begun<F: Future>(&self, work: F) -> Option<F::Output> {
        self.told.run_until_cancelled(work).await
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
