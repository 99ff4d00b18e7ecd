//! The store in Redis 6.2 or newer. One command or one script an operation,
//! each on one key.

mod address;
mod cluster;
mod connections;
mod dial;
mod error;
mod invalidations;

mod scripts;
mod target;
#[cfg(test)]
mod tests;
mod topology;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{
    clock::Timestamp,
    config::{Problems, RedisSettings},
    net::Trust,
};
use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind,
};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;

use self::{
    address::Kind,
    cluster::Cluster,
    connections::{Lanes, Layout},
    dial::{Dialer, Line},
    invalidations::Invalidations,
    scripts::{Script, Scripts},
    target::{Sentinels, Target},
};
use crate::{Allowance, Entry, OverflowPolicy, Store, StoreError, Watch, Watcher, ordered, ttl};

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
    pub shared_connections: usize,
}

impl Default for Options {
    /// 2 s to connect, 1 s for an answer, a lane for each core.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(1),
            shared_connections: cores,
        }
    }
}

/// A store that all replicas share.
///
/// A Redis that goes away gives [`StoreError::Unreachable`] within
/// [`Options::response`], or within [`Options::connect`] where there is no
/// connection (in a cluster twice that, where it has to be asked who has the
/// key first); one that comes back, or another that takes over from it, is
/// connected to at the next operation.
pub struct RedisStore {
    servers: Arc<Servers>,
    scripts: Scripts,
    invalidations: Invalidations,
}

/// Who keeps the data.
enum Servers {
    /// One server, or the master of its like.
    One(Lanes),
    Cluster(Cluster),
}

/// How a command is to be sent.
#[derive(Clone, Copy)]
enum Manner<'a> {
    /// It changes something: once, whatever happens, for a lost answer does not
    /// say whether it was done.
    Change,
    /// It only reads: a second time, on a new connection, where the old one turns
    /// out to be closed (a Redis that was restarted).
    Read,
    /// It runs this script, and changes something.
    Script(&'a Script),
}

impl RedisStore {
    /// For the Redis at `url`, without more settings: see [`RedisStore::open`].
    pub fn new(url: &str, options: Options) -> Result<Self, Problems> {
        Self::open(&RedisSettings::at(url), options)
    }

    /// For the Redis that `settings` name: a server, the master that sentinels
    /// know, or a cluster. It connects at the first operation: for a runtime of
    /// one thread there, for others on the runtime that this is called in. What
    /// is wrong is said in sentences that do not repeat the URL.
    pub fn open(settings: &RedisSettings, options: Options) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let trusted = settings
            .ca
            .as_deref()
            .map_or(Ok(Trust::default()), Trust::in_pem);
        let trusted = trusted.map_err(|what| problems.add("REDIS_CA_FILE", what));
        let address = address::parse(settings.url.expose_secret());
        let address = address.map_err(|what| problems.add("REDIS_URL", what));
        let (Ok(trusted), Ok(address)) = (trusted, address) else {
            return Err(problems);
        };
        let tls = address.tls.then(|| dial::tls(&trusted)).transpose();
        let tls = tls.map_err(|what| Problems::one("REDIS_URL", what))?;
        let dialer = Dialer::new(tls, address.settings, options.connect, options.response);
        let layout = Layout {
            shared: options.shared_connections,
            home: Handle::try_current().ok(),
            connect: options.connect,
        };
        let servers = match address.kind {
            Kind::Single(node) => Servers::One(Lanes::new(
                Target::Fixed(dialer.clone(), node),
                layout.clone(),
            )),
            Kind::Sentinel { sentinels, master } => {
                let mut own = RedisConnectionInfo::default().set_skip_set_lib_name();
                if let Some(password) = &settings.sentinel_password {
                    own = own.set_password(password.expose_secret());
                }
                let sentinels = Sentinels::new(dialer.with_settings(own), sentinels, master);
                let target = Target::Master(dialer.clone(), sentinels);
                Servers::One(Lanes::new(target, layout.clone()))
            }
            Kind::Cluster(seeds) => {
                Servers::Cluster(Cluster::new(dialer.clone(), seeds, layout.clone()))
            }
        };
        let servers = Arc::new(servers);
        Ok(Self {
            invalidations: Invalidations::new(Arc::clone(&servers), &dialer, layout.home),
            servers,
            scripts: Scripts::new(),
        })
    }

    async fn change<T: FromRedisValue>(&self, command: &Command) -> Result<T, StoreError> {
        self.run(command, Manner::Change).await
    }

    async fn read<T: FromRedisValue>(&self, command: &Command) -> Result<T, StoreError> {
        self.run(command, Manner::Read).await
    }

    async fn run<T: FromRedisValue>(
        &self,
        command: &Command,
        manner: Manner<'_>,
    ) -> Result<T, StoreError> {
        let lanes = match &*self.servers {
            Servers::One(lanes) => lanes,
            Servers::Cluster(cluster) => {
                // Boxed, so that the others do not carry its size along.
                let run = cluster.run(command.key.as_bytes(), &command.cmd, manner);
                return Box::pin(run).await;
            }
        };
        let mut may_repeat = matches!(manner, Manner::Read);
        loop {
            let mut held = lanes.connection().await?;
            match send(&mut held.line, &command.cmd, manner).await {
                Err(error) if may_repeat && error.is_connection_dropped() => {
                    held.settle(&error);
                    may_repeat = false;
                }
                outcome => return outcome.map_err(|error| held.settle(&error)),
            }
        }
    }
}

/// Sends `command`. A script that the server does not know yet is loaded and
/// run then: the first try did nothing.
async fn send<T: FromRedisValue>(
    line: &mut Line,
    command: &Cmd,
    manner: Manner<'_>,
) -> RedisResult<T> {
    let outcome = command.query_async(&mut line.connection).await;
    if let (Err(error), Manner::Script(script)) = (&outcome, manner)
        && is_unknown_script(error)
    {
        Box::pin(script.load(line)).await?;
        return command.query_async(&mut line.connection).await;
    }
    outcome
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// A command on one key.
struct Command {
    /// As Redis has it.
    key: String,
    cmd: Cmd,
}

impl Command {
    fn arg(&mut self, arg: impl redis::ToRedisArgs) -> &mut Self {
        self.cmd.arg(arg);
        self
    }
}

/// The command `name` on `key`.
fn command(name: &str, key: &str) -> Command {
    let (mut cmd, key) = (Cmd::new(), prefixed(key));
    cmd.arg(name).arg(&key);
    Command { key, cmd }
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
        if let Servers::Cluster(cluster) = &*self.servers {
            return cluster.ping().await;
        }
        let (key, cmd) = (String::new(), redis::cmd("PING"));
        let answer: Result<String, _> = self.read(&Command { key, cmd }).await;
        answer.map(drop)
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
        let script = &self.scripts.compare_and_swap;
        let mut swap = script.on(key);
        swap.arg(expected).arg(&new[..]).arg(ttl::millis(ttl));
        self.run(&swap, Manner::Script(script)).await
    }

    async fn remove(&self, key: &str) -> Result<bool, StoreError> {
        self.change(&command("DEL", key)).await
    }

    async fn increment(&self, key: &str, ttl: Duration) -> Result<u64, StoreError> {
        let script = &self.scripts.count;
        let mut count = script.on(key);
        count.arg(ttl::millis(ttl));
        self.run(&count, Manner::Script(script)).await
    }

    async fn decrement(&self, key: &str) -> Result<(), StoreError> {
        let script = &self.scripts.uncount;
        let done: Result<bool, _> = self.run(&script.on(key), Manner::Script(script)).await;
        done.map(drop)
    }

    async fn lease(&self, key: &str, holder: &str, ttl: Duration) -> Result<bool, StoreError> {
        let script = &self.scripts.lease;
        let mut lease = script.on(key);
        lease.arg(holder).arg(ttl::millis(ttl));
        self.run(&lease, Manner::Script(script)).await
    }

    async fn release(&self, key: &str, holder: &str) -> Result<bool, StoreError> {
        let script = &self.scripts.release;
        let mut release = script.on(key);
        release.arg(holder);
        self.run(&release, Manner::Script(script)).await
    }

    async fn add_scored(
        &self,
        key: &str,
        member: &str,
        at: Timestamp,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        ordered::check(member)?;
        let script = &self.scripts.rank;
        let mut rank = script.on(key);
        rank.arg(at.millis()).arg(member).arg(ttl::millis(ttl));
        self.run(&rank, Manner::Script(script)).await
    }

    async fn range(
        &self,
        key: &str,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let mut range = command("ZRANGEBYSCORE", key);
        range.arg(from.millis()).arg("+inf").arg("WITHSCORES");
        range.arg("LIMIT").arg(0).arg(at_most(limit));
        let members: Vec<(String, f64)> = self.read(&range).await?;
        Ok(members
            .into_iter()
            .map(|(member, score)| (member, moment(score)))
            .collect())
    }

    async fn count_range(&self, key: &str, from: Timestamp) -> Result<u64, StoreError> {
        let mut count = command("ZCOUNT", key);
        self.read(count.arg(from.millis()).arg("+inf")).await
    }

    async fn score(&self, key: &str, member: &str) -> Result<Option<Timestamp>, StoreError> {
        let score: Option<f64> = self.read(command("ZSCORE", key).arg(member)).await?;
        Ok(score.map(moment))
    }

    async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, StoreError> {
        self.change(command("ZREM", key).arg(member)).await
    }

    async fn claim(
        &self,
        key: &str,
        due: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let script = &self.scripts.claim;
        let mut claim = script.on(key);
        claim.arg(due.millis()).arg(until.millis());
        claim.arg(at_most(limit));
        self.run(&claim, Manner::Script(script)).await
    }

    async fn admit(
        &self,
        key: &str,
        entry: &Entry,
        (now, ends): (Timestamp, Timestamp),
        allowance: &Allowance,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let script = &self.scripts.admit;
        let mut admit = script.on(key);
        admit.arg(now.millis()).arg(entry.member()?);
        admit.arg(ends.millis()).arg(ttl::millis(now.until(ends)));
        admit.arg(allowance.per_owner).arg(allowance.total);
        admit.arg(u8::from(allowance.overflow == OverflowPolicy::Refuse));
        let gone: Option<Vec<String>> = self.run(&admit, Manner::Script(script)).await?;
        let entries = |gone: Vec<String>| gone.iter().filter_map(|m| m.parse().ok()).collect();
        Ok(gone.map(entries))
    }

    fn watch(&self, prefix: &str, watcher: Arc<dyn Watcher>) -> Option<Watch> {
        Some(self.invalidations.watch(prefix, watcher))
    }
}

/// A count as Redis takes it.
fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
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
