//! The setting `WEAKEN`.

use super::Problems;
use crate::weakness::{Weakness, Weaknesses};

/// Reads the names. Errors are added to `problems`.
pub(super) fn read(names: &[String], lab: bool, problems: &mut Problems) -> Weaknesses {
    let mut read = Vec::new();
    let names = names.iter().map(|name| name.trim());
    for name in names.filter(|name| !name.is_empty()) {
        match Weakness::named(name) {
            Some(weakness) if lab => read.push(weakness),
            Some(_) => problems.add(
                "WEAKEN",
                format_args!("{name:?} is refused without --lab (LAB=1): it invites an attack"),
            ),
            None => problems.add(
                "WEAKEN",
                format_args!(
                    "{name:?} is no weakness; there are {}",
                    Weakness::ALL.map(Weakness::name).join(", ")
                ),
            ),
        }
    }
    if read.contains(&Weakness::SameSiteNone) && read.contains(&Weakness::SameSiteUnset) {
        problems.add(
            "WEAKEN",
            "samesite-none and samesite-unset exclude each other",
        );
    }
    read.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str], lab: bool) -> Result<Weaknesses, Vec<String>> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut problems = Problems::new();
        let read = super::read(&names, lab, &mut problems);
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(problems.lines().to_vec())
        }
    }

    #[test]
    fn each_is_known_by_its_name_and_is_one_of_its_own() {
        for weakness in Weakness::ALL {
            let only = read(&[weakness.name()], true).unwrap();
            assert!(only.iter().eq([weakness]));
            assert_eq!(only, [weakness].into_iter().collect());
            assert!(weakness.sentence().ends_with('.'), "{weakness:?}");
            assert!(Weakness::help().contains(&format!("- {}: ", weakness.name())));
        }
    }

    #[test]
    fn none_without_being_asked_for() {
        assert_eq!(read(&[], true), Ok(Weaknesses::default()));
        assert_eq!(read(&["", " "], false), Ok(Weaknesses::default()));
        assert_eq!(Weaknesses::default().iter().count(), 0);
    }

    #[test]
    fn outside_a_lab_and_unknown_ones_are_refused_all_at_once() {
        let lines = read(&["framable", "nonsense", "get-orders"], false).unwrap_err();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("--lab") && lines[2].contains("--lab"));
        assert!(lines[1].contains("samesite-none, samesite-unset, no-origin-check"));
    }

    #[test]
    fn a_cookie_cannot_say_two_things() {
        assert!(read(&["samesite-none", "samesite-unset"], true).is_err());
    }
}
