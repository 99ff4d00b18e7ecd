//! Fuzz targets, for unit tests: a target gives a few good inputs of a parser, and a
//! property that holds for every input. [`run`] changes the good inputs, a few steps at a
//! time, and makes others from random bytes; a failure is shrunk to few changes.
//!
//! It needs no nightly compiler and no second build: a target is a unit test beside its
//! parser, whose name begins with `fuzz_`. Each runs a moment with all other tests, and
//! as long as `FUZZ_SECONDS` says with `scripts/test fuzz`.

mod input;

use std::{
    env,
    time::{Duration, Instant},
};

use proptest::test_runner::{Config, TestError, TestRunner};

use self::input::inputs;

/// How long a target runs without `FUZZ_SECONDS`.
const SHORT: Duration = Duration::from_millis(100);
/// The inputs from one look at the clock to the next.
const ROUND: u32 = 64;
/// The longest time that one input may take, on a busy machine too. Inputs are short, so
/// only work that grows faster than its input takes so long.
const SLOW: Duration = Duration::from_secs(10);

/// Checks `property` on nothing, on each of `seeds`, and then on inputs made from them until the time
/// is over.
///
/// # Panics
/// If the property panics for an input. The message has the smallest input that was found,
/// as a byte string for a test of its own.
pub fn run<S: AsRef<[u8]>>(seeds: &[S], property: impl Fn(&[u8])) {
    let seeds: Vec<_> = seeds.iter().map(|seed| seed.as_ref().to_vec()).collect();
    property(b"");
    for seed in &seeds {
        property(seed);
    }
    let inputs = inputs(seeds);
    let config = Config {
        cases: ROUND,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let end = Instant::now() + time();
    while Instant::now() < end {
        let outcome = runner.run(&inputs, |input| {
            let begun = Instant::now();
            property(&input.bytes());
            assert!(begun.elapsed() < SLOW, "slow: {:?}", begun.elapsed());
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => {
                panic!("{why}\nfor b\"{}\"", input.bytes().escape_ascii())
            }
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
}

/// The same for parsers of text: bytes that are no UTF-8 are replaced.
///
/// # Panics
/// As [`run`].
pub fn run_text(seeds: &[&str], property: impl Fn(&str)) {
    run(seeds, |bytes| property(&String::from_utf8_lossy(bytes)));
}

fn time() -> Duration {
    let seconds = env::var("FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok());
    seconds.map_or(SHORT, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeSet, panic};

    use super::*;

    /// What `run` says of a property that fails.
    fn failure(seeds: &[&str], property: impl Fn(&[u8])) -> Option<String> {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let run = panic::AssertUnwindSafe(|| run(seeds, property));
        let caught = panic::catch_unwind(run);
        panic::set_hook(hook);
        let said = caught.err()?;
        Some(said.downcast_ref::<String>().cloned().unwrap_or_default())
    }

    #[test]
    fn a_flaw_near_a_good_input_is_found_and_shrunk() {
        // A parser that takes the text behind the second `=` for a character boundary.
        let flawed = |bytes: &[u8]| {
            let mut parts = bytes.split(|byte| *byte == b'=');
            let twice = parts.nth(2).is_some();
            assert!(!twice, "two signs");
        };
        let said = failure(&["name=value"], flawed).unwrap();
        assert!(said.contains("two signs"), "{said}");
        let input = said.rsplit_once("for b\"").unwrap().1;
        assert!(input.len() < 40, "not shrunk: {said}");
    }

    #[test]
    fn inputs_are_the_seeds_and_many_others() {
        let seen = RefCell::new(BTreeSet::new());
        run(&["seed"], |bytes| {
            seen.borrow_mut().insert(bytes.to_vec());
        });
        let seen = seen.into_inner();
        assert!(seen.contains(b"seed".as_slice()) && seen.len() > 30);
        assert!(seen.iter().any(Vec::is_empty), "the empty input");
        assert!(seen.iter().any(|input| input.len() > 1000), "a long input");
        assert!(seen.iter().any(|input| !input.is_ascii()));
    }
}
