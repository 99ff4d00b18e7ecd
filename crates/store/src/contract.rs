//! The rules of every store, in one suite that the tests of each store run.
//!
//! [`check`] panics at the first broken rule, and its message says which.

mod budgets;
mod counters_and_leases;
mod expiry;
mod once;
mod ordered_sets;
mod values;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::clock::ManualClock;
use tokio::task::JoinSet;

use crate::{Store, StoreError};

/// Long enough to outlast the suite.
const LONG: Duration = Duration::from_secs(600);
/// Long enough for an assertion before it ends, on a busy machine too.
const SHORT: Duration = Duration::from_secs(2);
/// The number of tasks that contend for one key.
const CONTENDERS: usize = 64;

/// How the suite advances the time of the store under test.
#[derive(Clone, Copy, Debug)]
pub enum Time<'a> {
    /// The store reads this clock.
    Manual(&'a ManualClock),
    /// The store has its own clock: the suite waits.
    Real,
}

impl Time<'_> {
    async fn pass(self, time: Duration) {
        match self {
            Self::Manual(clock) => clock.advance(time),
            Self::Real => tokio::time::sleep(time + Duration::from_millis(50)).await,
        }
    }
}

/// Runs every rule against `store`, which may hold other keys. Run it on a
/// runtime with several threads: the rules about concurrency mean little on one.
///
/// # Panics
/// If a rule is broken.
///
/// # Errors
/// If an operation of the store fails.
pub async fn check<S: Store>(store: Arc<S>, time: Time<'_>) -> Result<(), StoreError> {
    store.ping().await?;
    values::a_key_holds_the_last_value(&*store).await?;
    values::a_value_is_any_bytes_of_any_size(&*store).await?;
    once::put_new_sets_an_absent_key_only(&*store).await?;
    once::take_removes_the_key(&*store).await?;
    once::of_concurrent_takes_one_gets_the_value(&store).await?;
    once::of_concurrent_put_new_calls_one_succeeds(&store).await?;
    once::compare_and_swap_replaces_the_expected_value_only(&*store).await?;
    once::of_concurrent_swaps_one_succeeds(&store).await?;
    values::remove_returns_whether_the_key_held_something(&*store).await?;
    counters_and_leases::each_concurrent_increment_returns_its_own_sum(&store).await?;
    counters_and_leases::increment_refuses_a_value_that_is_no_counter(&*store).await?;
    counters_and_leases::decrement_reverts_increment(&*store).await?;
    counters_and_leases::decrement_keeps_the_expiry(&*store, time).await?;
    counters_and_leases::a_lease_has_one_holder(&*store).await?;
    counters_and_leases::of_concurrent_lease_calls_one_succeeds(&store).await?;
    counters_and_leases::only_the_holder_releases_a_lease(&*store).await?;
    ordered_sets::members_are_ordered_by_score_and_then_by_name(&*store).await?;
    ordered_sets::count_range_counts_members_from_a_score(&*store).await?;
    ordered_sets::remove_scored_returns_whether_it_was_a_member(&*store).await?;
    ordered_sets::of_concurrent_removals_one_succeeds(&store).await?;
    ordered_sets::claim_returns_due_members_and_postpones_them(&*store).await?;
    ordered_sets::concurrent_claims_share_no_member(&store).await?;
    ordered_sets::a_member_has_a_maximum_length(&*store).await?;
    ordered_sets::a_set_and_a_value_refuse_each_others_operations(&*store).await?;
    budgets::an_owner_over_its_limit_loses_its_entries_that_end_first(&*store).await?;
    budgets::a_full_budget_evicts_from_the_network_and_owner_whose_entries_cost_most(&*store)
        .await?;
    budgets::few_large_entries_count_for_more_than_many_small_ones(&*store).await?;
    budgets::a_flood_of_many_networks_leaves_a_large_entry_its_time(&*store).await?;
    budgets::a_flood_evicts_its_own_entries_only(&*store).await?;
    budgets::ended_and_removed_entries_do_not_count(&*store).await?;
    budgets::any_entries_are_evicted_by_the_one_rule(&*store).await?;
    budgets::concurrent_entries_do_not_exceed_the_limit(&store).await?;
    expiry::a_ttl_of_zero_expires_at_once(&*store, time).await?;
    // Concurrently, so that the suite waits only once for a store with its own clock.
    tokio::try_join!(
        expiry::everything_expires(&*store, time),
        expiry::an_ordered_set_expires(&*store, time),
    )
    .map(drop)
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Runs `work` in many tasks at once, and returns their results.
async fn contend<S, T, F>(
    store: &Arc<S>,
    work: impl Fn(Arc<S>, usize) -> F,
) -> Result<Vec<T>, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(CONTENDERS));
    let mut tasks = JoinSet::new();
    for n in 0..CONTENDERS {
        let (start, work) = (Arc::clone(&start), work(Arc::clone(store), n));
        tasks.spawn(async move {
            start.wait().await;
            work.await
        });
    }
    tasks.join_all().await.into_iter().collect()
}

fn winners(outcomes: &[bool]) -> usize {
    outcomes.iter().filter(|won| **won).count()
}
