//! What proxies write about the client: `X-Forwarded-For` or `Forwarded` (RFC 7239).
//! Lists are read from the right, because the client controls everything to the left of
//! what a trusted proxy appended.

use std::{net::IpAddr, str::FromStr};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header that the trusted proxy writes; the other one is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ForwardingHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl FromStr for ForwardingHeader {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match () {
            () if is("X-Forwarded-For") => Ok(Self::XForwardedFor),
            () if is("Forwarded") => Ok(Self::Forwarded),
            () => Err("X-Forwarded-For or Forwarded"),
        }
    }
}

impl ForwardingHeader {
    /// The hops that `headers` name, the nearest first. A header without entries counts as
    /// one unreadable entry.
    pub(super) fn hops(self, headers: &HeaderMap) -> impl Iterator<Item = Hop<'_>> {
        let name = match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => HeaderName::from_static("forwarded"),
        };
        let lines: Vec<&[u8]> = headers.get_all(name).map(HeaderValue::as_bytes).collect();
        let is_empty = lines
            .iter()
            .all(|line| Entries(Some(line)).next().is_none());
        let none = (is_empty && !lines.is_empty()).then_some(Hop {
            form: self,
            text: b"",
        });
        let lines = lines.into_iter().rev();
        let entries = lines.flat_map(|line| Entries(Some(line)));
        entries
            .map(move |text| Hop { form: self, text })
            .chain(none)
    }
}

/// The entries of a list, from the right, without empty ones (RFC 9110
/// §5.6.1.2). A comma inside a quoted string separates none.
struct Entries<'h>(Option<&'h [u8]>);

impl<'h> Iterator for Entries<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        loop {
            let line = self.0?;
            let comma = last_outside_quotes(line, b',');
            let entry = comma.map_or(line, |at| &line[at + 1..]).trim_ascii();
            self.0 = comma.map(|at| &line[..at]);
            if !entry.is_empty() {
                return Some(entry);
            }
        }
    }
}

/// The position of the last `sign` outside of quoted strings.
fn last_outside_quotes(text: &[u8], sign: u8) -> Option<usize> {
    let mut is_quoted = false;
    for (at, byte) in text.iter().enumerate().rev() {
        match *byte {
            b'"' if !(is_quoted && is_escaped(text, at)) => is_quoted = !is_quoted,
            other if other == sign && !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether an odd number of backslashes precedes `at`.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text[..at].iter().rev();
    before.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// One entry of the header.
pub(super) struct Hop<'h> {
    form: ForwardingHeader,
    text: &'h [u8],
}

impl Hop<'_> {
    /// Its address. `None` where it names none: an obfuscated identifier,
    /// `unknown` (RFC 7239 §6.2, §6.3), or nothing that can be read.
    pub(super) fn address(&self) -> Option<IpAddr> {
        let text = std::str::from_utf8(self.text).ok()?;
        match self.form {
            ForwardingHeader::XForwardedFor => node(&unquoted(text)?),
            ForwardingHeader::Forwarded => node(&for_parameter(text)?),
        }
    }

    /// The beginning of its text, for the log.
    pub(super) fn shown(&self) -> String {
        let text = String::from_utf8_lossy(self.text);
        text.chars().take(64).collect()
    }
}

/// The value of the one parameter `for` of a `Forwarded` element.
fn for_parameter(element: &str) -> Option<String> {
    let mut found = None;
    let mut rest = Some(element);
    while let Some(text) = rest {
        let end = last_outside_quotes(text.as_bytes(), b';');
        let pair = end.map_or(text, |at| &text[at + 1..]);
        rest = end.map(|at| &text[..at]);
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("for") && found.replace(value.trim()).is_some() {
            return None;
        }
    }
    unquoted(found?)
}

/// A token as it is, or what a quoted string holds (RFC 9110 §5.6.4).
fn unquoted(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(text.to_owned());
    };
    let mut plain = String::new();
    let mut signs = quoted.strip_suffix('"')?.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => plain.push(signs.next()?),
            '"' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}

/// The address in `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`, without a port
/// that may follow (RFC 7239 §6) and without an IPv6 zone.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let without_zone = |v6: &str| {
        let (address, _) = v6.split_once('%').unwrap_or((v6, ""));
        address.parse().ok().map(IpAddr::V6)
    };
    let address = if let Some(bracketed) = text.strip_prefix('[') {
        let (v6, port) = bracketed.split_once(']')?;
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        without_zone(v6)?
    } else if text.matches(':').count() > 1 {
        without_zone(text)?
    } else {
        let (v4, port) = text
            .split_once(':')
            .map_or((text, None), |(v4, port)| (v4, Some(port)));
        if !port.is_none_or(is_port) {
            return None;
        }
        IpAddr::V4(v4.parse().ok()?)
    };
    Some(address.to_canonical())
}

/// RFC 7239 §6: `port = 1*5DIGIT`, or an obfuscated one.
fn is_port(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match text.strip_prefix('_') {
        Some(hidden) => !hidden.is_empty() && hidden.bytes().all(is_plain),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: ForwardingHeader, lines: &[&[u8]]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        let name = match form {
            ForwardingHeader::XForwardedFor => "x-forwarded-for",
            ForwardingHeader::Forwarded => "forwarded",
        };
        for line in lines {
            let value = HeaderValue::from_bytes(line).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let shown = |address: Option<IpAddr>| address.map_or("-".into(), |it| it.to_string());
        form.hops(&headers)
            .map(|hop| shown(hop.address()))
            .collect()
    }

    fn x_forwarded_for(line: &str) -> Vec<String> {
        read(ForwardingHeader::XForwardedFor, &[line.as_bytes()])
    }

    fn forwarded(line: &str) -> Vec<String> {
        read(ForwardingHeader::Forwarded, &[line.as_bytes()])
    }

    #[test]
    fn an_entry_may_have_a_port_and_brackets() {
        for (entry, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:567", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[::1]:80", "::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ] {
            assert_eq!(x_forwarded_for(entry), [address], "{entry}");
        }
    }

    #[test]
    fn what_is_no_address_is_unreadable() {
        for entry in [
            "unknown",
            "_hidden",
            "example.com",
            "192.0.2.1:",
            "192.0.2.1:123456",
            "192.0.2.1:x",
            "192.0.2",
            "192.0.2.01",
            "[2001:db8::1",
            "[192.0.2.1]",
            "[::1]80",
            "192.0.2.1 192.0.2.2",
            "\"192.0.2.1",
        ] {
            assert_eq!(x_forwarded_for(entry), ["-"], "{entry}");
        }
        assert_eq!(read(ForwardingHeader::XForwardedFor, &[b"\xff"]), ["-"]);
    }

    #[test]
    fn the_nearest_hop_comes_first_over_all_lines() {
        let lines: [&[u8]; 2] = [b"192.0.2.1, 192.0.2.2", b"192.0.2.3,, 192.0.2.4 ,"];
        let hops = read(ForwardingHeader::XForwardedFor, &lines);
        assert_eq!(hops, ["192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1"]);
    }

    #[test]
    fn a_header_without_an_entry_is_unreadable_and_none_names_nobody() {
        assert_eq!(x_forwarded_for(" , "), ["-"]);
        assert_eq!(forwarded(""), ["-"]);
        let none: [&[u8]; 0] = [];
        assert!(read(ForwardingHeader::Forwarded, &none).is_empty());
    }

    #[test]
    fn rfc7239_4_the_for_parameter_of_each_element() {
        for (element, address) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("proto=https; For=\"192.0.2.43:47011\"", "192.0.2.43"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("For=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
            ("for=\"192.0.2.1:_gazonk\"", "192.0.2.1"),
            ("host=\"a;for=6.6.6.6,b\";for=192.0.2.1", "192.0.2.1"),
            ("for=\"192.0.2.\\1\"", "192.0.2.1"),
        ] {
            assert_eq!(forwarded(element), [address], "{element}");
        }
    }

    #[test]
    fn rfc7239_6_hidden_and_unknown_nodes_are_unreadable() {
        for element in [
            "for=_gazonk",
            "for=\"_SEVKISEK\"",
            "for=unknown",
            "proto=https",
            "192.0.2.1",
            "for=",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1",
            "for=\"192.0.2.1\\\"",
        ] {
            assert_eq!(forwarded(element), ["-"], "{element}");
        }
    }

    #[test]
    fn a_strangers_open_quote_does_not_hide_what_the_proxy_appended() {
        let line = "for=\"6.6.6.6, for=192.0.2.1;host=\"a\\\"b,\"";
        assert_eq!(forwarded(line)[0], "192.0.2.1");
        let line = "for=\"x\\\", for=192.0.2.1";
        assert_eq!(forwarded(line)[0], "192.0.2.1");
    }

    /// The client writes what stands left of the trusted proxy's entry, and must not change
    /// what is read of that entry (RFC 7239 §8.1).
    #[test]
    fn fuzz_forwarding_headers() {
        let seeds = [
            "192.0.2.1, [2001:db8::1]:4711",
            "for=192.0.2.1;proto=https, for=\"[2001:db8::1]\"",
            "for=\"a, \\\"b\"; by=_x",
        ];
        for (form, own) in [
            (ForwardingHeader::XForwardedFor, "198.51.100.7"),
            (ForwardingHeader::Forwarded, "for=198.51.100.7"),
        ] {
            fuzz::run(&seeds, |others| {
                let line = [others, b", ", own.as_bytes()].concat();
                let Ok(value) = HeaderValue::from_bytes(&line) else {
                    return;
                };
                let mut headers = HeaderMap::new();
                for name in ["x-forwarded-for", "forwarded"] {
                    headers.insert(HeaderName::from_static(name), value.clone());
                }
                let mut hops = form.hops(&headers);
                let nearest = hops.next().unwrap().address();
                assert_eq!(nearest, "198.51.100.7".parse().ok());
                for hop in hops {
                    assert!(hop.shown().chars().count() <= 64);
                    hop.address();
                }
            });
        }
    }
}
