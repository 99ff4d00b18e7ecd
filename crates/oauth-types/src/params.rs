//! Parameters of a query or a form (`application/x-www-form-urlencoded`):
//! bounded, and none more than once (RFC 6749 §3.1, §3.2).

use std::collections::BTreeSet;

/// How many parameters an endpoint accepts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the encoded text.
    pub bytes: usize,
    /// Number of parameters.
    pub count: usize,
}

/// Decoded parameters, in the order of the request. Unknown ones may repeat:
/// [`Params::one`] refuses the repetition of a parameter that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Decoded parameters with distinct names.
#[derive(Debug)]
pub struct UniqueParams(Params);

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParams {
    /// Over a limit.
    #[error("The request has too many parameters, or they are too long.")]
    TooLarge,
    /// RFC 6749 §3.1: parameters must not be included more than once.
    #[error("{0} is included more than once (RFC 6749 section 3.1).")]
    Repeated(&'static str),
}

impl Params {
    /// Decodes a query or the body of a form.
    pub fn parse(text: &[u8], limits: Limits) -> Result<Self, BadParams> {
        if text.len() > limits.bytes {
            return Err(BadParams::TooLarge);
        }
        let pairs = form_urlencoded::parse(text).into_owned();
        let pairs: Vec<_> = pairs.take(limits.count + 1).collect();
        if pairs.len() > limits.count {
            return Err(BadParams::TooLarge);
        }
        Ok(Self(pairs))
    }

    /// The pairs; those with an empty value are omitted.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        let mut pairs = self.0;
        pairs.retain(|(_, value)| !value.is_empty());
        pairs
    }

    /// Whether `name` is present with a value.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// All values of `name`. RFC 6749 §3.1: an empty value counts as omitted.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let own = self.0.iter().filter(move |(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
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

    /// The requested audiences: `resource` (RFC 8707 §2), which may repeat, and
    /// its alias `audience`.
    pub fn resources(&self) -> Vec<&str> {
        let mut named: Vec<_> = self.all("resource").chain(self.all("audience")).collect();
        let mut seen = BTreeSet::new();
        named.retain(|resource| seen.insert(*resource));
        named
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl UniqueParams {
    /// Decodes a query or the body of a form. A repeated name is refused,
    /// whether the endpoint knows the parameter or not.
    pub fn parse(text: &[u8], limits: Limits) -> Result<Self, BadParams> {
        let params = Params::parse(text, limits)?;
        let mut names = BTreeSet::new();
        if params.0.iter().all(|(name, _)| names.insert(name)) {
            Ok(Self(params))
        } else {
            Err(BadParams::Repeated("A parameter"))
        }
    }

    /// The value of `name`. RFC 6749 §3.1: an empty value counts as omitted.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_or_empty(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`, which may be empty.
    pub fn get_or_empty(&self, name: &str) -> Option<&str> {
        let own = self.0.0.iter().find(|(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        bytes: 1024,
        count: 32,
    };

    fn params(text: &str) -> Params {
        Params::parse(text.as_bytes(), LIMITS).unwrap()
    }

    #[test]
    fn rfc6749_3_1_no_parameter_twice_and_an_empty_one_is_omitted() {
        let params = params("a=1&a=2&b=&c=x%20y&d=&d=4");
        assert_eq!(params.one("a"), Err(BadParams::Repeated("a")));
        assert_eq!(params.one("b"), Ok(None));
        assert_eq!(params.one("c"), Ok(Some("x y")));
        assert_eq!(params.one("d"), Ok(Some("4")));
        assert!(params.has("a") && !params.has("b"));
        assert_eq!(params.into_pairs().len(), 4);
    }

    #[test]
    fn rfc6749_3_1_a_repeated_name_is_refused_where_names_are_unique() {
        let parse = |text: &str| UniqueParams::parse(text.as_bytes(), LIMITS);
        for repeated in ["state=a&state=b", "state=a&st%61te=", "state=&state="] {
            let refused = parse(repeated).err();
            assert_eq!(refused, Some(BadParams::Repeated("A parameter")));
        }
        let params = parse("state=a%2Fb&code=").unwrap();
        assert_eq!(params.get("state"), Some("a/b"));
        assert_eq!(params.get("code"), None);
        assert_eq!(params.get_or_empty("code"), Some(""));
    }

    #[test]
    fn rfc8707_2_resource_may_repeat() {
        let params = params("resource=r1&audience=r1&resource=r2");
        assert_eq!(params.resources(), ["r1", "r2"]);
    }

    #[test]
    fn length_and_count_are_bounded() {
        let most: Vec<_> = (0..LIMITS.count).map(|n| format!("p{n}=")).collect();
        let most = most.join("&");
        assert!(UniqueParams::parse(most.as_bytes(), LIMITS).is_ok());
        let long = format!("a={}", "x".repeat(LIMITS.bytes));
        for over in [format!("{most}&q="), long] {
            let refused = Params::parse(over.as_bytes(), LIMITS).err();
            assert_eq!(refused, Some(BadParams::TooLarge));
            let refused = UniqueParams::parse(over.as_bytes(), LIMITS).err();
            assert_eq!(refused, Some(BadParams::TooLarge));
        }
    }

    #[test]
    fn fuzz_parameters() {
        let seeds = [
            "a=1&a=2&b=&c=x%20y&d=&d=4",
            "resource=r1&audience=r1&resource=r2",
        ];
        fuzz::run(&seeds, |text| {
            let Ok(params) = Params::parse(text, LIMITS) else {
                let pairs = form_urlencoded::parse(text).count();
                assert!(text.len() > LIMITS.bytes || pairs > LIMITS.count);
                return;
            };
            let pairs = params.clone().into_pairs();
            if let Ok(unique) = UniqueParams::parse(text, LIMITS) {
                for (name, value) in &pairs {
                    assert_eq!(unique.get(name), Some(value.as_str()));
                }
            }
            let written = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&pairs)
                .finish();
            let wide = Limits {
                bytes: usize::MAX,
                ..LIMITS
            };
            let again = Params::parse(written.as_bytes(), wide).unwrap();
            assert_eq!(again.into_pairs(), pairs);
            for resource in params.resources() {
                assert!(!resource.is_empty());
            }
        });
    }
}
