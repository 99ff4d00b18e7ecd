//! A path is written in one way only (RFC 3986 §6.2.2). The router decodes
//! percent-encoded characters; code that reads the path before it (traces, CSRF, a proxy's
//! rules) does not, so `/%6Detrics` would be two different paths. No route needs a
//! percent-encoded character, so those that allow a second spelling are refused.

/// Why `path` is refused, in a sentence.
pub(crate) fn refusal(path: &str) -> Option<String> {
    // Next to no path has one.
    let mut rest = path.as_bytes();
    loop {
        let at = rest.iter().position(|byte| *byte == b'%')?;
        let digits = rest.get(at + 1..at + 3);
        let decoded = digits.and_then(|digits| Some(hex(digits[0])? * 16 + hex(digits[1])?));
        match decoded {
            None => return Some("A % in the path is not followed by two hex digits.".to_owned()),
            Some(byte) if is_unreserved(byte) => {
                let sign = char::from(byte);
                return Some(format!(
                    "The path has %{byte:02X} where {sign} is meant (RFC 3986 section 6.2.2.2)."
                ));
            }
            // Some programs decode twice, some treat it as a separator.
            Some(b'\\' | b'%' | 0..=31 | 127) => {
                return Some("The path has an encoded character that no path here has.".to_owned());
            }
            Some(_) => rest = &rest[at + 3..],
        }
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3986_6_2_2_2_an_encoded_unreserved_character_is_refused_in_either_case() {
        for path in [
            "/%6Detrics",
            "/%6detrics",
            "/metric%73",
            "/%2e%2e/metrics",
            "/%2E",
            "/a%5Fb",
            "/a%7eb",
            "/%41",
            "/%30",
            "/a%20b%6D",
        ] {
            assert!(refusal(path).is_some(), "{path}");
        }
        let said = refusal("/%6detrics").unwrap();
        assert!(said.contains("%6D") && said.contains('m'), "{said}");
    }

    #[test]
    fn what_could_be_decoded_twice_or_taken_for_structure_is_refused() {
        for path in [
            "/%256Detrics",
            "/a%5cmetrics",
            "/%00",
            "/%0d%0a",
            "/%7f",
            "/%",
            "/%6",
            "/%6g",
            "/%%6D",
        ] {
            assert!(refusal(path).is_some(), "{path}");
        }
    }

    #[test]
    fn any_other_path_is_the_routers_business() {
        for path in [
            "/",
            "/metrics",
            "*",
            "",
            "/a%20b",
            "/a%2Fb",
            "/%C3%A9",
            "/../metrics",
        ] {
            assert_eq!(refusal(path), None, "{path}");
        }
    }

    #[test]
    fn fuzz_paths() {
        let seeds = ["/a/b?c", "/a%20b", "/%2e%2e/metrics", "/a%252fb", "/%E4%"];
        fuzz::run_text(&seeds, |path| {
            if refusal(path).is_some() {
                return;
            }
            for escape in path.split('%').skip(1) {
                let byte = u8::from_str_radix(&escape[..2], 16).unwrap();
                assert!(!is_unreserved(byte) && byte > 31 && !b"\\%\x7f".contains(&byte));
            }
        });
    }
}
