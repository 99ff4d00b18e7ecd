//! `/readyz`: ready once each dependency was reached, until the drain. A later outage of a
//! dependency does not count.

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;

use crate::shutdown::Shutdown;

/// How often a waiting service logs that.
const SAY_EVERY: Duration = Duration::from_secs(3);

/// The dependencies that a service still waits for.
#[derive(Clone)]
pub struct Readiness {
    waiting_for: Arc<RwLock<Vec<(&'static str, String)>>>,
    shutdown: Shutdown,
}

impl Readiness {
    /// Waits for all of `dependencies`.
    pub fn waiting_for(shutdown: Shutdown, dependencies: &[&'static str]) -> Self {
        let waiting = dependencies
            .iter()
            .map(|name| (*name, "not reached yet".to_owned()));
        Self {
            waiting_for: Arc::new(RwLock::new(waiting.collect())),
            shutdown,
        }
    }

    /// Records that `dependency` was reached.
    pub fn reached(&self, dependency: &str) {
        self.waiting_for
            .write()
            .retain(|(name, _)| *name != dependency);
    }

    /// Records why `dependency` was not reached.
    pub fn not_yet(&self, dependency: &str, why: String) {
        let mut waiting = self.waiting_for.write();
        if let Some(entry) = waiting.iter_mut().find(|(name, _)| *name == dependency) {
            entry.1 = why;
        }
    }

    /// `Ok` if ready, otherwise the reason in a sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.shutdown.has_begun() {
            return Err("draining".to_owned());
        }
        let waiting = self.waiting_for.read();
        if waiting.is_empty() {
            return Ok(());
        }
        let reasons: Vec<_> = waiting
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        Err(reasons.join("; "))
    }

    /// Tries `reach` until it succeeds, at intervals that grow from 20 ms to a second, and
    /// logs the failure every few seconds. `None` if the drain begins first.
    pub async fn until_reached<T, E, F>(
        &self,
        dependency: &'static str,
        reach: impl Fn() -> F,
    ) -> Option<T>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let mut pause = Duration::from_millis(20);
        let mut said = tokio::time::Instant::now();
        loop {
            match self.shutdown.unless_begun(reach()).await? {
                Ok(value) => {
                    self.reached(dependency);
                    return Some(value);
                }
                Err(error) => self.not_yet(dependency, error.to_string()),
            }
            if said.elapsed() >= SAY_EVERY {
                said = tokio::time::Instant::now();
                let why = self.check().err().unwrap_or_default();
                tracing::warn!(dependency, "waiting for {why}");
            }
            self.shutdown
                .unless_begun(tokio::time::sleep(pause))
                .await?;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_between_the_last_dependency_and_the_drain() {
        let shutdown = Shutdown::new();
        let readiness = Readiness::waiting_for(shutdown.clone(), &["store", "idp"]);
        readiness.reached("store");
        readiness.not_yet("idp", "connection refused".into());
        assert_eq!(readiness.check().unwrap_err(), "idp: connection refused");
        readiness.reached("idp");
        assert!(readiness.check().is_ok());
        shutdown.begin();
        assert_eq!(readiness.check().unwrap_err(), "draining");
    }

    #[tokio::test]
    async fn it_goes_on_trying_until_the_drain() {
        let shutdown = Shutdown::new();
        let readiness = Readiness::waiting_for(shutdown.clone(), &["idp"]);
        let tries = std::sync::atomic::AtomicU32::new(0);
        let reached = readiness
            .until_reached("idp", || async {
                match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                    0 | 1 => Err("refused"),
                    n => Ok(n),
                }
            })
            .await;
        assert_eq!(reached, Some(2));
        shutdown.begin();
        let never = readiness
            .until_reached("idp", || async { Err::<(), _>("refused") })
            .await;
        assert_eq!(never, None);
    }
}
