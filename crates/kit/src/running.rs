//! A started service: the tasks that serve it.

use std::io;

use tokio::task::JoinHandle;

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
        let mut outcome = Ok(());
        for task in self.0 {
            let ended = task.await.unwrap_or_else(|e| Err(io::Error::other(e)));
            outcome = outcome.and(ended);
        }
        outcome
    }
}
