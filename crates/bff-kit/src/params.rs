//! A query, bounded, with no parameter twice (RFC 6749 §3.1).

/// The most bytes in a query.
pub(crate) const MAX_QUERY: usize = 8 * 1024;
/// The most parameters in a query or a form.
pub(crate) const MAX_PARAMS: usize = 32;

/// Decoded parameters.
pub(crate) struct Params(Vec<(String, String)>);

/// Why parameters are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadParams {
    /// Over a bound.
    #[error("The address has more parameters than any of our own pages sends.")]
    TooMuch,
    /// RFC 6749 §3.1: parameters are not included more than once.
    #[error("A parameter is there twice, so nobody can say which one counts.")]
    Twice,
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` text, as queries and forms have it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, BadParams> {
        if text.len() > MAX_QUERY {
            return Err(BadParams::TooMuch);
        }
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if params.len() == MAX_PARAMS {
                return Err(BadParams::TooMuch);
            }
            if params.iter().any(|(known, _)| *known == name) {
                return Err(BadParams::Twice);
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    /// The value of `name`. An empty one counts as left out (RFC 6749 §3.1).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The value of `name` also where it is empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_no_parameter_twice_and_empty_ones_are_left_out() {
        assert_eq!(
            Params::read(b"state=a&state=b").err(),
            Some(BadParams::Twice)
        );
        assert_eq!(
            Params::read(b"state=a&st%61te=").err(),
            Some(BadParams::Twice)
        );
        let params = Params::read(b"state=a%2Fb&code=").unwrap();
        assert_eq!(
            (params.get("state"), params.get("code")),
            (Some("a/b"), None)
        );
    }

    #[test]
    fn size_and_count_are_bounded() {
        let long = format!("a={}", "x".repeat(MAX_QUERY));
        assert_eq!(
            Params::read(long.as_bytes()).err(),
            Some(BadParams::TooMuch)
        );
        let many: Vec<_> = (0..=MAX_PARAMS).map(|n| format!("p{n}=")).collect();
        assert_eq!(
            Params::read(many.join("&").as_bytes()).err(),
            Some(BadParams::TooMuch)
        );
    }
}
