//! The rule of budgets: the entries of a budget, and which of them are evicted for a
//! new one. Every store applies it; `redis::scripts` has it in Lua.

use std::{collections::HashMap, fmt, net::IpAddr, str::FromStr};

use kit::{net::network, seal::fingerprint};
use serde::{Deserialize, Serialize};

use crate::{StoreError, ordered};

/// The length of the hashes of a network and of an owner, in characters.
const TAG: usize = 12;

/// The party that an entry is charged to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    network: String,
    name: String,
}

impl Owner {
    /// The owner `name` in `network`. Addresses that one party can have many of share a
    /// network. Only hashes of both are stored.
    pub fn new(network: &str, name: &str) -> Self {
        let tag = |text: &str| fingerprint(text).chars().take(TAG).collect();
        Self {
            network: tag(network),
            name: tag(name),
        }
    }

    /// The owner at `address`: an IPv4 address, or an IPv6 /64 in its /48, which one
    /// subscriber can have. All unknown addresses are one owner.
    pub fn at(address: Option<IpAddr>) -> Self {
        address.map_or_else(
            || Self::new("", ""),
            |address| {
                let first = |bits| network(address, bits).to_string();
                Self::new(&first(48), &first(64))
            },
        )
    }

    /// Its name in keys.
    pub(crate) fn tag(&self) -> &str {
        &self.name
    }

    /// A number that spreads networks evenly.
    pub(crate) fn spread(&self) -> u64 {
        let start = self.network.bytes().take(8);
        start.fold(0, |all, byte| {
            all.wrapping_mul(31).wrapping_add(byte.into())
        })
    }
}

/// The cost of an entry, and its owner. A record contains its charge, so that whoever
/// removes the record can remove its entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Charge {
    owner: Owner,
    cost: u64,
}

impl Charge {
    /// `cost` for `owner`.
    pub const fn new(owner: Owner, cost: u64) -> Self {
        Self { owner, cost }
    }

    pub(crate) const fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            self.owner.network, self.owner.name, self.cost
        )
    }
}

impl From<Charge> for String {
    fn from(charge: Charge) -> Self {
        charge.to_string()
    }
}

/// Text that is not a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a charge")]
pub struct BadCharge;

impl FromStr for Charge {
    type Err = BadCharge;

    fn from_str(text: &str) -> Result<Self, BadCharge> {
        let mut parts = text.split('.');
        let (Some(network), Some(name), Some(cost), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadCharge);
        };
        let owner = Owner {
            network: network.to_owned(),
            name: name.to_owned(),
        };
        let cost = cost.parse().map_err(|_| BadCharge)?;
        Ok(Self { owner, cost })
    }
}

impl TryFrom<String> for Charge {
    type Error = BadCharge;

    fn try_from(text: String) -> Result<Self, BadCharge> {
        text.parse()
    }
}

/// An entry of a budget: `name` is usually a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its owner and its cost.
    pub charge: Charge,
    /// What is charged.
    pub name: String,
}

impl Entry {
    /// The entry as a member of an ordered set.
    ///
    /// # Errors
    /// If the member would be too long.
    pub fn member(&self) -> Result<String, StoreError> {
        let member = format!("{}|{}", self.charge, self.name);
        ordered::check(&member)?;
        Ok(member)
    }
}

impl FromStr for Entry {
    type Err = BadCharge;

    fn from_str(member: &str) -> Result<Self, BadCharge> {
        let (charge, name) = member.split_once('|').ok_or(BadCharge)?;
        Ok(Self {
            charge: charge.parse()?,
            name: name.to_owned(),
        })
    }
}

/// The limits of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The most that one owner's entries may cost together.
    pub per_owner: u64,
    /// The most that all entries may cost together.
    pub total: u64,
    /// What happens to an entry that exceeds either.
    pub overflow: OverflowPolicy,
}

/// What happens to an entry that exceeds the allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverflowPolicy {
    /// It is admitted and others are evicted: the owner's own entries that end first
    /// and, if the total is exceeded, those of the network whose entries cost most, and
    /// in it of the owner whose entries cost most. Networks with at most [`FEW`] entries
    /// count as equal: if there are no others, the entry that ends first is evicted.
    Evict,
    /// It is refused, unless only the total is exceeded, and the entries of another
    /// network cost more or no network has more than [`FEW`]: then others are evicted.
    Refuse,
}

/// The entries that a network may have before it is told from others. A flood of many
/// networks with one small entry each must not evict a network's only login.
pub(crate) const FEW: usize = 1;

/// The entries of `held` (ordered by their ends, all in the future) that are evicted
/// so that `new` fits, as ascending indices. `None`: `new` is refused.
pub(crate) fn make_room(
    held: &[Charge],
    new: &Charge,
    allowance: &Allowance,
) -> Option<Vec<usize>> {
    let mut gone = vec![false; held.len()];
    let is_own = |charge: &Charge| charge.owner == new.owner;
    let mut own: u64 = new.cost
        + held
            .iter()
            .filter(|c| is_own(c))
            .map(|c| c.cost)
            .sum::<u64>();
    let mut total: u64 = new.cost + held.iter().map(|c| c.cost).sum::<u64>();
    if own > allowance.per_owner && allowance.overflow == OverflowPolicy::Refuse {
        return None;
    }
    for (at, charge) in held.iter().enumerate().filter(|(_, c)| is_own(c)) {
        if own <= allowance.per_owner {
            break;
        }
        gone[at] = true;
        own -= charge.cost;
        total -= charge.cost;
    }
    if total > allowance.total {
        let mut counted = Counted::of(held, new, &gone);
        while total > allowance.total {
            if allowance.overflow == OverflowPolicy::Refuse && counted.is_newcomer() {
                return None;
            }
            let Some(at) = counted.first(&gone) else {
                break;
            };
            gone[at] = true;
            total -= held[at].cost;
            counted.subtract(at, held[at].cost);
        }
    }
    Some((0..held.len()).filter(|at| gone[*at]).collect())
}

/// What the entries of each network and of each owner cost, a new entry included. They are
/// counted once, under numbers, and each eviction is subtracted: a budget that has become
/// smaller evicts thousands.
struct Counted {
    /// The network and the owner of each entry; at the end, those of the new one.
    parties: Vec<(usize, usize)>,
    /// Entries and cost.
    networks: Vec<(usize, u64)>,
    owners: Vec<u64>,
}

impl Counted {
    fn of(held: &[Charge], new: &Charge, gone: &[bool]) -> Self {
        let (mut networks, mut owners) = (HashMap::new(), HashMap::new());
        let mut counted = Self {
            parties: Vec::with_capacity(held.len() + 1),
            networks: Vec::new(),
            owners: Vec::new(),
        };
        for (at, charge) in held.iter().chain([new]).enumerate() {
            let next = networks.len();
            let network = *networks.entry(&*charge.owner.network).or_insert(next);
            let next = owners.len();
            let owner = *owners.entry(&charge.owner).or_insert(next);
            counted.parties.push((network, owner));
            counted.networks.resize(networks.len(), (0, 0));
            counted.owners.resize(owners.len(), 0);
            if !gone.get(at).is_some_and(|gone| *gone) {
                counted.networks[network].0 += 1;
                counted.networks[network].1 += charge.cost;
                counted.owners[owner] += charge.cost;
            }
        }
        counted
    }

    fn subtract(&mut self, at: usize, cost: u64) {
        let (network, owner) = self.parties[at];
        self.networks[network].0 -= 1;
        self.networks[network].1 -= cost;
        self.owners[owner] -= cost;
    }

    /// The highest cost of a network with more than [`FEW`] entries.
    fn highest(&self) -> Option<u64> {
        let many = self.networks.iter().filter(|(entries, _)| *entries > FEW);
        many.map(|(_, cost)| *cost).max()
    }

    /// Whether `network` is one to lose an entry.
    fn has(&self, network: usize, highest: Option<u64>) -> bool {
        let (entries, cost) = self.networks[network];
        highest.is_none_or(|highest| entries > FEW && cost == highest)
    }

    /// Whether the new entry's network is the one whose entries cost most.
    fn is_newcomer(&self) -> bool {
        let new = self.parties.last();
        let highest = self.highest();
        highest.is_some() && new.is_some_and(|(network, _)| self.has(*network, highest))
    }

    /// The index of the entry that goes first, of those that are not `gone`.
    fn first(&self, gone: &[bool]) -> Option<usize> {
        let highest = self.highest();
        let left = |at: &usize| !gone[*at];
        let mut left = (0..gone.len()).filter(left);
        let first = left.find(|at| self.has(self.parties[*at].0, highest))?;
        if highest.is_none() {
            return Some(first);
        }
        let network = self.parties[first].0;
        // The first of those that cost most.
        let mut most = (first, 0);
        for at in [first].into_iter().chain(left) {
            let (own, owner) = self.parties[at];
            if own == network && self.owners[owner] > most.1 {
                most = (at, self.owners[owner]);
            }
        }
        Some(most.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_an_ipv4_address_or_an_ipv6_network_of_64_bits_within_48() {
        let at = |text: &str| Owner::at(Some(text.parse().unwrap()));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::"));
        let (here, next) = (at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(here.network, next.network);
        assert_ne!(here, next);
        assert_ne!(here.network, at("2001:db8:2:2::1").network);
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1").network, at("192.0.2.2").network);
        assert_ne!(Owner::at(None), at("0.0.0.0"));
    }

    #[test]
    fn a_charge_and_an_entry_survive_their_text_form() {
        let charge = Charge::new(Owner::new("2001:db8::/48", "2001:db8::/64"), 1200);
        let entry = Entry {
            charge: charge.clone(),
            name: "idp:a|b.c".to_owned(),
        };
        assert_eq!(entry.member().unwrap().parse(), Ok(entry));
        let text = serde_json::to_string(&charge).unwrap();
        assert_eq!(serde_json::from_str::<Charge>(&text).unwrap(), charge);
        assert!(!text.contains("db8"), "{text}");
        for wrong in ["", "a.b", "a.b.c", "a.b.1.2", "a.b.-1"] {
            assert!(wrong.parse::<Charge>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn fuzz_entries_of_budgets() {
        fuzz::run_text(
            &["net.name.12|idp:device:x", "net.name.0|", "a.b|c"],
            |member| {
                let Ok(entry) = member.parse::<Entry>() else {
                    return;
                };
                if let Ok(written) = entry.member() {
                    assert_eq!(written.parse(), Ok(entry));
                }
            },
        );
    }
}
