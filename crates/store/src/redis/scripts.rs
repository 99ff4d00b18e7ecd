//! The operations that no single command does. Each script touches the one key
//! that it is given, and so stays in one slot of a Redis Cluster.

use redis::{Cmd, RedisResult};

use super::{Command, dial::Line, prefixed};

/// ARGV: what it must hold, what it holds then, milliseconds.
const COMPARE_AND_SWAP: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// ARGV: milliseconds.
const COUNT: &str = r"
local sum = redis.call('INCR', KEYS[1])
if sum == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return sum";

/// ARGV: holder, milliseconds. GET gives false where there is nothing.
const LEASE: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// ARGV: holder.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// ARGV: moment, member, milliseconds, how many members there may be. PEXPIRE
/// learnt to prolong only (GT) in Redis 7.
const RANK: &str = r"
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4])
  and not redis.call('ZSCORE', KEYS[1], ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1";

/// ARGV: moment until which it is due, moment to move it to, how many.
const CLAIM: &str = r"
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], member) end
return due";

/// A script, hashed once. Redis is sent the hash.
pub(super) struct Script(redis::Script);

impl Script {
    /// The command that runs it on `key`.
    pub(super) fn on(&self, key: &str) -> Command {
        let (mut cmd, key) = (Cmd::new(), prefixed(key));
        cmd.arg("EVALSHA").arg(self.0.get_hash()).arg(1).arg(&key);
        Command { key, cmd }
    }

    /// Makes it known to the server behind `line`.
    pub(super) async fn load(&self, line: &mut Line) -> RedisResult<()> {
        self.0.load_async(&mut line.connection).await.map(drop)
    }
}

/// All of them.
pub(super) struct Scripts {
    pub(super) compare_and_swap: Script,
    pub(super) count: Script,
    pub(super) lease: Script,
    pub(super) release: Script,
    pub(super) rank: Script,
    pub(super) claim: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            compare_and_swap: Script(redis::Script::new(COMPARE_AND_SWAP)),
            count: Script(redis::Script::new(COUNT)),
            lease: Script(redis::Script::new(LEASE)),
            release: Script(redis::Script::new(RELEASE)),
            rank: Script(redis::Script::new(RANK)),
            claim: Script(redis::Script::new(CLAIM)),
        }
    }
}
