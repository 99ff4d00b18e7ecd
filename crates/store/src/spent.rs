//! What a task spends at the store: its operations, counted where somebody asks.
//!
//! [`Traced`](crate::Traced) counts each operation it passes on, so that a
//! request can say what it cost. Where nobody counts, it is a look at a
//! thread-local variable.

use std::cell::Cell;

tokio::task_local! {
    static SPENT: Cell<u32>;
}

/// Runs `work` and counts the store operations it makes in this task (not in
/// tasks it spawns: they count for themselves, and [`add`] brings the sum over).
/// An outer count that `work` is part of has them too.
pub async fn counted<F: Future>(work: F) -> (F::Output, u32) {
    let both = async {
        let output = work.await;
        (output, SPENT.with(Cell::get))
    };
    let (output, commands) = SPENT.scope(Cell::new(0), both).await;
    add(commands);
    (output, commands)
}

/// Adds `commands` to the count of the current task: what a spawned task
/// counted for itself. Nothing where nobody counts.
pub fn add(commands: u32) {
    // An error says that nobody counts.
    let _ = SPENT.try_with(|spent| spent.set(spent.get().saturating_add(commands)));
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use kit::clock::SystemClock;

    use super::*;
    use crate::{MemoryStore, Store as _, Traced};

    fn store() -> Traced<MemoryStore> {
        Traced::new(MemoryStore::new(Arc::new(SystemClock)))
    }

    #[tokio::test]
    async fn each_operation_counts_as_one() {
        let store = store();
        let (outcome, spent) = counted(async {
            store.put("k", Bytes::new(), Duration::from_secs(1)).await?;
            tokio::task::yield_now().await;
            store.get("k").await
        })
        .await;
        assert_eq!((outcome, spent), (Ok(Some(Bytes::new())), 2));
        store.get("k").await.unwrap();
        assert_eq!(counted(async {}).await.1, 0, "a count of its own");
    }

    #[tokio::test]
    async fn an_inner_count_is_part_of_the_outer_one() {
        let store = store();
        let (inner, outer) = counted(async {
            store.get("k").await.unwrap();
            let ((), inner) = counted(async {
                store.get("k").await.unwrap();
                store.get("k").await.unwrap();
            })
            .await;
            inner
        })
        .await;
        assert_eq!((inner, outer), (2, 3));
    }

    #[tokio::test]
    async fn a_spawned_tasks_count_is_brought_over() {
        let ((), spent) = counted(async {
            let task = tokio::spawn(async {
                let store = store();
                counted(async { store.get("k").await.map(drop) }).await
            });
            let (outcome, commands) = task.await.unwrap();
            assert_eq!(outcome, Ok(()));
            add(commands);
        })
        .await;
        assert_eq!(spent, 1);
    }
}
