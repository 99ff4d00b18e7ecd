//! The environment variable of a flag, such as `LAB=1`.

/// Reads it: the words for yes and no, in any case; empty is no. Another word is an error,
/// because it may have been meant as a no.
pub fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" => Ok(true),
        "" | "0" | "false" | "no" | "off" | "n" | "f" => Ok(false),
        _ => Err("expected 1, true, yes or on; or 0, false, no or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::flag;

    #[test]
    fn a_word_that_is_neither_yes_nor_no_is_refused() {
        for yes in ["1", "true", "YES", "on"] {
            assert_eq!(flag(yes), Ok(true), "{yes}");
        }
        for no in ["", "0", "False", "no", "off"] {
            assert_eq!(flag(no), Ok(false), "{no}");
        }
        for neither in ["never", "none", "disabled", " ", "off ", "2"] {
            assert!(flag(neither).is_err(), "{neither:?}");
        }
    }
}
