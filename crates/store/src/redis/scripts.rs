//! The operations that need more than one command. Each script touches only the key
//! that it is given, and so stays in one slot of a Redis Cluster.

use redis::Script;

/// ARGV: the expected value, the new value, milliseconds.
const COMPARE_AND_SWAP: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// ARGV: milliseconds.
const INCREMENT: &str = r"
local sum = redis.call('INCR', KEYS[1])
if sum == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return sum";

/// KEEPTTL: the counter expires when it would have.
const DECREMENT: &str = r"
local sum = redis.call('GET', KEYS[1])
if not sum then return 0 end
local left = tonumber(sum)
if not left then return redis.error_reply('ERR the key does not hold a counter') end
if left <= 1 then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], string.format('%d', left - 1), 'KEEPTTL')
return 1";

/// ARGV: holder, milliseconds. GET returns false for a key without a value.
const LEASE: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// ARGV: holder.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// ARGV: score, member, milliseconds. PEXPIRE has GT (never shorten) since Redis 7
/// only.
const ADD_SCORED: &str = r"
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return redis.call('ZCARD', KEYS[1])";

/// ARGV: highest score that is due, new score, limit.
const CLAIM: &str = r"
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], member) end
return due";

/// The rule of [`make_room`](crate::admission::make_room), on members
/// `network.owner.cost|name`.
///
/// ARGV: now, the member, its end, milliseconds, allowance per owner, allowance in
/// total, 1 to refuse what exceeds them, and how many entries are [`FEW`](crate::admission::FEW).
const ADMIT: &str = r"
local key, own_member = KEYS[1], ARGV[2]
local per_owner, in_all = tonumber(ARGV[5]), tonumber(ARGV[6])
local refuses, few = ARGV[7] == '1', tonumber(ARGV[8])
local function parts(member)
  return string.match(member, '^(([^.|]*)%.[^.|]*)%.(%d+)|')
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[1])) do
  redis.call('ZREM', key, member)
end
local owner, network, own = parts(own_member)
own = tonumber(own)
local own_cost = own
local total, held, networks = own, {}, { [network] = { entries = 1, cost = own } }
for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', '+inf')) do
  local o, n, cost = parts(member)
  if o and member ~= own_member then
    cost = tonumber(cost)
    held[#held + 1] = { member = member, owner = o, network = n, cost = cost }
    networks[n] = networks[n] or { entries = 0, cost = 0 }
    networks[n].entries = networks[n].entries + 1
    networks[n].cost = networks[n].cost + cost
    total = total + cost
    if o == owner then own = own + cost end
  end
end
if own > per_owner and refuses then return false end
local gone = {}
local function evict(at)
  local entry = table.remove(held, at)
  gone[#gone + 1] = entry.member
  networks[entry.network].entries = networks[entry.network].entries - 1
  networks[entry.network].cost = networks[entry.network].cost - entry.cost
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
  local most = -1
  for _, n in pairs(networks) do
    if n.entries > few and n.cost > most then most = n.cost end
  end
  local function has_most(n) return most < 0 or (n.entries > few and n.cost == most) end
  if refuses and most >= 0 and has_most(networks[network]) then return false end
  local from, first = nil, nil
  for position, entry in ipairs(held) do
    if has_most(networks[entry.network]) then from, first = entry.network, position break end
  end
  if not from then break end
  if most >= 0 then
    local owners, top = { [owner] = own_cost }, 0
    for _, entry in ipairs(held) do
      if entry.network == from then
        owners[entry.owner] = (owners[entry.owner] or 0) + entry.cost
      end
    end
    for _, entry in ipairs(held) do
      if entry.network == from and owners[entry.owner] > top then top = owners[entry.owner] end
    end
    for position, entry in ipairs(held) do
      if entry.network == from and owners[entry.owner] == top then first = position break end
    end
  end
  evict(first)
end
for _, member in ipairs(gone) do redis.call('ZREM', key, member) end
redis.call('ZADD', key, ARGV[3], own_member)
if redis.call('PTTL', key) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', key, ARGV[4])
end
return gone";

/// All scripts, each hashed once: Redis is sent the hash.
pub(super) struct Scripts {
    pub(super) compare_and_swap: Script,
    pub(super) increment: Script,
    pub(super) decrement: Script,
    pub(super) lease: Script,
    pub(super) release: Script,
    pub(super) add_scored: Script,
    pub(super) claim: Script,
    pub(super) admit: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            compare_and_swap: Script::new(COMPARE_AND_SWAP),
            increment: Script::new(INCREMENT),
            decrement: Script::new(DECREMENT),
            lease: Script::new(LEASE),
            release: Script::new(RELEASE),
            add_scored: Script::new(ADD_SCORED),
            claim: Script::new(CLAIM),
            admit: Script::new(ADMIT),
        }
    }
}
