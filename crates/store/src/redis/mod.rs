//! The store in Redis 6.2 or newer. One command or one script an operation,
//! each on one key.

mod address;
mod changes;
mod error;
mod lanes;
mod scripts;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use deadpool_redis::{Manager, Pool, Runtime};
use kit::clock::Timestamp;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, ScriptInvocation};

use self::{
    changes::Changes,
    lanes::{Lanes, MAX_OWN},
    scripts::Scripts,
};
use crate::{MAX_RANKED, Store, StoreError, Watch, Watcher, ordered, ttl};

/// Stands before each key, so that a Redis can be shared.
const PREFIX: &str = "sso-lab:";

/// How a [`RedisStore`] reaches Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long an operation that finds no connection waits for one.
    pub connect: Duration,
    /// How long a command waits for its answer.
    pub response: Duration,
    /// How many connections are shared by runtimes of several threads. One of a
    /// single thread has a connection of its own.
    pub lanes: usize,
}

impl Default for Options {
    /// 2 s to connect, 1 s for an answer, a lane for each core.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(1),
            lanes: cores,
        }
    }
}

/// A store that all replicas share.
///
/// A Redis that goes away gives [`StoreError::Unreachable`] within
/// [`Options::response`], or within [`Options::connect`] where there is no
/// connection; one that comes back is connected to at the next operation.
pub struct RedisStore {
    lanes: Lanes,
    scripts: Scripts,
    changes: Changes,
}

impl RedisStore {
    /// For the Redis at `url`: `redis://[user:password@]host[:port][/db]`. It
    /// connects at the first operation: for a runtime of one thread there, for
    /// others on the runtime that this is called in. A malformed URL is an error in a
    /// sentence that does not repeat it.
    pub fn new(url: &str, options: Options) -> Result<Self, String> {
        let address = address::parse(url)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect))
            .set_response_timeout(Some(options.response))
            .set_dns_resolver(address::LocalhostAware);
        let unusable = "the Redis client cannot be set up from this URL";
        let changes = Changes::new(&address, options.connect).map_err(|_| unusable.to_owned())?;
        let manager = Manager::new_with_config(address, config).map_err(|_| unusable.to_owned())?;
        let lanes = options.lanes.max(1);
        let pool = Pool::builder(manager)
            .max_size(lanes + MAX_OWN)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| unusable.to_owned())?;
        Ok(Self {
            lanes: Lanes::new(pool, lanes, options.connect),
            scripts: Scripts::new(),
            changes,
        })
    }

    /// Runs a command that changes something: once, whatever happens, for a
    /// lost answer does not say whether it was done.
    async fn change<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut held = self.lanes.connection().await?;
        let outcome = command.query_async(&mut held.connection).await;
        outcome.map_err(|error| held.settle(&error))
    }

    /// Runs a command that only reads: a second time, on a new connection,
    /// where the old one turns out to be closed (a Redis that was restarted).
    async fn read<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut held = self.lanes.connection().await?;
        match command.query_async(&mut held.connection).await {
            Err(error) if error.is_connection_dropped() => {
                held.settle(&error);
                self.change(command).await
            }
            outcome => outcome.map_err(|error| held.settle(&error)),
        }
    }

    /// Runs a script. Where Redis does not know it yet, it is loaded and run
    /// then: the first try did nothing.
    async fn script<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        let mut held = self.lanes.connection().await?;
        let outcome = invocation.invoke_async(&mut held.connection).await;
        outcome.map_err(|error| held.settle(&error))
    }
}

/// The command `name` on `key`.
fn command(name: &str, key: &str) -> Cmd {
    let mut command = Cmd::new();
    command.arg(name).arg(prefixed(key));
    command
}

fn prefixed(key: &str) -> String {
    [PREFIX, key].concat()
}

#[async_trait::async_trait]
impl Store for RedisStore {
    fn kind(&self) -> &'static str {
        "redis"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read::<String>(&redis::cmd("PING")).await.map(drop)
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        let mut set = command("SET", key);
        set.arg(&value[..]).arg("PX").arg(ttl::millis(ttl));
        self.change(&set).await
    }

    async fn put_new(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, StoreError> {
        let mut set = command("SET", key);
        set.arg(&value[..])
            .arg("PX")
            .arg(ttl::millis(ttl))
            .arg("NX");
        let answer: Option<String> = self.change(&set).await?;
        Ok(answer.is_some())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.read(&command("GET", key)).await
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.change(&command("GETDEL", key)).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let mut script = self.scripts.compare_and_swap.key(prefixed(key));
        self.script(script.arg(expected).arg(&new[..]).arg(ttl::millis(ttl)))
            .await
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        self.change(&command("DEL", key)).await
    }

    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        let mut script = self.scripts.count.key(prefixed(key));
        self.script(script.arg(ttl::millis(ttl))).await
    }

    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        let mut script = self.scripts.lease.key(prefixed(key));
        self.script(script.arg(holder).arg(ttl::millis(ttl))).await
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        self.script(self.scripts.release.key(prefixed(key)).arg(holder))
            .await
    }

    async fn rank(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        ordered::check(member)?;
        let mut script = self.scripts.rank.key(prefixed(key));
        script.arg(at.millis()).arg(member);
        let done: bool = self
            .script(script.arg(ttl::millis(ttl)).arg(MAX_RANKED))
            .await?;
        done.then_some(()).ok_or_else(ordered::full)
    }

    async fn ranked(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let mut range = command("ZRANGEBYSCORE", key);
        range.arg(from.millis()).arg("+inf").arg("WITHSCORES");
        range.arg("LIMIT").arg(0).arg(limit.min(MAX_RANKED));
        let members: Vec<(String, f64)> = self.read(&range).await?;
        Ok(members
            .into_iter()
            .map(|(member, score)| (member, moment(score)))
            .collect())
    }

    async fn unrank(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.change(command("ZREM", key).arg(member)).await
    }

    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut script = self.scripts.claim.key(prefixed(key));
        script.arg(due.millis()).arg(until.millis());
        self.script(script.arg(limit.min(MAX_RANKED))).await
    }

    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        Some(self.changes.watch(prefix, watcher))
    }
}

/// A score holds a moment to the millisecond: a double is exact far beyond the
/// year 200,000.
#[expect(
    clippy::cast_possible_truncation,
    reason = "scores are whole milliseconds; beyond the range it saturates"
)]
fn moment(score: f64) -> Timestamp {
    Timestamp::from_millis(score as i64)
}
