//! The course of the scenarios, a file for each section or two.

mod apis;
mod machines;
mod questions;
mod sessions;
mod sign_in;
mod sign_out;

pub(super) use self::sessions::PRICES;
use super::scenario::Scenario;
use crate::course::Course;

/// All scenarios, in order.
pub(super) static COURSE: Course<Scenario> = Course(&[
    sign_in::SECTION,
    sessions::SECTION,
    apis::SECTION,
    machines::SECTION,
    sign_out::SECTION,
    questions::SECTION,
]);
