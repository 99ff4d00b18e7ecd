//! Two builds of the app beside each other, as two replicas that share their
//! sessions: short bursts of load alternate, so that both meet the same machine.

use std::path::Path;

use testkit::HeadlessBrowser;

use crate::{
    cpu::Meter,
    environment::{Environment, Tested, cookies, sign_in},
    wrk::Load,
};

/// Bursts that are measured, for each build and mode, where no number is given.
pub const BURSTS: usize = 40;
/// Bursts before the first that counts.
const WARM_UP: usize = 2;

/// Prints for each of `modes` how many requests per CPU-second the build under
/// test answers for one that the `app1-bff` in `other` answers: the median over
/// `bursts` pairs, and the 95 % confidence interval of that median.
pub async fn run(
    environment: &Environment,
    other: &Path,
    modes: &[String],
    load: Load,
    bursts: usize,
) {
    println!("{:<10} ratio   95 % of", "mode");
    for mode in modes {
        let ours = environment.app(mode).await;
        let theirs = environment.replica_of(other, mode).await;
        let mut cli = HeadlessBrowser::new();
        sign_in(&mut cli, &environment.app_url()).await;
        // The second call brings the cookies that the first one set.
        for _ in 0..2 {
            cli.goto(&format!("{}/api1/data", environment.app_url()))
                .await;
        }
        let sent = cookies(&cli);
        let mut ratios = Vec::with_capacity(bursts);
        for burst in 0..WARM_UP + bursts {
            // Which one is first changes from pair to pair.
            let (ours, theirs) = if burst % 2 == 0 {
                let first = micros(environment, &ours, &sent, load);
                (first, micros(environment, &theirs, &sent, load))
            } else {
                let first = micros(environment, &theirs, &sent, load);
                (micros(environment, &ours, &sent, load), first)
            };
            if burst >= WARM_UP {
                ratios.push(theirs / ours);
            }
        }
        let (low, median, high) = median_with_interval(ratios);
        println!("{mode:<10} {median:.3}   {low:.3} to {high:.3}");
    }
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
