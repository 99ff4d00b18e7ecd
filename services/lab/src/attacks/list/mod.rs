//! All attacks in order, a file for each part.

mod codes;
mod pages;
mod scripts;
mod tokens;

use super::attack::Attack;
use crate::course::Course;

/// All attacks, in order.
pub(super) static LIST: Course<Attack> = Course(&[
    pages::SECTION,
    scripts::SECTION,
    codes::SECTION,
    tokens::SECTION,
]);
