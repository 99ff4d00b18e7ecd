//! A started service: the tasks that serve it.

use std::io;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::task::JoinHandle;

use crate::shutdown::Shutdown;

/// Ends when all of its tasks have.
#[derive(Debug, Default)]
pub struct Running(Vec<JoinHandle<io::Result<()>>>);

impl Running {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `task` too.
    pub fn push(&mut self, task: JoinHandle<io::Result<()>>) {
        self.0.push(task);
    }

    /// With all of `other`'s tasks too.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Waits for all of them; the first error, if any.
    pub async fn join(self) -> io::Result<()> {
        self.supervise(&Shutdown::new()).await
    }

    /// The same; the first that fails begins the drain, so that nothing goes on
    /// half dead.
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
    use super::*;

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
