//! A started service: the tasks that serve it.

use std::io;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::task::JoinHandle;

use crate::shutdown::{Shutdown, Turn};

/// The tasks of a service. It ends when all of them have ended.
#[derive(Debug, Default)]
pub struct Running(Vec<JoinHandle<io::Result<()>>>);

impl Running {
    /// No tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `task`.
    pub fn push(&mut self, task: JoinHandle<io::Result<()>>) {
        self.0.push(task);
    }

    /// Adds the tasks of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The same tasks as one, which drops `turn` at its end.
    #[must_use]
    pub fn before(self, turn: Turn, shutdown: &Shutdown) -> Self {
        let shutdown = shutdown.clone();
        let all = async move {
            let outcome = self.supervise(&shutdown).await;
            drop(turn);
            outcome
        };
        Self(vec![tokio::spawn(all)])
    }

    /// Waits for all tasks. Returns the first error, if any.
    pub async fn join(self) -> io::Result<()> {
        self.supervise(&Shutdown::new()).await
    }

    /// Waits for all tasks. The first failure begins the drain, so that no service
    /// continues without a part of itself.
    pub async fn supervise(self, shutdown: &Shutdown) -> io::Result<()> {
        let mut tasks: FuturesUnordered<_> = self.0.into_iter().collect();
        let mut outcome = Ok(());
        while let Some(ended) = tasks.next().await {
            let ended = ended.unwrap_or_else(|e| Err(io::Error::other(e)));
            if ended.is_err() {
                shutdown.begin();
            }
            outcome = outcome.and(ended);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::shutdown::Drain;

    /// Ends when told to stop.
    fn service(shutdown: &Shutdown) -> Running {
        let shutdown = shutdown.clone();
        let mut running = Running::new();
        running.push(tokio::spawn(async move {
            shutdown.time_to_stop().await;
            Ok(())
        }));
        running
    }

    #[tokio::test]
    async fn what_is_called_ends_after_who_calls_it() {
        let shutdown = Shutdown::with(Drain {
            notice: Duration::ZERO,
            timeout: Duration::from_secs(300),
        });
        let (later, turn) = shutdown.in_turn();
        let mut api = service(&later);
        let (open, closed) = tokio::sync::oneshot::channel::<()>();
        let mut bff = service(&shutdown);
        // A request that ends when the test lets it.
        bff.push(tokio::spawn(async move {
            closed.await.map_err(io::Error::other)
        }));
        api.extend(bff.before(turn, &shutdown));
        let mut all = std::pin::pin!(api.supervise(&shutdown));
        shutdown.begin();
        shutdown.time_to_stop().await;
        assert!(futures_util::poll!(&mut all).is_pending());
        open.send(()).unwrap();
        all.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_fails_begins_the_drain_of_all() {
        let shutdown = Shutdown::new();
        let mut running = Running::new();
        let told = shutdown.clone();
        running.push(tokio::spawn(async move {
            told.begun().await;
            Ok(())
        }));
        running.push(tokio::spawn(async { Err(io::Error::other("broken")) }));
        let outcome = running.supervise(&shutdown).await;
        assert_eq!(outcome.unwrap_err().to_string(), "broken");
    }
}
