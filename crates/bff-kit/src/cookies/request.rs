//! The cookies that a request brings, as they were sent: a decoded name would
//! let a sibling's `%5F%5FHost-…`, to which a browser applies no `__Host-`
//! rule, pass for ours. Nothing is copied: this is on the path of every call.

use std::borrow::Cow;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use memchr::memchr_iter;

use super::split;

/// The cookies of one request, in the order in which they came.
pub(crate) struct Cookies<'r>(Vec<(&'r str, &'r str)>);

impl<'r> Cookies<'r> {
    /// Of `req`. Each call reads the headers anew: pass it on.
    pub(crate) fn of(req: &'r HttpRequest) -> Self {
        Self::in_headers(req.headers())
    }

    /// Of a request with these headers.
    pub(crate) fn in_headers(headers: &'r HeaderMap) -> Self {
        let lines = headers.get_all(header::COOKIE);
        let pairs = lines.flat_map(|line| pairs(line.as_bytes()));
        // Whoever sets a cookie that is no text hides that one and no other.
        let texts = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
        Self(
            texts
                .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
                .collect(),
        )
    }

    /// Name and value of each.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'r str, &'r str)> {
        self.0.iter().copied()
    }

    /// The value of the cookie `name`. A `__Host-` cookie cannot be there
    /// twice; of another that is, somebody else set one: then it is none.
    pub(crate) fn get(&self, name: &str) -> Option<&'r str> {
        let mut own = self.all().filter(|(other, _)| *other == name);
        let (_, value) = own.next()?;
        own.next().is_none().then_some(value)
    }

    /// The whole of a value that may be split over several cookies.
    pub(crate) fn whole(&self, name: &str) -> Option<Cow<'r, str>> {
        split::join(self, name)
    }

    /// The names of the cookies that hold the value of `name`, as far as they are there.
    pub(crate) fn parts_of(&self, name: &'static str) -> impl Iterator<Item = &'r str> {
        self.all()
            .map(|(own, _)| own)
            .filter(move |own| split::is_part(own, name))
    }
}

/// What stands between semicolons. Access tokens are long: memchr looks at many
/// bytes at once.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr_iter(b';', line).chain([line.len()]);
    ends.scan(0, |begin, end| {
        let pair = &line[*begin..end];
        *begin = end + 1;
        Some(pair)
    })
}

/// How many bytes of cookies there are in `headers`.
pub(crate) fn bytes(headers: &HeaderMap) -> usize {
    let lines = headers.get_all(header::COOKIE);
    lines.map(header::HeaderValue::len).sum()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(line: &str) -> HttpRequest {
        TestRequest::default()
            .insert_header(("cookie", line))
            .to_http_request()
    }

    #[test]
    fn rfc6265bis_4_1_3_2_an_encoded_name_is_no_host_cookie() {
        let own = request("%5F%5FHost-session_id=planted; __Host-session_id=own");
        assert_eq!(Cookies::of(&own).get("__Host-session_id"), Some("own"));
        let planted = request("%5F%5FHost-session_id=planted");
        assert_eq!(Cookies::of(&planted).get("__Host-session_id"), None);
    }

    #[test]
    fn rfc6265_5_4_pairs_are_read_whatever_stands_between_them() {
        let req = request("a=1;b=2 ; c=x=y;d; =e");
        let all: Vec<_> = Cookies::of(&req).all().collect();
        assert_eq!(all, [("a", "1"), ("b", "2"), ("c", "x=y"), ("", "e")]);
        assert_eq!(bytes(req.headers()), 21);
    }

    #[test]
    fn a_cookie_that_is_no_text_hides_no_other() {
        let mut line = b"a=1; n=Zo\xeb; b=2; c=Zo".to_vec();
        line.extend("\u{eb}".bytes());
        let req = TestRequest::default()
            .insert_header((
                header::COOKIE,
                header::HeaderValue::from_bytes(&line).unwrap(),
            ))
            .to_http_request();
        let all: Vec<_> = Cookies::of(&req).all().collect();
        assert_eq!(all, [("a", "1"), ("b", "2"), ("c", "Zo\u{eb}")]);
    }

    #[test]
    fn a_name_that_is_there_twice_is_nobodys() {
        let req = request("a=1; b=2; a=3");
        assert_eq!(Cookies::of(&req).get("a"), None);
        assert_eq!(Cookies::of(&req).get("b"), Some("2"));
    }
}
