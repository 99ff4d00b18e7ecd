//! Counts the store operations of a task, so that a response can report them.
//!
//! [`Traced`](crate::Traced) adds each operation. Outside of [`counted`] that costs
//! one read of a thread-local variable.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static COUNT: Cell<u32>;
}

pin_project! {
    /// The future of [`counted`]. An `async fn` would keep its argument twice, before and
    /// during the wait, and copy it in between.
    #[must_use = "futures do nothing unless polled"]
    pub struct Counted<F> {
        #[pin]
        work: TaskLocalFuture<Cell<u32>, F>,
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = (F::Output, u32);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut work = self.project().work;
        let output = ready!(work.as_mut().poll(cx));
        let operations = work.take_value().map_or(0, Cell::into_inner);
        add(operations);
        Poll::Ready((output, operations))
    }
}

/// Runs `work` and counts the store operations that it makes in this task. A task
/// that `work` spawns counts for itself, and [`add`] adds its count here. An outer
/// count includes this one.
pub fn counted<F: Future>(work: F) -> Counted<F> {
    Counted {
        work: COUNT.scope(Cell::new(0), work),
    }
}

/// Adds `operations` to the count of the current task, if there is one.
pub fn add(operations: u32) {
    // An error: this task is not counted.
    let _ = COUNT.try_with(|count| count.set(count.get().saturating_add(operations)));
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use kit::clock::SystemClock;

    use super::*;
    use crate::{MemoryStore, Traced, Values as _};

    fn store() -> Traced<MemoryStore> {
        Traced::new(MemoryStore::new(Arc::new(SystemClock)))
    }

    #[tokio::test]
    async fn each_operation_counts_as_one() {
        let store = store();
        let (outcome, operations) = counted(async {
            store.put("k", Bytes::new(), Duration::from_secs(1)).await?;
            tokio::task::yield_now().await;
            store.get("k").await
        })
        .await;
        assert_eq!((outcome, operations), (Ok(Some(Bytes::new())), 2));
        store.get("k").await.unwrap();
        assert_eq!(counted(async {}).await.1, 0, "a new count");
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
    async fn a_spawned_tasks_count_can_be_added() {
        let ((), operations) = counted(async {
            let task = tokio::spawn(async {
                let store = store();
                counted(async { store.get("k").await.map(drop) }).await
            });
            let (outcome, operations) = task.await.unwrap();
            assert_eq!(outcome, Ok(()));
            add(operations);
        })
        .await;
        assert_eq!(operations, 1);
    }
}
