//! Where a login leads: a path of this app, never another site's address.

use kit::config::{Weakness, Weaknesses};

/// The most bytes in a `return_to`: it is stored before the user has signed in.
pub(crate) const MAX_RETURN_TO: usize = 1500;

/// A local path, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

/// A `return_to` that is not a local path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "return_to has to be a path of this app, such as /docs, of at most {MAX_RETURN_TO} characters."
)]
pub(crate) struct NotLocal;

impl ReturnTo {
    /// The home page, where nothing else is asked for.
    pub(crate) fn home() -> Self {
        Self("/".to_owned())
    }

    /// Browsers read `//`, `/\` and control characters between them as the
    /// start of another host, so none of these gets through.
    pub(crate) fn read(text: &str, weaknesses: Weaknesses) -> Result<Self, NotLocal> {
        let printable = text
            .bytes()
            .all(|b| (0x21..=0x7E).contains(&b) && b != b'\\');
        let local = text.starts_with('/') && !text.starts_with("//");
        let fine = (local && printable) || weaknesses.has(Weakness::OpenReturnTo);
        if fine && text.len() <= MAX_RETURN_TO {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotLocal)
        }
    }

    /// As a `Location`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ReturnTo, NotLocal> {
        ReturnTo::read(text, Weaknesses::default())
    }

    #[test]
    fn paths_of_our_own_are_taken() {
        for fine in [
            "/",
            "/docs",
            "/docs?a=1&b=%2F%2Fevil",
            "/a#b",
            "/a//b",
            "/%5Cevil",
        ] {
            assert_eq!(read(fine).unwrap().as_str(), fine);
        }
        assert!(read(&format!("/{}", "a".repeat(MAX_RETURN_TO - 1))).is_ok());
    }

    #[test]
    fn in_a_lab_that_leaves_it_open_it_is_bounded_all_the_same() {
        let open = [Weakness::OpenReturnTo].into_iter().collect();
        assert!(ReturnTo::read("//evil.localhost", open).is_ok());
        let long = "a".repeat(MAX_RETURN_TO + 1);
        assert_eq!(ReturnTo::read(&long, open), Err(NotLocal));
    }

    #[test]
    fn whatever_a_browser_could_take_for_another_host_is_refused() {
        let wrong = [
            "",
            "docs",
            "//evil.localhost",
            "///evil",
            "/\\evil",
            "\\/evil",
            "/a\\b",
            "/\t/evil",
            "/\n/evil",
            "/ /evil",
            " /",
            "http://evil.localhost/",
            "https:evil",
            "javascript:alert(1)",
            "data:x",
            "?a",
            "#a",
            "/\u{e4}",
            "/\u{7f}",
            "/a\r\nSet-Cookie: x=1",
            "/\0",
        ];
        for text in wrong {
            assert_eq!(read(text), Err(NotLocal), "{text:?}");
        }
        assert_eq!(
            read(&format!("/{}", "a".repeat(MAX_RETURN_TO))),
            Err(NotLocal)
        );
    }

    /// Where a browser would go (WHATWG URL), which must be this app.
    #[test]
    fn fuzz_return_to() {
        let app = url::Url::parse("https://app.example/login").unwrap();
        let seeds = [
            "/docs?a=1&b=%2F%2Fevil#c",
            "//evil.example",
            "/\\evil",
            "/a/../..//b",
        ];
        fuzz::run_text(&seeds, |text| {
            if let Ok(to) = read(text) {
                let gone = app.join(to.as_str()).unwrap();
                assert_eq!(gone.origin(), app.origin(), "{gone}");
                assert!(text.len() <= MAX_RETURN_TO);
            }
        });
    }
}
