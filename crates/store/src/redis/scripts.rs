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

/// Takes one from a counter. KEEPTTL: what is left ends when it would have.
const UNCOUNT: &str = r"
local sum = redis.call('GET', KEYS[1])
if not sum then return 0 end
local left = tonumber(sum)
if not left then return redis.error_reply('ERR the key does not hold a counter') end
if left <= 1 then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], string.format('%d', left - 1), 'KEEPTTL')
return 1";

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

/// ARGV: moment, member, milliseconds. PEXPIRE learnt to prolong only (GT) in
/// Redis 7.
const RANK: &str = r"
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return redis.call('ZCARD', KEYS[1])";

/// ARGV: moment until which it is due, moment to move it to, how many.
const CLAIM: &str = r"
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], member) end
return due";

/// What [`make_room`](crate::admission::make_room) says, on members
/// `network.owner.cost|name`.
///
/// ARGV: now, the member, when it ends, milliseconds, allowed per owner, allowed
/// in all, 1 to refuse what goes beyond.
const ADMIT: &str = r"
local key, own_member = KEYS[1], ARGV[2]
local per_owner, in_all = tonumber(ARGV[5]), tonumber(ARGV[6])
local refuses = ARGV[7] == '1'
local function parts(member)
  return string.match(member, '^(([^.|]*)%.[^.|]*)%.(%d+)|')
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[1])) do
  redis.call('ZREM', key, member)
end
local owner, network, own = parts(own_member)
own = tonumber(own)
local total, held, networks = own, {}, { [network] = 1 }
for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', '+inf')) do
  local o, n, cost = parts(member)
  if o and member ~= own_member then
    cost = tonumber(cost)
    held[#held + 1] = { member = member, owner = o, network = n, cost = cost }
    networks[n] = (networks[n] or 0) + 1
    total = total + cost
    if o == owner then own = own + cost end
  end
end
if own > per_owner and refuses then return false end
local gone = {}
local function evict(at)
  local entry = table.remove(held, at)
  gone[#gone + 1] = entry.member
  networks[entry.network] = networks[entry.network] - 1
  total = total - entry.cost
  return entry
end
local at = 1
while own > per_owner and held[at] do
  if held[at].owner == owner then
    own = own - evict(at).cost
  else
    at = at + 1
  end
end
while total > in_all do
  local most, from = 0, nil
  for _, count in pairs(networks) do if count > most then most = count end end
  if refuses and networks[network] >= most then return false end
  for _, entry in ipairs(held) do
    if networks[entry.network] == most then from = entry.network break end
  end
  if not from then break end
  local owners, top = { [owner] = 1 }, 0
  for _, entry in ipairs(held) do
    if entry.network == from then
      owners[entry.owner] = (owners[entry.owner] or 0) + 1
    end
  end
  for _, entry in ipairs(held) do
    if entry.network == from and owners[entry.owner] > top then top = owners[entry.owner] end
  end
  for position, entry in ipairs(held) do
    if entry.network == from and owners[entry.owner] == top then evict(position) break end
  end
end
for _, member in ipairs(gone) do redis.call('ZREM', key, member) end
redis.call('ZADD', key, ARGV[3], own_member)
if redis.call('PTTL', key) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', key, ARGV[4])
end
return gone";

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
    pub(super) uncount: Script,
    pub(super) lease: Script,
    pub(super) release: Script,
    pub(super) rank: Script,
    pub(super) claim: Script,
    pub(super) admit: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            compare_and_swap: Script(redis::Script::new(COMPARE_AND_SWAP)),
            count: Script(redis::Script::new(COUNT)),
            uncount: Script(redis::Script::new(UNCOUNT)),
            lease: Script(redis::Script::new(LEASE)),
            release: Script(redis::Script::new(RELEASE)),
            rank: Script(redis::Script::new(RANK)),
            claim: Script(redis::Script::new(CLAIM)),
            admit: Script(redis::Script::new(ADMIT)),
        }
    }
}
