//! A course: pages in one order, in sections. The scenarios are one, the attacks another.

/// All sections, in order.
pub(crate) struct Course<T: 'static>(pub(crate) &'static [Section<T>]);

/// A part of a course.
pub(crate) struct Section<T: 'static> {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Its pages, in order.
    pub(crate) pages: &'static [T],
}

/// What a course has for each page.
pub(crate) trait InCourse {
    /// Its name in the address, which no other page of the course has.
    fn name(&self) -> &'static str;
}

/// A page in its place.
pub(crate) struct Place<T: 'static> {
    pub(crate) section: &'static str,
    pub(crate) page: &'static T,
    /// Its number in the course, from 1.
    pub(crate) number: usize,
    /// How many pages the course has.
    pub(crate) total: usize,
    pub(crate) before: Option<&'static T>,
    pub(crate) next: Option<&'static T>,
}

impl<T: InCourse> Course<T> {
    /// All pages in order, each with the title of its section.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &'static T)> + use<T> {
        self.0.iter().flat_map(|section| {
            let pages = section.pages.iter();
            pages.map(|page| (section.title, page))
        })
    }

    /// The page `name`.
    pub(crate) fn find(&self, name: &str) -> Option<Place<T>> {
        let at = self.all().position(|(_, page)| page.name() == name)?;
        let (section, page) = self.all().nth(at)?;
        let before = at.checked_sub(1).and_then(|at| self.all().nth(at));
        let next = self.all().nth(at + 1);
        Some(Place {
            section,
            page,
            number: at + 1,
            total: self.all().count(),
            before: before.map(|(_, page)| page),
            next: next.map(|(_, page)| page),
        })
    }

    /// The name of the first page.
    pub(crate) fn first(&self) -> &'static str {
        self.all().next().map_or("", |(_, first)| first.name())
    }

    /// The number in the course of the first page of `section`.
    pub(crate) fn number_of(&self, section: &Section<T>) -> usize {
        let first = section.pages.first();
        first
            .and_then(|first| self.find(first.name()))
            .map_or(1, |place| place.number)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each name is fit for an address, and no other page has it.
    pub(crate) fn names_are_good<T: InCourse>(course: &Course<T>) {
        let names: Vec<_> = course.all().map(|(_, page)| page.name()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            let is_fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(!name.is_empty() && name.bytes().all(is_fit), "{name}");
        }
    }

    impl InCourse for &'static str {
        fn name(&self) -> &'static str {
            self
        }
    }

    const COURSE: Course<&str> = Course(&[
        Section {
            title: "One",
            pages: &["a", "b"],
        },
        Section {
            title: "Two",
            pages: &["c"],
        },
    ]);

    #[test]
    fn before_and_next_form_one_chain_through_all_sections() {
        let mut seen = Vec::new();
        let mut at = Some(COURSE.first());
        while let Some(name) = at {
            let place = COURSE.find(name).unwrap();
            assert_eq!((place.number, place.total), (seen.len() + 1, 3));
            assert_eq!(place.before, seen.last());
            seen.push(*place.page);
            at = place.next.copied();
        }
        assert_eq!(seen, ["a", "b", "c"]);
        assert!(COURSE.find("d").is_none());
    }

    #[test]
    fn a_section_begins_with_the_number_after_the_former_one() {
        let numbers: Vec<_> = COURSE.0.iter().map(|one| COURSE.number_of(one)).collect();
        assert_eq!(numbers, [1, 3]);
        assert_eq!(COURSE.find("c").unwrap().section, "Two");
    }
}
