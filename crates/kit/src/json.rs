//! JSON that others send.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The object in `text`. An array is none: a derived `Deserialize` would take the members of
/// a structure from an array too, in the order in which the source declares them.
pub fn object<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    let Object(value) = serde_json::from_slice(text)?;
    Ok(value)
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfMembers(PhantomData))
    }
}

struct OfMembers<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMembers<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        item: String,
        #[serde(default)]
        quantity: u32,
    }

    #[test]
    fn an_object_is_read_and_nothing_else() {
        let read = |text: &str| object::<Order>(text.as_bytes()).map_err(|why| why.to_string());
        let order = |quantity| {
            let item = "tea-pot".to_owned();
            Ok(Order { item, quantity })
        };
        assert_eq!(read(r#" {"item": "tea-pot", "quantity": 2} "#), order(2));
        assert_eq!(read(r#"{"item": "tea-pot"}"#), order(0));
        for (text, why) in [
            (
                r#"["tea-pot", 2]"#,
                "invalid type: sequence, expected a JSON object",
            ),
            ("[]", "invalid type: sequence, expected a JSON object"),
            ("null", "invalid type: null, expected a JSON object"),
            (r#""tea-pot""#, "expected a JSON object"),
            (r#"{"item": "a", "item": "b"}"#, "duplicate field `item`"),
            (r#"{"item": "a", "x": 1}"#, "unknown field `x`"),
            (r#"{"quantity": 1}"#, "missing field `item`"),
            (r#"{"item": "a"} {}"#, "trailing characters"),
            ("", "EOF while parsing a value"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
