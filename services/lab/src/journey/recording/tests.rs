//! Which journeys make room, and for whom.

use std::time::Duration;

use kit::{
    clock::ManualClock,
    telemetry::names::{JOURNEY, span},
};

use super::*;

const HERE: AddrBucket = AddrBucket::UNKNOWN;
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn tag(number: usize) -> JourneyTag {
    format!("{number:032x}").parse().unwrap()
}

fn span_of(number: usize) -> JourneySpan {
    JourneySpan {
        service: "app1-bff".to_owned(),
        name: span::ID_TOKEN_CHECK.to_owned(),
        attributes: vec![(JOURNEY.to_owned(), tag(number).to_string())],
        ..JourneySpan::default()
    }
}

fn journeys() -> (Arc<ManualClock>, Journeys) {
    let clock = Arc::new(ManualClock::new(NOW));
    let journeys = Journeys::new(Arc::<ManualClock>::clone(&clock));
    (clock, journeys)
}

#[test]
fn a_span_is_a_step_of_its_own_journey_and_of_none_that_is_unknown() {
    let (_, journeys) = journeys();
    journeys.begin(tag(1), HERE);
    journeys.begin(tag(2), HERE);
    for number in [1, 3, 1] {
        journeys.record(&span_of(number));
    }
    let one = journeys.find(tag(1)).unwrap();
    let (steps, closed) = one.after(0, 10);
    assert_eq!((steps.len(), closed), (2, None));
    assert!(steps[1].contains("\"seq\":2"), "{}", steps[1]);
    assert_eq!(one.after(1, 10).0.len(), 1);
    assert!(journeys.find(tag(2)).unwrap().after(0, 1).0.is_empty());
    assert!(journeys.find(tag(3)).is_none());
    assert_eq!(one.started(), NOW.millis() * 1_000);
}

#[test]
fn the_idlest_journey_makes_room() {
    let (clock, journeys) = journeys();
    for number in 0..MAX_JOURNEYS {
        journeys.begin(tag(number), HERE);
    }
    clock.advance(Duration::from_secs(60));
    journeys.record(&span_of(0));
    journeys.begin(tag(MAX_JOURNEYS), HERE);
    assert!(journeys.find(tag(0)).is_some());
    assert_eq!(journeys.known.lock().len(), MAX_JOURNEYS);
}

#[test]
fn an_address_with_many_journeys_ends_its_own_alone() {
    let (clock, journeys) = journeys();
    let there = AddrBucket::of("192.0.2.7".parse().unwrap());
    journeys.begin(tag(0), HERE);
    clock.advance(Duration::from_secs(60));
    for number in 1..=2 * MAX_JOURNEYS {
        // Of two that began together either may end first.
        clock.advance(Duration::from_millis(1));
        journeys.begin(tag(number), there);
    }
    assert!(journeys.find(tag(0)).is_some());
    assert!(journeys.find(tag(1)).is_none());
}

#[test]
fn an_address_that_fills_the_memory_ends_its_own_journeys_alone() {
    let (_, journeys) = journeys();
    let there = AddrBucket::of("192.0.2.7".parse().unwrap());
    let class = 40;
    for number in 0..class {
        journeys.begin(tag(number), HERE);
        journeys.record(&span_of(number));
    }
    let text = "x".repeat(1 << 20);
    let large = |number| {
        let mut span = span_of(number);
        span.attributes
            .push(("sso.outcome".to_owned(), text.clone()));
        span
    };
    // Each takes 7 of its 8 MiB.
    for number in class..class + 20 {
        journeys.begin(tag(number), there);
        for _ in 0..7 {
            journeys.record(&large(number));
        }
    }
    assert!(journeys.total.load(Ordering::Relaxed) > MAX_TOTAL / 2);
    assert!(journeys.total.load(Ordering::Relaxed) <= MAX_TOTAL);
    assert!((0..class).all(|number| journeys.find(tag(number)).is_some()));
    assert!((class..class + 20).any(|number| journeys.find(tag(number)).is_none()));
}

#[test]
fn a_journey_ends_when_its_user_says_so_or_after_two_hours_without_use() {
    let (clock, journeys) = journeys();
    journeys.begin(tag(1), HERE);
    journeys.begin(tag(2), HERE);
    journeys.record(&span_of(1));
    let one = journeys.find(tag(1)).unwrap();
    journeys.end(tag(1));
    assert_eq!(one.after(1, 10), (Vec::new(), Some(Closed::Ended)));
    assert_eq!(journeys.total.load(Ordering::Relaxed), 0);
    assert!(journeys.find(tag(1)).is_none());
    clock.advance(LIFE);
    assert!(journeys.find(tag(2)).is_none());
}

#[test]
fn a_journey_is_full_after_so_many_steps() {
    let (_, journeys) = journeys();
    journeys.begin(tag(1), HERE);
    for _ in 0..=MAX_STEPS {
        journeys.record(&span_of(1));
    }
    let one = journeys.find(tag(1)).unwrap();
    let all = one.after(0, usize::MAX);
    assert_eq!((all.0.len(), all.1), (MAX_STEPS, None));
    assert_eq!(one.after(MAX_STEPS, 1).1, Some(Closed::Full));
}

#[test]
fn a_journey_has_so_many_streams_and_a_closed_one_makes_room() {
    let (_, journeys) = journeys();
    journeys.begin(tag(1), HERE);
    let listen = || journeys.listen(journeys.find(tag(1)).unwrap(), HERE);
    let mut open: Vec<_> = (0..MAX_STREAMS).map_while(|_| listen()).collect();
    assert_eq!(open.len(), MAX_STREAMS);
    assert!(listen().is_none());
    open.pop();
    assert!(listen().is_some());
}

#[test]
fn the_streams_of_one_address_leave_room_for_others() {
    let (_, journeys) = journeys();
    let there = AddrBucket::of("192.0.2.7".parse().unwrap());
    let journeys_of_many = STREAMS.of_one / MAX_STREAMS + 1;
    let mut open = Vec::new();
    for number in 0..journeys_of_many {
        journeys.begin(tag(number), there);
        let found = || journeys.find(tag(number)).unwrap();
        open.extend((0..MAX_STREAMS).map_while(|_| journeys.listen(found(), there)));
    }
    assert_eq!(open.len(), STREAMS.of_one);
    journeys.begin(tag(journeys_of_many), HERE);
    let found = || journeys.find(tag(journeys_of_many)).unwrap();
    assert!(journeys.listen(found(), HERE).is_some());
    assert!(journeys.listen(found(), there).is_none());
    open.clear();
    assert!(journeys.listen(found(), there).is_some());
}
