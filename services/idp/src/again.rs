//! A POST that another site's page sends comes without our cookies: they are
//! `SameSite=Lax`. What only asks for a page can come again as a GET, and then
//! they come along. To answer the POST itself would be to answer a stranger: it
//! would lose the browser its sign-on, and end the forms that it has open.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};
use url::form_urlencoded;

use crate::{cookies, params::Params};

/// The longest address that a browser is sent to, in bytes.
const MAX_QUERY: usize = 8000;

/// Sends the browser to `path` again, by GET, where `req` is a POST that brought
/// none of our cookies.
pub fn as_get(req: &HttpRequest, path: &str, params: Params) -> Option<HttpResponse> {
    if *req.method() != Method::POST || cookies::any(req) {
        return None;
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params.into_pairs());
    let query = query.finish();
    if query.len() > MAX_QUERY {
        return None;
    }
    Some(
        HttpResponse::SeeOther()
            .insert_header((header::LOCATION, format!("{path}?{query}")))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .finish(),
    )
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn location(req: TestRequest, text: &str) -> Option<String> {
        let params = Params::parse(text).unwrap();
        let answer = as_get(&req.to_http_request(), "/logout", params)?;
        assert!(answer.headers().get("set-cookie").is_none());
        let location = answer.headers().get("location").unwrap();
        Some(location.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_post_without_our_cookies_comes_again_as_a_get() {
        let again = location(TestRequest::post(), "state=a%26b&client_id=app1");
        assert_eq!(again.as_deref(), Some("/logout?state=a%26b&client_id=app1"));
        assert_eq!(location(TestRequest::get(), "state=a"), None);
        for name in [cookies::SESSION, cookies::BROWSER] {
            let own = TestRequest::post().insert_header(("cookie", format!("{name}=x")));
            assert_eq!(location(own, "state=a"), None, "{name}");
        }
        let long = format!("state={}", "x".repeat(MAX_QUERY));
        assert_eq!(location(TestRequest::post(), &long), None);
    }
}
