//! The cookies of a request, for the provider and the apps, read as bytes and without
//! decoding:
//!
//! - Decoding names would accept `%5F%5FHost-…`, to which browsers do not apply the rule
//!   for `__Host-`, so that a sibling site can set it.
//! - White space is SP and HTAB (RFC 6265 §5.2). A name that begins with another white
//!   space character of Unicode is another name.
//! - Names are case-sensitive: `__host-…` is another name.
//! - A cookie that is not text does not hide others.
//!
//! Nothing is copied, because every call reads its cookies.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};
use memchr::memchr_iter;

use crate::{
    problem::Problem,
    trace,
    ui::{Message, Site},
};

/// The title of an answer about a duplicate cookie.
pub const DUPLICATE: &str = "Duplicate cookie";

/// The cookies of one request, in their order.
pub struct Cookies<'r>(Vec<Pair<'r>>);

/// Name and value, as they were sent.
type Pair<'r> = (&'r [u8], &'r [u8]);

impl<'r> Cookies<'r> {
    /// The cookies of `req`. Each call reads the headers again, so pass the result on.
    pub fn of(req: &'r HttpRequest) -> Self {
        Self::in_headers(req.headers())
    }

    /// The cookies of a request with these headers.
    pub fn in_headers(headers: &'r HeaderMap) -> Self {
        let lines = headers.get_all(header::COOKIE);
        let pairs = lines.flat_map(|line| pairs(line.as_bytes()));
        Self(pairs.filter_map(pair).collect())
    }

    /// Name and value of each cookie that is text.
    pub fn all(&self) -> impl Iterator<Item = (&'r str, &'r str)> {
        let texts = self.0.iter().copied();
        texts.filter_map(|(name, value)| Some((text(name)?, text(value)?)))
    }

    /// The name of each cookie whose name is text.
    pub fn names(&self) -> impl Iterator<Item = &'r str> {
        self.0.iter().filter_map(|(name, _)| text(name))
    }

    /// The value of the cookie `name`. If the name occurs twice, another site may have set
    /// one of the two, so there is no value.
    pub fn get(&self, name: &str) -> Option<&'r str> {
        let mut own = self.named(name);
        let value = own.next()?;
        own.next().is_none().then(|| text(value)).flatten()
    }

    /// Whether the request has one cookie `name`, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        let mut own = self.named(name);
        own.next().is_some() && own.next().is_none()
    }

    /// Whether the request has a cookie `name`, once or more often.
    pub fn brings(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// Whether the cookie `name` occurs more than once.
    pub fn is_duplicate(&self, name: &str) -> bool {
        self.named(name).nth(1).is_some()
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &'r [u8]> {
        let own = self.0.iter().copied();
        own.filter_map(move |(other, value)| (other == name.as_bytes()).then_some(value))
    }
}

/// Removes each cookie `name` from the request with these headers; returns the values. The
/// other cookies stay byte by byte.
pub fn remove(headers: &mut HeaderMap, name: &str) -> Vec<Vec<u8>> {
    let is_it = |sent: &[u8]| pair(sent).is_some_and(|(own, _)| own == name.as_bytes());
    let mut lines = headers.get_all(header::COOKIE);
    if !lines.any(|line| pairs(line.as_bytes()).any(is_it)) {
        return Vec::new();
    }
    let mut removed = Vec::new();
    // Collected first: they come back in their order.
    let lines: Vec<_> = headers.remove(header::COOKIE).collect();
    for line in lines {
        let (own, others): (Vec<_>, Vec<_>) = pairs(line.as_bytes()).partition(|sent| is_it(sent));
        let values = own.into_iter().filter_map(pair);
        removed.extend(values.map(|(_, value)| value.to_vec()));
        let rest = others.join(&b';');
        if rest.iter().any(|byte| !b" \t;".contains(byte))
            && let Ok(rest) = HeaderValue::from_bytes(rest.trim_ascii())
        {
            headers.append(header::COOKIE, rest);
        }
    }
    removed
}

/// The page of a sign-in with a duplicate cookie `name`, where another attempt would fail
/// too. Neither cookie is removed: the remaining one could be the other site's.
pub fn duplicate_page(req: &HttpRequest, site: Site, name: &str) -> HttpResponse {
    let (happened, todo) = duplicate(name);
    Message::new(DUPLICATE, happened)
        .what_to_do(format!("{todo} Then sign in again."))
        .way("To the home page", "/")
        .trace_id(trace::id_of(req))
        .respond(site, StatusCode::BAD_REQUEST)
}

/// The same for a script.
pub fn duplicate_problem(name: &str) -> Problem {
    let (happened, todo) = duplicate(name);
    Problem::new(StatusCode::BAD_REQUEST, DUPLICATE).detail(format!("{happened} {todo}"))
}

/// What a duplicate cookie `name` means, and what to do about it.
fn duplicate(name: &str) -> (String, String) {
    tracing::info!(cookie = name, "a browser sends a cookie twice");
    let happened = format!(
        "This browser sends the cookie {name} twice. Another site may have set one of them, so neither is used."
    );
    let todo = format!(
        "Open the browser's settings for cookies and site data, and delete every cookie with the name {name}, of this site and of its parent domains."
    );
    (happened, todo)
}

/// The parts between semicolons. memchr is fast for long access tokens.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr_iter(b';', line).chain([line.len()]);
    ends.scan(0, |begin, end| {
        let pair = &line[*begin..end];
        *begin = end + 1;
        Some(pair)
    })
}

/// A pair without its white space. One without `=` has no name.
fn pair(mut sent: &[u8]) -> Option<Pair<'_>> {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = sent {
        sent = rest;
    }
    let at = memchr::memchr(b'=', sent)?;
    Some((&sent[..at], &sent[at + 1..]))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const SESSION: &str = "__Host-idp_session";

    /// A request with these `Cookie` headers.
    fn request(lines: &[&[u8]]) -> HttpRequest {
        let mut req = TestRequest::default();
        for line in lines {
            let value = HeaderValue::from_bytes(line).unwrap();
            req = req.append_header((header::COOKIE, value));
        }
        req.to_http_request()
    }

    /// The session that `line` brings.
    fn session(line: &str) -> Option<String> {
        let req = request(&[line.as_bytes()]);
        Cookies::of(&req).get(SESSION).map(ToOwned::to_owned)
    }

    #[test]
    fn rfc6265_5_2_white_space_is_sp_and_htab_alone() {
        for fine in [
            "__Host-idp_session=own",
            " \t __Host-idp_session=own\t ",
            "a=1;\t__Host-idp_session=own;b=2",
        ] {
            assert_eq!(session(fine).as_deref(), Some("own"), "{fine:?}");
        }
        // All that Unicode or ASCII has of white space beside the two.
        for space in [
            "\u{b}", "\u{c}", "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{200a}", "\u{2028}",
            "\u{202f}", "\u{205f}", "\u{3000}", "\u{feff}",
        ] {
            let planted = format!("{space}__Host-idp_session=planted");
            if HeaderValue::from_bytes(planted.as_bytes()).is_err() {
                continue;
            }
            assert_eq!(session(&planted), None, "{space:?}");
            let beside = format!("{planted}; __Host-idp_session=own");
            assert_eq!(session(&beside).as_deref(), Some("own"), "{space:?}");
            let after = format!("__Host-idp_session{space}=planted; __Host-idp_session=own");
            assert_eq!(session(&after).as_deref(), Some("own"), "{space:?}");
        }
    }

    #[test]
    fn rfc6265bis_4_1_3_2_what_only_looks_like_a_host_cookie_is_another_one() {
        for planted in [
            "%5F%5FHost-idp_session=planted",
            "__host-idp_session=planted",
            "__HOST-idp_session=planted",
            "__Host-idp_Session=planted",
            "=__Host-idp_session=planted",
            "x=__Host-idp_session=planted",
            "__Host-idp_session",
            "\"__Host-idp_session\"=planted",
            "$Version=1, __Host-idp_session=planted",
        ] {
            assert_eq!(session(planted), None, "{planted}");
            let beside = format!("{planted}; __Host-idp_session=own");
            assert_eq!(session(&beside).as_deref(), Some("own"), "{planted}");
        }
    }

    #[test]
    fn rfc6265_5_4_pairs_are_read_whatever_stands_between_them() {
        let req = request(&[b"a=1;b=2 ; c=x=y;d; =e;;", b"f=3"]);
        let all: Vec<_> = Cookies::of(&req).all().collect();
        let expected = [("a", "1"), ("b", "2"), ("c", "x=y"), ("", "e"), ("f", "3")];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_cookie_that_is_no_text_hides_no_other() {
        let lines: [&[u8]; 2] = [b"a=1; n=Zo\xeb; \xff=x; b=2", b"c=Zo\xc3\xab"];
        let req = request(&lines);
        let all: Vec<_> = Cookies::of(&req).all().collect();
        assert_eq!(all, [("a", "1"), ("b", "2"), ("c", "Zo\u{eb}")]);
    }

    #[test]
    fn two_cookies_of_one_name_are_none_also_in_two_headers_or_where_one_is_no_text() {
        let both: [&[&[u8]]; 4] = [
            &[b"a=1; b=2; a=3"],
            &[b"a=1; b=2", b"a=3"],
            &[b"a=1; b=2; a=\xff"],
            &[b"a=; b=2; a=1"],
        ];
        for lines in both {
            let req = request(lines);
            let cookies = Cookies::of(&req);
            assert_eq!((cookies.get("a"), cookies.get("b")), (None, Some("2")));
            assert!(cookies.is_duplicate("a") && !cookies.is_duplicate("b"));
            assert!(cookies.brings("a") && !cookies.brings("c"));
        }
    }

    /// What [`remove`] takes from these `Cookie` headers and leaves of them, for the name `a`.
    fn without_a(lines: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut headers = request(lines).headers().clone();
        let removed = remove(&mut headers, "a");
        let left = headers.get_all(header::COOKIE);
        (removed, left.map(|line| line.as_bytes().to_vec()).collect())
    }

    #[test]
    fn a_cookie_is_removed_and_the_others_stay_as_they_are() {
        for (sent, removed, left) in [
            (&[&b"b=1; c=2"[..]][..], &[][..], &[&b"b=1; c=2"[..]][..]),
            (&[b"a=1"], &["1"], &[]),
            (&[b"a=1; a=2;\ta=3 "], &["1", "2", "3"], &[]),
            (&[b"b=1; a=x=y; c=\xff;d"], &["x=y"], &[b"b=1; c=\xff;d"]),
            (&[b"b=1;a=", b"a=2", b"c=3"], &["", "2"], &[b"b=1", b"c=3"]),
            // Other names, and no cookie at all.
            (
                &[b"A=1; aa=2; a; x=a=1; %61=3"],
                &[],
                &[b"A=1; aa=2; a; x=a=1; %61=3"],
            ),
            (&[b" ;a=1; ;"], &["1"], &[]),
        ] {
            let removed: Vec<_> = removed
                .iter()
                .map(|text| text.as_bytes().to_vec())
                .collect();
            let left: Vec<_> = left.iter().map(|text| text.to_vec()).collect();
            assert_eq!(without_a(sent), (removed, left), "{sent:?}");
        }
    }

    #[actix_web::test]
    async fn the_page_names_the_cookie_and_removes_none() {
        let req = request(&[]);
        let answer = duplicate_page(&req, Site::Idp, SESSION);
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.headers().get(header::SET_COOKIE), None);
        let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        let todo = "delete every cookie with the name __Host-idp_session";
        assert!(html.contains(todo) && html.contains("Then sign in again."));
        let problem = serde_json::to_string(&duplicate_problem(SESSION)).unwrap();
        assert!(
            problem.contains(todo) && !problem.contains("sign in"),
            "{problem}"
        );
    }

    #[test]
    fn fuzz_cookies() {
        let seeds = [
            "__Host-idp_session=own; a=1;b=2",
            "a=1;\t__Host-idp_session=own ; =x; y",
            "a=1; a=2",
        ];
        fuzz::run(&seeds, |line| {
            let Ok(value) = HeaderValue::from_bytes(line) else {
                return;
            };
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, value);
            let cookies = Cookies::in_headers(&headers);
            for (name, value) in cookies.all() {
                assert!(!name.contains(['=', ';']) && !value.contains(';'));
                assert!(!name.starts_with([' ', '\t']) && !value.ends_with([' ', '\t']));
                assert!(cookies.brings(name));
                match cookies.get(name) {
                    Some(only) => assert!(only == value && !cookies.is_duplicate(name)),
                    None => assert!(cookies.is_duplicate(name)),
                }
            }
        });
    }

    #[test]
    fn fuzz_removed_cookies() {
        let seeds = ["a=1; b=2; a=3", "b=1;a=x=y ;c", "a=1;;b=\u{eb}"];
        fuzz::run(&seeds, |line| {
            let Ok(value) = HeaderValue::from_bytes(line) else {
                return;
            };
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, value);
            let before = headers.clone();
            let (sent, removed) = (Cookies::in_headers(&before), remove(&mut headers, "a"));
            let left = Cookies::in_headers(&headers);
            assert!(!left.brings("a"));
            assert_eq!(removed.is_empty(), !sent.brings("a"));
            let others = sent.0.into_iter().filter(|(name, _)| *name != b"a");
            assert!(others.eq(left.0), "the others stay, in their order");
        });
    }
}
