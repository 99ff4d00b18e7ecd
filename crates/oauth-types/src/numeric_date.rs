//! `NumericDate` (RFC 7519 §2): seconds since the epoch, possibly with decimals.
//! Decimals are cut off, so they never prolong a token's life.

use std::fmt;

use serde::{Deserialize as _, Deserializer, de};
use serde_json::Value;

/// The end of the year 9999. A later date counts as this one, so that no sum with
/// a date can overflow.
const LATEST: i64 = 253_402_300_799;

/// Reads a required claim: `#[serde(deserialize_with)]`.
pub fn required<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    from.deserialize_any(Seconds)
}

/// Reads a claim that may be absent or `null`: `#[serde(default, deserialize_with)]`.
pub fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    from.deserialize_option(MaybeSeconds)
}

/// Reads a claim that nobody depends on: any other value counts as absent.
pub fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Value::deserialize(from).map(|value| of(&value))
}

/// The seconds in a JSON number; `None` for any other value.
pub fn of(value: &Value) -> Option<i64> {
    required(value).ok()
}

fn bounded(seconds: i64) -> i64 {
    seconds.clamp(-LATEST, LATEST)
}

struct Seconds;

impl de::Visitor<'_> for Seconds {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds since the epoch (RFC 7519 section 2)")
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<i64, E> {
        Ok(bounded(seconds))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<i64, E> {
        Ok(bounded(i64::try_from(seconds).unwrap_or(LATEST)))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates at i64, far beyond the limit"
    )]
    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<i64, E> {
        if seconds.is_nan() {
            return Err(E::custom("not a number"));
        }
        Ok(bounded(seconds.floor() as i64))
    }
}

struct MaybeSeconds;

impl<'de> de::Visitor<'de> for MaybeSeconds {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Seconds.expecting(f)
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<i64>, D::Error> {
        required(from).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Claims {
        #[serde(deserialize_with = "required")]
        exp: i64,
        #[serde(default, deserialize_with = "optional")]
        nbf: Option<i64>,
    }

    fn read(text: &str) -> Option<(i64, Option<i64>)> {
        let claims: Claims = serde_json::from_str(text).ok()?;
        Some((claims.exp, claims.nbf))
    }

    #[test]
    fn rfc7519_2_a_date_may_have_decimals_and_is_cut_to_the_second() {
        assert_eq!(
            read(r#"{"exp": 1795867747.5}"#),
            Some((1_795_867_747, None))
        );
        assert_eq!(
            read(r#"{"exp": 1.795867747e9, "nbf": 0.9}"#),
            Some((1_795_867_747, Some(0)))
        );
        assert_eq!(read(r#"{"exp": -0.5, "nbf": null}"#), Some((-1, None)));
        assert_eq!(read(r#"{"exp": 5, "nbf": 4}"#), Some((5, Some(4))));
    }

    #[test]
    fn a_date_beyond_the_year_9999_is_bounded() {
        let most = 253_402_300_799;
        for far in ["9e300", "18446744073709551615", "9223372036854775807"] {
            assert_eq!(
                read(&format!("{{\"exp\": {far}}}")),
                Some((most, None)),
                "{far}"
            );
        }
        assert_eq!(read(r#"{"exp": -9e300}"#), Some((-most, None)));
    }

    #[test]
    fn what_is_no_number_is_no_date() {
        for wrong in [json!("5"), json!(true), json!([5]), json!({}), json!(null)] {
            assert_eq!(of(&wrong), None, "{wrong}");
            assert_eq!(read(&json!({ "exp": wrong }).to_string()), None, "{wrong}");
        }
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn fuzz_dates() {
        let seeds = [
            "1800000000",
            "1800000000.9",
            "-1",
            "1e12",
            "253402300800",
            "null",
        ];
        fuzz::run(&seeds, |json| {
            let Ok(value) = serde_json::from_slice::<Value>(json) else {
                return;
            };
            let date = of(&value);
            assert_eq!(date.is_some(), value.is_number(), "{value}");
            let Some((date, number)) = date.zip(value.as_f64()) else {
                return;
            };
            // No sum with a lifetime overflows, and no decimal prolongs a life.
            assert!((-LATEST..=LATEST).contains(&date));
            let shown: f64 = date.to_string().parse().unwrap();
            assert!(shown <= number || date == -LATEST, "{value}: {date}");
        });
    }
}
