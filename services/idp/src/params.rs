//! Request parameters: bounded, and each once (RFC 6749 §3.1, §3.2).

/// The most characters of all parameters together.
pub const MAX_PARAMS_LEN: usize = 16 * 1024;
/// The most parameters.
pub const MAX_PARAMS: usize = 64;

/// Parameters in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Parameters that cannot be taken as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParams {
    /// Over a bound.
    #[error("too many parameters, or too long")]
    TooMany,
    /// RFC 6749 §3.1: a parameter must not be there more than once.
    #[error("{0} is there more than once (RFC 6749 section 3.1)")]
    Repeated(&'static str),
}

impl Params {
    /// From a query or a form body.
    pub fn parse(text: &str) -> Result<Self, BadParams> {
        if text.len() > MAX_PARAMS_LEN {
            return Err(BadParams::TooMany);
        }
        Self::from_pairs(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .take(MAX_PARAMS + 1),
        )
    }

    /// From pairs. RFC 6749 §3.1: one without a value counts as not there.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BadParams> {
        let pairs: Vec<_> = pairs.into_iter().collect();
        if pairs.len() > MAX_PARAMS {
            return Err(BadParams::TooMany);
        }
        Ok(Self(
            pairs
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        ))
    }

    /// The pairs.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Whether `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// All values of `name`.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of `name`.
    pub fn one<'p>(&'p self, name: &'static str) -> Result<Option<&'p str>, BadParams> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            Err(BadParams::Repeated(name))
        } else {
            Ok(first)
        }
    }

    /// The audiences asked for: `resource` (RFC 8707 §2), which may be there
    /// more than once, and its alias `audience`.
    pub fn resources(&self) -> Vec<&str> {
        let mut named: Vec<_> = self.all("resource").chain(self.all("audience")).collect();
        let mut seen = std::collections::BTreeSet::new();
        named.retain(|resource| seen.insert(*resource));
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_no_parameter_twice_and_an_empty_one_is_none() {
        let params = Params::parse("a=1&a=2&b=&c=x%20y").unwrap();
        assert_eq!(params.one("a"), Err(BadParams::Repeated("a")));
        assert_eq!(params.one("b"), Ok(None));
        assert_eq!(params.one("c"), Ok(Some("x y")));
    }

    #[test]
    fn rfc8707_2_resource_may_be_there_more_than_once() {
        let params = Params::parse("resource=r1&audience=r1&resource=r2").unwrap();
        assert_eq!(params.resources(), ["r1", "r2"]);
    }

    #[test]
    fn they_are_bounded() {
        assert_eq!(
            Params::parse(&"a=1&".repeat(MAX_PARAMS + 1)),
            Err(BadParams::TooMany)
        );
        assert_eq!(
            Params::parse(&"a".repeat(MAX_PARAMS_LEN + 1)),
            Err(BadParams::TooMany)
        );
    }
}
