//! All attacks in order, a file for each part.

mod codes;
mod pages;
mod scripts;
mod tokens;

use super::attack::{Attack, Section};

/// All parts, in the order of the list.
pub(super) static LIST: [Section; 4] = [
    pages::SECTION,
    scripts::SECTION,
    codes::SECTION,
    tokens::SECTION,
];

/// An attack in its place.
pub(super) struct Place {
    pub(super) section: &'static str,
    pub(super) attack: &'static Attack,
    /// Its number in the list, from 1.
    pub(super) number: usize,
    pub(super) before: Option<&'static Attack>,
    pub(super) next: Option<&'static Attack>,
}

/// All attacks in order, each with the title of its part.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Attack)> {
    LIST.iter().flat_map(|section| {
        let attacks = section.attacks.iter();
        attacks.map(|attack| (section.title, attack))
    })
}

/// The attack `name`.
pub(super) fn find(name: &str) -> Option<Place> {
    let at = all().position(|(_, attack)| attack.name == name)?;
    let (section, attack) = all().nth(at)?;
    let before = at.checked_sub(1).and_then(|at| all().nth(at));
    let next = all().nth(at + 1);
    Some(Place {
        section,
        attack,
        number: at + 1,
        before: before.map(|(_, attack)| attack),
        next: next.map(|(_, attack)| attack),
    })
}
