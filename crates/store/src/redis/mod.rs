//! The store in Redis 6.2 or newer. Each operation is one command or one script, on
//! one key.

mod address;
mod call;
mod cluster;
mod connections;
mod connector;
mod error;
mod invalidations;
mod opening;
mod scripts;
mod sentinels;
mod server;
#[cfg(test)]
mod tests;
mod topology;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kit::clock::Timestamp;
use redis::FromRedisValue;

pub use self::opening::Options;
use self::{
    call::Call,
    cluster::{Cluster, Routed},
    connections::Connections,
    invalidations::Invalidations,
    scripts::Scripts,
    sentinels::Sentinels,
    server::Server,
};
use crate::{
    Allowance, Budgets, Counters, Entry, Leases, OrderedSets, OverflowPolicy, Store, StoreError,
    Values, Watch, Watcher, admission::FEW, ordered, ttl::millis,
};

/// The prefix of every key, so that a Redis can be shared.
const PREFIX: &str = "sso-lab:";

/// A store that all replicas share.
///
/// A Redis that is down gives [`StoreError::Unreachable`] within
/// [`Options::response`], or within [`Options::connect`] where there is no
/// connection. The next operation connects to one that is back, or to the server
/// that took over from it.
pub struct RedisStore {
    servers: Arc<Servers>,
    scripts: Scripts,
    invalidations: Invalidations,
}

/// The servers that keep the data, and the connections to them.
enum Servers {
    One(Connections<Server>),
    /// The master that the sentinels name.
    Sentinels(Connections<Sentinels>),
    Cluster(Connections<Cluster>),
}

impl RedisStore {
    async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        match &*self.servers {
            Servers::One(connections) => connections.run(&call, |server| server).await,
            Servers::Sentinels(connections) => connections.run(&call, |master| master).await,
            Servers::Cluster(connections) => {
                // Boxed, so that the others do not carry its size along.
                let routed = |nodes| Routed::new(nodes, &call.key);
                Box::pin(connections.run(&call, routed)).await
            }
        }
    }

    /// Whether the server answers; in a cluster, each master.
    async fn probe(&self) -> Result<(), StoreError> {
        let Servers::Cluster(connections) = &*self.servers else {
            return self.run::<String>(Call::ping()).await.map(drop);
        };
        let ping = Call::ping();
        let answered = connections.run::<String, _>(&ping, |nodes| nodes);
        answered.await.map(drop)
    }
}

#[async_trait]
impl Store for RedisStore {
    fn kind(&self) -> &'static str {
        "redis"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.probe().await
    }

    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        Some(self.invalidations.watch(prefix, watcher))
    }
}

#[async_trait]
impl Values for RedisStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.run(Call::read("GET", key)).await
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        let set = Call::change("SET", key).arg(&value[..]);
        self.run(set.arg("PX").arg(millis(ttl))).await
    }

    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        let set = Call::change("SET", key).arg(&value[..]);
        let set = set.arg("PX").arg(millis(ttl)).arg("NX");
        let answer: Option<String> = self.run(set).await?;
        Ok(answer.is_some())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let swap = Call::script(&self.scripts.compare_and_swap, key).arg(expected);
        self.run(swap.arg(&new[..]).arg(millis(ttl))).await
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.run(Call::change("GETDEL", key)).await
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        self.run(Call::change("DEL", key)).await
    }
}

#[async_trait]
impl Counters for RedisStore {
    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        let increment = Call::script(&self.scripts.increment, key);
        self.run(increment.arg(millis(ttl))).await
    }

    async fn decrement(&self, key: &str) -> Result<(), StoreError> {
        let decrement = Call::script(&self.scripts.decrement, key);
        self.run::<bool>(decrement).await.map(drop)
    }
}

#[async_trait]
impl Leases for RedisStore {
    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        let lease = Call::script(&self.scripts.lease, key);
        self.run(lease.arg(holder).arg(millis(ttl))).await
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        let release = Call::script(&self.scripts.release, key);
        self.run(release.arg(holder)).await
    }
}

#[async_trait]
impl OrderedSets for RedisStore {
    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        ordered::check(member)?;
        let add = Call::script(&self.scripts.add_scored, key);
        self.run(add.arg(at.millis()).arg(member).arg(millis(ttl)))
            .await
    }

    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.run(Call::change("ZREM", key).arg(member)).await
    }

    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError> {
        let score: Option<f64> = self.run(Call::read("ZSCORE", key).arg(member)).await?;
        Ok(score.map(timestamp))
    }

    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let range = Call::read("ZRANGEBYSCORE", key).arg(from.millis());
        let range = range.arg("+inf").arg("WITHSCORES");
        let range = range.arg("LIMIT").arg(0).arg(at_most(limit));
        let members: Vec<(String, f64)> = self.run(range).await?;
        Ok(members
            .into_iter()
            .map(|(member, score)| (member, timestamp(score)))
            .collect())
    }

    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError> {
        let count = Call::read("ZCOUNT", key);
        self.run(count.arg(from.millis()).arg("+inf")).await
    }

    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let claim = Call::script(&self.scripts.claim, key).arg(due.millis());
        self.run(claim.arg(until.millis()).arg(at_most(limit)))
            .await
    }
}

#[async_trait]
impl Budgets for RedisStore {
    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        (now, ends): (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let refuses = allowance.overflow == OverflowPolicy::Refuse;
        let admit = Call::script(&self.scripts.admit, key)
            .arg(now.millis())
            .arg(entry.member()?)
            .arg(ends.millis())
            .arg(millis(now.until(ends)))
            .arg(allowance.per_owner)
            .arg(allowance.total)
            .arg(u8::from(refuses))
            .arg(FEW);
        let evicted: Option<Vec<String>> = self.run(admit).await?;
        Ok(evicted.map(|members| members.iter().filter_map(|m| m.parse().ok()).collect()))
    }
}

/// A limit as Redis takes it.
fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A score is a double, which holds whole milliseconds exactly until far beyond the
/// year 200,000.
#[expect(
    clippy::cast_possible_truncation,
    reason = "scores are whole milliseconds; beyond the range it saturates"
)]
fn timestamp(score: f64) -> Timestamp {
    Timestamp::from_millis(score as i64)
}
