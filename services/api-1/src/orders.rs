//! The users' orders: one record for each user in the store, changed by
//! compare-and-swap.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{Deps, clock::Clock, random::Random};
use serde::{Deserialize, Serialize};
use store::{CachedReads, SharedStore, StoreError, Values};

/// The maximum number of orders of a user; the oldest are removed.
const MAX_ORDERS: usize = 100;
/// How long orders are kept after the latest order.
const TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Attempts to change a record. A swap fails only if another swap succeeded, so this
/// is the number of concurrent orders of one user before an order fails.
const MAX_TRIES: usize = 64;
/// The key prefix of the orders.
const PREFIX: &str = "api-1:orders:";
/// The maximum number of users whose orders a process caches.
const MAX_USERS: usize = 5000;
/// The version of the record that this code writes.
const VERSION: u32 = 1;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// A unique id.
    pub(crate) id: String,
    /// The item.
    pub(crate) item: String,
    /// The quantity.
    pub(crate) quantity: u32,
    /// API-2's reservation.
    pub(crate) reservation: String,
    /// The time of the order, in seconds since the epoch.
    pub(crate) placed_at: i64,
}

/// Why orders could not be read or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrdersError {
    /// Too many concurrent orders of one user.
    #[error("too many concurrent orders of one user")]
    Busy,
    /// A newer version wrote the record, or it is not a valid record.
    #[error("the orders' record is unreadable")]
    Unreadable,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    orders: Vec<Order>,
}

/// The orders of all users.
pub(crate) struct Orders {
    store: Arc<dyn Values>,
    /// A list is read far more often than it changes.
    reads: CachedReads,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Orders {
    pub(crate) fn new(store: SharedStore, deps: &Deps) -> Self {
        let clock = Arc::clone(&deps.clock);
        let reads = CachedReads::new(store.clone(), clock, PREFIX, MAX_USERS);
        Self {
            store,
            reads,
            clock: Arc::clone(&deps.clock),
            random: Arc::clone(&deps.random),
        }
    }

    /// The orders of `user`, oldest first.
    pub(crate) async fn of(&self, user: &str) -> Result<Vec<Order>, OrdersError> {
        let bytes = self.reads.get(user).await?;
        bytes.map_or(Ok(Vec::new()), |bytes| decode(&bytes))
    }

    /// Stores an order of `user` with API-2's `reservation`.
    pub(crate) async fn place(
        &self,
        user: &str,
        item: String,
        quantity: u32,
        reservation: String,
    ) -> Result<Order, OrdersError> {
        let order = Order {
            id: self.random.id(),
            item,
            quantity,
            reservation,
            placed_at: self.clock.now().secs(),
        };
        let key = self.reads.key(user);
        for _ in 0..MAX_TRIES {
            let before = self.store.get(&key).await?;
            let mut orders = before.as_ref().map_or(Ok(Vec::new()), |b| decode(b))?;
            orders.push(order.clone());
            let surplus = orders.len().saturating_sub(MAX_ORDERS);
            orders.drain(..surplus);
            let after = encode(orders)?;
            let kept = match before {
                Some(before) => {
                    self.store
                        .compare_and_swap(&key, &before, after, TTL)
                        .await?
                }
                None => self.store.put_new(&key, after, TTL).await?,
            };
            if kept {
                self.reads.invalidate(user);
                return Ok(order);
            }
        }
        Err(OrdersError::Busy)
    }
}

fn encode(orders: Vec<Order>) -> Result<Bytes, OrdersError> {
    let record = Record {
        version: VERSION,
        orders,
    };
    let json = serde_json::to_vec(&record).map_err(|_| OrdersError::Unreadable)?;
    Ok(json.into())
}

fn decode(bytes: &[u8]) -> Result<Vec<Order>, OrdersError> {
    let record: Record = serde_json::from_slice(bytes).map_err(|_| OrdersError::Unreadable)?;
    if record.version > VERSION {
        return Err(OrdersError::Unreadable);
    }
    Ok(record.orders)
}

#[cfg(test)]
mod unit {
    use kit::shutdown::Shutdown;

    use super::*;

    fn orders() -> Arc<Orders> {
        let deps = Deps::system(Shutdown::new());
        let store = store::open(None, Arc::clone(&deps.clock)).unwrap();
        Arc::new(Orders::new(store, &deps))
    }

    #[tokio::test]
    async fn a_user_sees_their_own_orders_alone() {
        let orders = orders();
        let place = orders.place("alice", "tea-pot".into(), 1, "r".into());
        let placed = place.await.unwrap();
        assert_eq!(orders.of("alice").await.unwrap(), [placed]);
        assert!(orders.of("bob").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_users_list_is_bounded_and_the_oldest_go_first() {
        let orders = orders();
        for n in 0..MAX_ORDERS + 2 {
            let place = orders.place("alice", "tea-pot".into(), 1, n.to_string());
            place.await.unwrap();
        }
        let kept = orders.of("alice").await.unwrap();
        assert_eq!(kept.len(), MAX_ORDERS);
        assert_eq!(kept[0].reservation, "2");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_order_is_lost_under_concurrency() {
        let orders = orders();
        let placing: Vec<_> = (0..20)
            .map(|n| {
                let orders = Arc::clone(&orders);
                tokio::spawn(async move {
                    let place = orders.place("alice", "tea-pot".into(), 1, n.to_string());
                    place.await.unwrap();
                })
            })
            .collect();
        for place in placing {
            place.await.unwrap();
        }
        assert_eq!(orders.of("alice").await.unwrap().len(), 20);
    }
}
