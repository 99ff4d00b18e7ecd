//! The rules of every store, as one suite that each store's tests run.
//!
//! [`check`] panics at the first rule that is broken, with the rule's name.

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
    /// The store has a clock of its own: the suite waits.
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
/// When a rule is broken.
///
/// # Errors
/// When the store does not do what it is asked.
pub async fn check<S: Store>(store: Arc<S>, time: Time<'_>) -> Result<(), StoreError> {
    store.ping().await?;
    values::a_key_holds_what_was_put_last(&*store).await?;
    values::values_are_bytes_of_any_kind_and_size(&*store).await?;
    once::put_new_sets_only_what_holds_nothing(&*store).await?;
    once::take_empties_the_key(&*store).await?;
    once::take_gives_the_value_to_one_of_many(&store).await?;
    once::put_new_lets_one_of_many_in(&store).await?;
    once::compare_and_swap_sets_only_what_is_expected(&*store).await?;
    once::compare_and_swap_lets_one_of_many_through(&store).await?;
    values::remove_says_whether_there_was_something(&*store).await?;
    counters_and_leases::count_gives_each_of_many_a_sum_of_its_own(&store).await?;
    counters_and_leases::count_refuses_what_is_no_counter(&*store).await?;
    counters_and_leases::uncount_takes_back_what_was_counted(&*store).await?;
    counters_and_leases::uncount_keeps_the_time_when_a_counter_ends(&*store, time).await?;
    counters_and_leases::a_lease_is_one_holders(&*store).await?;
    counters_and_leases::a_lease_goes_to_one_of_many(&store).await?;
    counters_and_leases::only_the_holder_releases(&*store).await?;
    ordered_sets::members_are_in_the_order_of_their_moments(&*store).await?;
    ordered_sets::members_are_counted_from_a_moment_on(&*store).await?;
    ordered_sets::unrank_says_whether_it_was_in(&*store).await?;
    ordered_sets::unrank_is_true_for_one_of_many(&store).await?;
    ordered_sets::claim_moves_what_is_due(&*store).await?;
    ordered_sets::claim_hands_each_member_to_one_of_many(&store).await?;
    ordered_sets::a_member_is_bounded(&*store).await?;
    ordered_sets::a_set_is_no_value(&*store).await?;
    budgets::an_owner_beyond_its_share_loses_its_own_that_end_first(&*store).await?;
    budgets::a_full_budget_takes_from_the_network_and_owner_with_most(&*store).await?;
    budgets::a_flood_never_takes_what_another_left(&*store).await?;
    budgets::what_has_ended_or_left_counts_no_more(&*store).await?;
    budgets::of_many_at_once_no_more_stay_than_are_allowed(&store).await?;
    expiry::a_ttl_of_zero_does_not_last(&*store, time).await?;
    // Together, so that a store with its own time is waited for once.
    tokio::try_join!(
        expiry::everything_expires(&*store, time),
        expiry::an_ordered_set_expires(&*store, time),
    )
    .map(drop)
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Runs `contend` in many tasks at once, and returns their results.
async fn contend<S, T, F>(
    store: &Arc<S>,
    contend: impl Fn(Arc<S>, usize) -> F,
) -> Result<Vec<T>, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let gate = Arc::new(tokio::sync::Barrier::new(CONTENDERS));
    let mut tasks = JoinSet::new();
    for n in 0..CONTENDERS {
        let (gate, work) = (Arc::clone(&gate), contend(Arc::clone(store), n));
        tasks.spawn(async move {
            gate.wait().await;
            work.await
        });
    }
    tasks.join_all().await.into_iter().collect()
}

fn winners(outcomes: &[bool]) -> usize {
    outcomes.iter().filter(|won| **won).count()
}
