//! Numbers with units on pages.

/// Units that stand behind a number.
const UNITS: [&str; 12] = [
    "s", "ms", "µs", "min", "h", "d", "px", "bytes", "KiB", "MiB", "minutes", "seconds",
];

/// `text` with a no-break space between each number and its unit, so that a narrow page does
/// not begin a line with the unit.
pub fn unbroken(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut ends_in_digit = false;
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            let letters = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            let is_unit = ends_in_digit && UNITS.contains(&letters);
            joined.push(if is_unit { '\u{a0}' } else { ' ' });
        }
        joined.push_str(word);
        ends_in_digit = word.ends_with(|c: char| c.is_ascii_digit());
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_with_its_unit_and_nothing_else_changes() {
        for (text, shown) in [
            (
                "It waits 3 s, then 2.5 ms.",
                "It waits 3\u{a0}s, then 2.5\u{a0}ms.",
            ),
            ("20 s", "20\u{a0}s"),
            ("within 2.9 ms (median)", "within 2.9\u{a0}ms (median)"),
            ("15 minutes at most", "15\u{a0}minutes at most"),
            ("1 of 2 replicas, 503 so far", "1 of 2 replicas, 503 so far"),
            ("a s  b 3  s ", "a s  b 3  s "),
            ("", ""),
        ] {
            assert_eq!(unbroken(text), shown);
        }
    }
}
