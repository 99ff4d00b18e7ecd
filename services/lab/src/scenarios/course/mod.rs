//! The course: all scenarios in order, a file for each section or two.

mod apis;
mod machines;
mod questions;
mod sessions;
mod sign_in;
mod sign_out;

pub(super) use self::sessions::PRICES;
use super::scenario::{Scenario, Section};

/// All sections, in the order of the course.
pub(super) static COURSE: [Section; 6] = [
    sign_in::SECTION,
    sessions::SECTION,
    apis::SECTION,
    machines::SECTION,
    sign_out::SECTION,
    questions::SECTION,
];

/// A scenario in its place.
pub(super) struct Place {
    pub(super) section: &'static str,
    pub(super) scenario: &'static Scenario,
    /// Its number in the course, from 1.
    pub(super) number: usize,
    pub(super) before: Option<&'static Scenario>,
    pub(super) next: Option<&'static Scenario>,
}

/// All scenarios in order, each with the title of its section.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Scenario)> {
    COURSE.iter().flat_map(|section| {
        let scenarios = section.scenarios.iter();
        scenarios.map(|scenario| (section.title, scenario))
    })
}

/// The scenario `name`.
pub(super) fn find(name: &str) -> Option<Place> {
    let at = all().position(|(_, scenario)| scenario.name == name)?;
    let (section, scenario) = all().nth(at)?;
    let before = at.checked_sub(1).and_then(|at| all().nth(at));
    let next = all().nth(at + 1);
    Some(Place {
        section,
        scenario,
        number: at + 1,
        before: before.map(|(_, scenario)| scenario),
        next: next.map(|(_, scenario)| scenario),
    })
}
