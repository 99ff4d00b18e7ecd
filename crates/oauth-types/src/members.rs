//! Reads another program's JSON object member by member. Members that nobody reads
//! are ignored, whatever their type. A member that is read may have any type whose
//! meaning is unambiguous; otherwise the error names the member, never its value.

use serde_json::{Map, Value};

use crate::Scope;

/// The end of the year 9999. A later date counts as this one, so that no sum with a date
/// can overflow.
const LATEST: i64 = 253_402_300_799;

/// The members of one object.
#[derive(Clone, Debug)]
pub struct Members(Map<String, Value>);

/// A member that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMember {
    /// The value is not a JSON object.
    #[error("it is not a JSON object")]
    NoObject,
    /// A required member is missing.
    #[error("its member {0} is missing")]
    Missing(&'static str),
    /// A member has an unusable type or value.
    #[error("its member {name} is not {expected}")]
    Odd {
        /// The member.
        name: &'static str,
        /// The expected type.
        expected: &'static str,
    },
}

impl From<Map<String, Value>> for Members {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

impl Members {
    /// Reads `json`, which must be an object.
    pub fn read(json: &[u8]) -> Result<Self, BadMember> {
        let value = serde_json::from_slice(json);
        value.map_or(Err(BadMember::NoObject), Self::of)
    }

    /// Takes `value`, which must be an object.
    pub fn of(value: Value) -> Result<Self, BadMember> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(BadMember::NoObject),
        }
    }

    /// Whether `name` is present, with any value.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether `name` is present and not `null`.
    pub fn has_value(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// The raw value.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.given(name)
    }

    /// A string.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, BadMember> {
        self.as_kind(name, "a string", Value::as_str)
    }

    /// A required string that is not empty.
    pub fn needed(&self, name: &'static str) -> Result<&str, BadMember> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or(BadMember::Missing(name))
    }

    /// `true` or `false`, also as a string.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, BadMember> {
        self.as_kind(name, "true or false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        })
    }

    /// Whole seconds: a duration, or a date (RFC 7519 §2, `NumericDate`), as a number or as
    /// its digits in a string. Decimals are cut off, so they never prolong a token's life.
    /// The result is limited, so that no sum with it can overflow.
    pub fn seconds(&self, name: &'static str) -> Result<Option<i64>, BadMember> {
        self.as_kind(name, "a number of seconds", whole_seconds)
    }

    /// Like [`seconds`](Self::seconds), for a required member.
    pub fn needed_seconds(&self, name: &'static str) -> Result<i64, BadMember> {
        self.seconds(name)?.ok_or(BadMember::Missing(name))
    }

    /// One string or a list of strings (RFC 7519 §4.1.3).
    pub fn texts(&self, name: &'static str) -> Result<Vec<&str>, BadMember> {
        let texts = self.as_kind(name, "a string or a list of strings", |value| match value {
            Value::String(text) => Some(vec![text.as_str()]),
            Value::Array(all) => all.iter().map(Value::as_str).collect(),
            _ => None,
        });
        Ok(texts?.unwrap_or_default())
    }

    /// A scope, as one string (RFC 6749 §3.3) or as a list.
    pub fn scope(&self, name: &'static str) -> Result<Option<Scope>, BadMember> {
        if self.given(name).is_none() {
            return Ok(None);
        }
        let words = self.texts(name)?.join(" ");
        let odd = |_| BadMember::Odd {
            name,
            expected: "a scope",
        };
        words.parse().map(Some).map_err(odd)
    }

    pub(crate) fn as_kind<'m, T>(
        &'m self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'m Value) -> Option<T>,
    ) -> Result<Option<T>, BadMember> {
        match self.given(name) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or(BadMember::Odd { name, expected }),
        }
    }

    /// A `null` counts as absent.
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, rest)) => digits(whole) && digits(rest),
        None => digits(text),
    }
}

/// As [`Members::seconds`] reads a value.
pub(crate) fn whole_seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => whole(number.as_i64(), number.as_f64()),
        Value::String(text) if is_decimal(text) => whole(text.parse().ok(), text.parse().ok()),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates at i64, far beyond the limit"
)]
fn whole(exact: Option<i64>, rough: Option<f64>) -> Option<i64> {
    let seconds = exact.or_else(|| rough.map(|number| number.floor() as i64));
    seconds.map(|seconds| seconds.clamp(-LATEST, LATEST))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: Value) -> Members {
        Members::of(value).unwrap()
    }

    #[test]
    fn what_nobody_reads_may_have_any_shape() {
        let odd = json!({"a": {"b": [1, null]}, "c": 1e300, "name": "x"});
        assert_eq!(members(odd).text("name"), Ok(Some("x")));
    }

    #[test]
    fn seconds_are_read_in_every_shape_whose_meaning_is_certain() {
        for (value, expected) in [
            (json!(3599), 3599),
            (json!("3599"), 3599),
            (json!(3599.9), 3599),
            (json!("3599.9"), 3599),
            (json!(-1), -1),
            (json!(1.795_867_747e9), 1_795_867_747),
            (json!(-0.5), -1),
            (json!(1e300), LATEST),
            (json!(-1e300), -LATEST),
            (json!(i64::MAX), LATEST),
            (json!(u64::MAX), LATEST),
            (json!("99999999999999999999"), LATEST),
        ] {
            let read = members(json!({ "n": value })).seconds("n");
            assert_eq!(read, Ok(Some(expected)), "{value}");
        }
        for odd in [
            json!("soon"),
            json!(""),
            json!(" 5"),
            json!("1e3"),
            json!("5."),
            json!("-5"),
            json!(true),
            json!([5]),
            json!({}),
        ] {
            let read = members(json!({ "n": odd })).seconds("n");
            let expected = "a number of seconds";
            let error = BadMember::Odd {
                name: "n",
                expected,
            };
            assert_eq!(read, Err(error), "{odd}");
        }
        assert_eq!(members(json!({ "n": null })).seconds("n"), Ok(None));
        let missing = members(json!({})).needed_seconds("n");
        assert_eq!(missing, Err(BadMember::Missing("n")));
    }

    #[test]
    fn flags_and_scopes_are_read_as_words_and_as_lists() {
        let all = members(json!({
            "a": true, "b": "False", "c": 1, "d": "yes", "one": "x y", "many": ["x", "y"],
            "none": [], "odd": [1], "worse": "\"",
        }));
        assert_eq!(all.flag("a"), Ok(Some(true)));
        assert_eq!(all.flag("b"), Ok(Some(false)));
        assert!(all.flag("c").is_err() && all.flag("d").is_err());
        let scope = |name| all.scope(name).unwrap().unwrap().to_string();
        assert_eq!((scope("one"), scope("many")), ("x y".into(), "x y".into()));
        assert!(all.scope("odd").is_err() && all.scope("worse").is_err());
        assert_eq!(all.scope("missing").unwrap(), None);
        assert_eq!(all.texts("many"), Ok(vec!["x", "y"]));
        assert_eq!(all.texts("missing"), Ok(vec![]));
    }

    #[test]
    fn an_error_names_the_member_and_never_what_stood_there() {
        let secret = members(json!({"access_token": ["secret"]}));
        let error = secret.needed("access_token").unwrap_err().to_string();
        assert_eq!(error, "its member access_token is not a string");
        let error = secret.needed("token_type").unwrap_err().to_string();
        assert_eq!(error, "its member token_type is missing");
        for none in [&b"\"secret\""[..], b"secret", b"[1]", b""] {
            assert_eq!(Members::read(none).err(), Some(BadMember::NoObject));
        }
    }

    #[test]
    fn fuzz_members_of_other_programs() {
        let seeds = [
            r#"{"exp": 1800000000, "aud": ["a", "b"], "scope": "x y", "active": "true", "sub": "s"}"#,
            r#"{"exp": "3599.9", "aud": "a", "scope": ["x", "y"], "active": true, "sub": null}"#,
            r#"{"exp": 1800000000.9, "aud": [], "scope": [], "active": 1, "sub": {}}"#,
        ];
        fuzz::run(&seeds, |json| {
            let Ok(members) = Members::read(json) else {
                return;
            };
            let given = |name| members.value(name).cloned();
            match (members.seconds("exp"), given("exp")) {
                (Ok(Some(seconds)), Some(Value::Number(number))) => {
                    // No sum with a lifetime overflows, and no decimal prolongs a life.
                    assert!((-LATEST..=LATEST).contains(&seconds));
                    let read: f64 = seconds.to_string().parse().unwrap();
                    let number = number.as_f64().unwrap();
                    assert!(read <= number || seconds == -LATEST, "{number}: {seconds}");
                }
                (Ok(Some(_)), value) => {
                    assert!(matches!(value, Some(Value::String(_))));
                }
                (Ok(None), value) => assert_eq!(value, None),
                (Err(_), value) => assert!(value.is_some()),
            }
            if let Ok(Some(flag)) = members.flag("active") {
                let text = given("active").unwrap().to_string().to_lowercase();
                assert_eq!(text.trim_matches('"'), flag.to_string());
            }
            for text in members.texts("aud").unwrap_or_default() {
                let whole = given("aud").unwrap();
                assert!(whole == text || whole.as_array().unwrap().contains(&text.into()));
            }
            if let Ok(sub) = members.needed("sub") {
                assert_eq!(given("sub").unwrap(), sub);
            }
            if let Ok(Some(scope)) = members.scope("scope") {
                assert_eq!(scope.to_string().parse(), Ok(scope));
            }
        });
    }
}
