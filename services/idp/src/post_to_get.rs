//! Repeats a cross-site POST as a GET. A browser sends no `SameSite=Lax` cookies with a
//! POST from another site, but sends them with a redirect by GET. Without the cookies
//! the provider would not recognise the session: the user would have to sign in again,
//! and the new cookies would invalidate the forms that the browser has open.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};
use oauth_types::Params;
use url::form_urlencoded;

use crate::cookies;

/// The most bytes of the query that a browser is redirected to.
const MAX_QUERY: usize = 8000;

/// Redirects to `path` by GET, if `req` is a POST without cookies of the provider.
pub fn redirect(req: &HttpRequest, path: &str, params: Params) -> Option<HttpResponse> {
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
        let params = Params::parse(text.as_bytes(), crate::forms::LIMITS).unwrap();
        let answer = redirect(&req.to_http_request(), "/logout", params)?;
        assert!(answer.headers().get("set-cookie").is_none());
        let location = answer.headers().get("location").unwrap();
        Some(location.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_post_without_cookies_is_repeated_as_a_get() {
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
