//! The comparison of `htu` with the URL of a request: without query and fragment, after
//! normalisation by syntax and by scheme (RFC 9449 §4.3, RFC 3986 §6.2.2, §6.2.3).

use std::fmt::Write as _;

use url::Url;

/// Whether `htu` names the URL `own`.
pub(super) fn is_same(htu: &str, own: &str) -> bool {
    match (Target::of(htu), Target::of(own)) {
        (Some(htu), Some(own)) => htu == own,
        _ => false,
    }
}

/// A URL without query and fragment. The parser has lowered scheme and host, and has
/// removed a default port and dot segments.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    scheme: String,
    authority: String,
    port: Option<u16>,
    path: String,
}

impl Target {
    fn of(text: &str) -> Option<Self> {
        if !text.bytes().all(is_of_a_uri) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https");
        if !is_web || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            authority: url.host_str()?.to_owned(),
            port: url.port_or_known_default(),
            path: normalised(url.path()),
        })
    }
}

/// RFC 3986 §6.2.2.1, §6.2.2.2: hexadecimal digits in upper case, and no encoding of
/// characters that need none.
fn normalised(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let encoded = after
            .get(..2)
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match encoded {
            Some(byte) if is_unreserved(byte) => normal.push(char::from(byte)),
            Some(byte) => {
                let _ = write!(normal, "%{byte:02X}");
            }
            None => normal.push('%'),
        }
        rest = if encoded.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    normal.push_str(rest);
    normal
}

/// Whether a URI may contain `byte` (RFC 3986 §2). The parser is that of browsers: it removes
/// tabs and line ends, takes `\` for `/`, and encodes the other ones.
const fn is_of_a_uri(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://api.example/orders/1";

    #[test]
    fn rfc9449_4_3_htu_is_compared_after_normalisation_without_query_and_fragment() {
        for same in [
            "https://api.example/orders/1",
            "https://api.example/orders/1?page=2",
            "https://api.example/orders/1#top",
            "https://api.example/orders/1?a=b#c",
            "HTTPS://API.example/orders/1",
            "https://api.example:443/orders/1",
            "https://api.example/orders/./x/../1",
            "https://api.example/%6Frders/1",
            "https://api.example/%6frders/%31",
        ] {
            assert!(is_same(same, OWN), "{same}");
        }
        for other in [
            "http://api.example/orders/1",
            "https://api.example/orders/1/",
            "https://api.example/orders/2",
            "https://api.example/Orders/1",
            "https://api.example/orders%2F1",
            "https://api.example:8443/orders/1",
            "https://api.example.evil.example/orders/1",
            "https://user@api.example/orders/1",
            "https://:secret@api.example/orders/1",
            "https:\\\\api.example\\orders\\1",
            "https://api.example/or\tders/1",
            " https://api.example/orders/1",
            "https://api.example/orders/1\n",
            "https://evil.example/https://api.example/orders/1",
            "/orders/1",
            "orders/1",
            "ftp://api.example/orders/1",
            "data:,https://api.example/orders/1",
            "",
        ] {
            assert!(!is_same(other, OWN), "{other}");
        }
        assert!(is_same("https://api.example", "https://api.example/"));
        assert!(is_same(
            "https://a.example/%c3%a4",
            "https://a.example/%C3%A4"
        ));
        assert!(is_same("https://a.example/%", "https://a.example/%"));
        assert!(!is_same("https://a.example/%+a", "https://a.example/%0A"));
    }
    #[test]
    fn fuzz_urls_of_proofs() {
        fuzz::run_text(&[OWN, "http://a.example:80/%6Fr/./x?a#b", "/x"], |htu| {
            let Some(target) = Target::of(htu) else {
                assert!(!is_same(htu, htu));
                return;
            };
            assert!(is_same(htu, htu));
            let again = normalised(&target.path);
            assert!(is_same(htu, OWN) == (target == Target::of(OWN).unwrap()));
            assert_eq!(normalised(&again), again, "normalised twice");
        });
    }
}
