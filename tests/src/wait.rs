//! Waiting for what must happen.

use std::time::Duration;

/// How long after a look the next one comes.
const BETWEEN_LOOKS: Duration = Duration::from_millis(30);

/// What `look` gives as soon as it gives something; `None` after `patience`.
pub async fn until_some<T>(
    patience: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    tokio::time::timeout(patience, found).await.ok()
}

/// Whether `is_so` comes true within `patience`.
pub async fn comes_true(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    until_some(patience, async || is_so().await.then_some(()))
        .await
        .is_some()
}
