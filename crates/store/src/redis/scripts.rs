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
local own_owner, own_network, own = parts(own_member)
own = tonumber(own)
local own_cost, total = own, own
-- The entries that are held, a list for each part: a table for each entry costs more.
local members, owners, networks, costs = {}, {}, {}, {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', '+inf')) do
  local owner, network, cost = parts(member)
  if owner and member ~= own_member then
    local at = #members + 1
    members[at], owners[at], networks[at], costs[at] = member, owner, network, tonumber(cost)
    total = total + costs[at]
    if owner == own_owner then own = own + costs[at] end
  end
end
if own > per_owner and refuses then return false end
local gone, is_gone = {}, {}
local function evict(at)
  gone[#gone + 1] = members[at]
  is_gone[at] = true
  total = total - costs[at]
end
for at = 1, #members do
  if own <= per_owner then break end
  if owners[at] == own_owner then
    own = own - costs[at]
    evict(at)
  end
end
-- What the entries of each network and owner cost: counted once, then each eviction is
-- subtracted.
local entries, of_network, of_owner = {}, {}, {}
local function count(network, owner, number, cost)
  entries[network] = (entries[network] or 0) + number
  of_network[network] = (of_network[network] or 0) + cost
  of_owner[owner] = (of_owner[owner] or 0) + cost
end
if total > in_all then
  count(own_network, own_owner, 1, own_cost)
  for at = 1, #members do
    if not is_gone[at] then count(networks[at], owners[at], 1, costs[at]) end
  end
end
while total > in_all do
  local most = -1
  for network, cost in pairs(of_network) do
    if entries[network] > few and cost > most then most = cost end
  end
  local function has_most(network)
    return most < 0 or (entries[network] > few and of_network[network] == most)
  end
  if refuses and most >= 0 and has_most(own_network) then return false end
  local first, top = nil, 0
  for at = 1, #members do
    if not is_gone[at] then
      if not first then
        if has_most(networks[at]) then
          first, top = at, of_owner[owners[at]]
          if most < 0 then break end
        end
      elseif networks[at] == networks[first] and of_owner[owners[at]] > top then
        first, top = at, of_owner[owners[at]]
      end
    end
  end
  if not first then break end
  count(networks[first], owners[first], -1, -costs[first])
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
