//! Budgets: which entries are evicted or refused.

use kit::clock::Timestamp;

use super::{CONTENDERS, LONG, contend};
use crate::{
    Allowance, Charge, Entry, OverflowPolicy, Owner, Store, StoreError, admission::make_room,
};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

const fn allowance(per_owner: u64, total: u64, overflow: OverflowPolicy) -> Allowance {
    Allowance {
        per_owner,
        total,
        overflow,
    }
}

/// An entry `name`: its owner is the part before the dash, its network the first
/// letter.
fn entry(name: &str) -> Entry {
    let owner = name.split('-').next().unwrap_or_default();
    Entry {
        charge: Charge::new(Owner::new(&owner[..1], owner), 10),
        name: name.to_owned(),
    }
}

/// Enters `names` one after another, each ending a millisecond after the one before.
/// Returns the evicted entries for each, joined, or `!` if it is refused.
async fn enter(
    store: &impl Store,
    key: &str,
    names: &[&str],
    allowance: Allowance,
) -> Result<Vec<String>, StoreError> {
    let mut all = Vec::new();
    let mut ends = NOW + LONG;
    for name in names {
        ends = ends + std::time::Duration::from_millis(1);
        let gone = store
            .admit(key, &entry(name), (NOW, ends), &allowance)
            .await?;
        all.push(match gone {
            Some(gone) => gone
                .iter()
                .map(|e| e.name.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            None => "!".to_owned(),
        });
    }
    Ok(all)
}

pub(super) async fn an_owner_over_its_limit_loses_its_entries_that_end_first(
    store: &impl Store,
) -> Result<(), StoreError> {
    let two = allowance(25, 1000, OverflowPolicy::Evict);
    let names = ["a-1", "b-1", "a-2", "a-3", "a-4", "b-2", "a-4"];
    let gone = enter(store, "budget-share", &names, two).await?;
    assert_eq!(gone, ["", "", "", "a-1", "a-2", "", ""]);
    let refuse = allowance(25, 1000, OverflowPolicy::Refuse);
    let gone = enter(store, "budget-refuse", &names[..6], refuse).await?;
    assert_eq!(gone, ["", "", "", "!", "!", ""]);
    Ok(())
}

pub(super) async fn a_full_budget_evicts_from_the_network_and_owner_whose_entries_cost_most(
    store: &impl Store,
) -> Result<(), StoreError> {
    // In network `b` no owner has more entries than `a` and `c`; the network has.
    let names = [
        "a-1", "b1-1", "b1-2", "b2-1", "c-1", "d-1", "e-1", "f-1", "g-1",
    ];
    let five = allowance(30, 50, OverflowPolicy::Evict);
    let gone = enter(store, "budget-full", &names, five).await?;
    assert_eq!(gone[..5], [""; 5]);
    assert_eq!(
        gone[5..7],
        ["b1-1", "b1-2"],
        "the network with most, in it the owner with most"
    );
    assert_eq!(
        gone[7..],
        ["a-1", "b2-1"],
        "all have one: the entry that ends first"
    );
    let refuse = allowance(30, 50, OverflowPolicy::Refuse);
    let gone = enter(store, "budget-full-refuse", &names, refuse).await?;
    assert_eq!(
        gone[5..],
        ["b1-1", "b1-2", "a-1", "b2-1"],
        "a network's first entry finds room"
    );
    let gone = enter(store, "budget-full-refuse", &["g-2"], refuse).await?;
    assert_eq!(gone, ["!"], "no network has more");
    Ok(())
}

pub(super) async fn few_large_entries_count_for_more_than_many_small_ones(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "budget-large";
    let all = allowance(200, 300, OverflowPolicy::Evict);
    let class: Vec<_> = (0..12).map(|n| format!("c-{n}")).collect();
    let class: Vec<_> = class.iter().map(String::as_str).collect();
    enter(store, KEY, &class, all).await?;
    for n in 0..40 {
        let mut large = entry(&format!("x-{n}"));
        large.charge = Charge::new(Owner::new("x", "x"), 50);
        let gone = store.admit(KEY, &large, (NOW, NOW + LONG + LONG), &all);
        let gone = gone.await?.unwrap_or_default();
        assert!(gone.iter().all(|gone| gone.name.starts_with('x')), "{n}");
    }
    Ok(())
}

pub(super) async fn a_flood_of_many_networks_leaves_a_large_entry_its_time(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "budget-networks";
    let twenty = allowance(100, 200, OverflowPolicy::Evict);
    let at = |milliseconds| NOW + LONG + std::time::Duration::from_millis(milliseconds);
    let flood = async |addresses: std::ops::Range<u64>| -> Result<Vec<Entry>, StoreError> {
        let mut gone = Vec::new();
        for n in addresses {
            let network = format!("n{n}");
            let one = Entry {
                charge: Charge::new(Owner::new(&network, &network), 10),
                name: network,
            };
            let evicted = store.admit(KEY, &one, (NOW, at(n)), &twenty).await?;
            gone.extend(evicted.unwrap_or_default());
        }
        Ok(gone)
    };
    flood(0..30).await?;
    let mut large = entry("h-1");
    large.charge = Charge::new(Owner::new("h", "h"), 40);
    store.admit(KEY, &large, (NOW, at(30)), &twenty).await?;
    let gone = flood(31..46).await?;
    assert_eq!(gone.len(), 15);
    assert!(
        gone.iter().all(|gone| gone.name.starts_with('n')),
        "{gone:?}"
    );
    Ok(())
}

pub(super) async fn a_flood_evicts_its_own_entries_only(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "budget-flood";
    let ten = allowance(60, 100, OverflowPolicy::Evict);
    enter(store, KEY, &["h-1", "k-1", "k-2"], ten).await?;
    for n in 0..200 {
        // Two owners of one network, which together could fill the budget.
        let name = format!("x{}-{n}", n % 2);
        let gone = enter(store, KEY, &[&name], ten).await?.concat();
        assert!(gone.is_empty() || gone.starts_with('x'), "{name}: {gone}");
    }
    let gone = enter(store, KEY, &["h-2"], ten).await?.concat();
    assert!(gone.starts_with('x'), "a later owner is admitted: {gone}");
    Ok(())
}

pub(super) async fn ended_and_removed_entries_do_not_count(
    store: &impl Store,
) -> Result<(), StoreError> {
    const KEY: &str = "budget-ends";
    let two = allowance(20, 100, OverflowPolicy::Evict);
    enter(store, KEY, &["a-1", "a-2"], two).await?;
    assert!(
        store.remove_scored(KEY, &entry("a-1").member()?).await?,
        "removed"
    );
    let gone = enter(store, KEY, &["a-3"], two).await?;
    assert_eq!(gone, [""], "its share is free");
    let later = NOW + LONG + LONG;
    let times = (later, later + LONG);
    for name in ["a-4", "a-5"] {
        let gone = store.admit(KEY, &entry(name), times, &two).await?;
        assert_eq!(gone, Some(Vec::new()), "{name}: the others have ended");
    }
    Ok(())
}

/// Random entries, and now and then a budget that has become smaller, so that many are
/// evicted at once: the store does what [`make_room`] says.
pub(super) async fn any_entries_are_evicted_by_the_one_rule(
    store: &impl Store,
) -> Result<(), StoreError> {
    for overflow in [OverflowPolicy::Evict, OverflowPolicy::Refuse] {
        let key = format!("budget-any-{overflow:?}");
        let (mut held, mut random): (Vec<Entry>, u64) = (Vec::new(), 7);
        for n in 0..300_u64 {
            // Knuth's generator: its high bits are even enough.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let of = |shift: u32, most: u64| (random >> shift) % most;
            let network = format!("n{}", of(40, 5 + n / 10));
            let owner = Owner::new(&network, &format!("o{}", of(46, 3)));
            let new = Entry {
                charge: Charge::new(owner, 10 * (1 + of(52, 4))),
                name: n.to_string(),
            };
            let total = if n % 60 == 59 { 200 } else { 900 };
            let limits = allowance(total / 3, total, overflow);
            let charges: Vec<_> = held.iter().map(|entry| entry.charge.clone()).collect();
            let expected = make_room(&charges, &new.charge, &limits);
            let times = (NOW, NOW + LONG + std::time::Duration::from_millis(n));
            let gone = store.admit(&key, &new, times, &limits).await?;
            let names = |all: &[Entry]| {
                let mut names: Vec<_> = all.iter().map(|entry| entry.name.clone()).collect();
                names.sort();
                names
            };
            let expected: Option<Vec<Entry>> =
                expected.map(|all| all.into_iter().map(|at| held[at].clone()).collect());
            assert_eq!(
                gone.as_deref().map(names),
                expected.as_deref().map(names),
                "{n}"
            );
            if let Some(gone) = gone {
                held.retain(|entry| !gone.contains(entry));
                held.push(new);
            }
        }
    }
    Ok(())
}

pub(super) async fn concurrent_entries_do_not_exceed_the_limit(
    store: &Arc<impl Store>,
) -> Result<(), StoreError> {
    const KEY: &str = "budget-many";
    let five = allowance(50, 1000, OverflowPolicy::Evict);
    let gone = contend(store, move |store, n| async move {
        let gone = enter(&*store, KEY, &[&format!("a-{n}")], five).await?;
        Ok(gone.concat().split_whitespace().count())
    });
    let gone: usize = gone.await?.into_iter().sum();
    assert_eq!(gone, CONTENDERS - 5, "each eviction once");
    assert_eq!(store.count_range(KEY, NOW).await?, 5);
    Ok(())
}
