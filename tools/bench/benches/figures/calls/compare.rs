//! Two builds of the app beside each other, as two replicas that share their
//! sessions: short bursts of load alternate, so that both meet the same machine.
//! Both restart for each round: what a process keeps for its whole life (its memory
//! layout, its core) moves its figures by several percent.

use std::path::Path;

use testkit::HeadlessBrowser;

use super::{
    environment::{Environment, Tested, sent_after_sign_in},
    wrk::Load,
};
use crate::{cpu::Meter, programs::own_builds};

/// Rounds that are measured, for each mode, where no number is given.
pub const ROUNDS: usize = 12;
/// Pairs of bursts in a round: those that warm up, and those that count.
const PAIRS: (usize, usize) = (1, 4);

/// Prints for each of `modes` how many requests per CPU-second the build under
/// test answers for one that the `app1-bff` in `other` answers: the median over
/// `rounds`, and the 95 % confidence interval of that median.
pub async fn run(
    environment: &Environment,
    other: &Path,
    modes: &[String],
    load: Load,
    rounds: usize,
) {
    println!("{:<10} ratio   95 % of", "mode");
    for mode in modes {
        let mut ratios = Vec::with_capacity(rounds);
        for round in 0..rounds {
            // Which build is first changes from round to round.
            ratios.push(if round % 2 == 0 {
                ratio(environment, (&own_builds(), other), mode, load).await
            } else {
                1.0 / ratio(environment, (other, &own_builds()), mode, load).await
            });
        }
        let (low, median, high) = median_with_interval(ratios);
        println!("{mode:<10} {median:.3}   {low:.3} to {high:.3}");
    }
}

/// Requests per CPU-second of the `app1-bff` in the first folder, for one of the
/// second folder's.
async fn ratio(
    environment: &Environment,
    (first, second): (&Path, &Path),
    mode: &str,
    load: Load,
) -> f64 {
    let first = environment.app_in(first, mode).await;
    let second = environment.replica_in(second, mode).await;
    let mut browser = HeadlessBrowser::new();
    let sent = sent_after_sign_in(&mut browser, &environment.app_url()).await;
    let mut sums = (0.0, 0.0);
    for pair in 0..PAIRS.0 + PAIRS.1 {
        let of_first = micros(environment, &first, &sent, load);
        let of_second = micros(environment, &second, &sent, load);
        if pair >= PAIRS.0 {
            sums = (sums.0 + of_first, sums.1 + of_second);
        }
    }
    sums.1 / sums.0
}

/// CPU time that the app spends on a request, in microseconds.
fn micros(environment: &Environment, app: &Tested, cookies: &str, load: Load) -> f64 {
    let meter = Meter::new(app.pid(), environment.redis.pid());
    meter.each_of(load.on(&app.url, cookies)).app
}

/// The median, between the order statistics that hold it with 95 % confidence
/// (the normal approximation of the binomial distribution).
fn median_with_interval(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let half = count.isqrt();
    let middle = count / 2;
    let low = middle.saturating_sub(half);
    let high = (middle + half).min(count - 1);
    (
        values[low],
        bench::results::median(values.clone()),
        values[high],
    )
}
