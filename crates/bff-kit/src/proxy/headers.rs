//! The headers that are passed on between browser and API. Both allow-lists contain
//! neither cookies nor `Authorization` nor hop-by-hop headers.

use actix_web::{HttpRequest, HttpResponseBuilder, http::header as browser};
use http::{HeaderMap, HeaderName, HeaderValue, header as api};
use kit::telemetry::propagation;

/// A header's name for actix-web and for hyper, which use different versions of `http`.
type NamePair = (browser::HeaderName, HeaderName);

const TO_API: [NamePair; 3] = [
    (browser::ACCEPT, api::ACCEPT),
    (browser::ACCEPT_LANGUAGE, api::ACCEPT_LANGUAGE),
    (browser::CONTENT_TYPE, api::CONTENT_TYPE),
];
const TO_BROWSER: [NamePair; 3] = [
    (browser::CONTENT_TYPE, api::CONTENT_TYPE),
    (browser::CONTENT_LANGUAGE, api::CONTENT_LANGUAGE),
    (browser::RETRY_AFTER, api::RETRY_AFTER),
];
const NO_STORE: browser::HeaderValue = browser::HeaderValue::from_static("no-store");
/// Room for all headers of a call, so that the map never grows.
const CAPACITY: usize = 8;

/// The headers of a call on behalf of `req`, without its credential.
pub(super) fn to_api(req: &HttpRequest) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(CAPACITY);
    for (theirs, name) in TO_API {
        let sent = req.headers().get(theirs);
        // By way of bytes, because the two crates have different types.
        let value = sent.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    propagation::inject(&mut headers);
    headers
}

/// Passes an API's headers on to the browser. No cache may store the answer.
pub(super) fn to_browser(headers: &HeaderMap, answer: &mut HttpResponseBuilder) {
    for (theirs, name) in TO_BROWSER {
        let sent = headers.get(name);
        let value = sent.and_then(|value| browser::HeaderValue::from_bytes(value.as_bytes()).ok());
        if let Some(value) = value {
            answer.insert_header((theirs, value));
        }
    }
    answer.insert_header((browser::CACHE_CONTROL, NO_STORE));
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpResponse, test::TestRequest};

    use super::*;

    #[test]
    fn cookies_authorization_and_hop_by_hop_headers_never_reach_an_api() {
        let sent = [
            ("cookie", "__Host-session_id=x"),
            ("authorization", "Bearer x"),
            ("connection", "x-a"),
            ("x-a", "b"),
            ("transfer-encoding", "chunked"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-csrf", "1"),
            ("host", "app1.localhost"),
            ("origin", "http://app1.localhost:8082"),
            ("accept", "application/json"),
            ("content-type", "application/json"),
        ];
        let request = sent
            .iter()
            .fold(TestRequest::default(), |req, pair| req.insert_header(*pair));
        let headers = to_api(&request.to_http_request());
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["accept", "content-type"]);
    }

    #[test]
    fn an_apis_own_cookies_and_challenges_stay_here() {
        let mut headers = HeaderMap::new();
        for name in [
            "set-cookie",
            "www-authenticate",
            "server",
            "connection",
            "location",
            "trace-id",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        headers.insert(
            api::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(api::CACHE_CONTROL, HeaderValue::from_static("public"));
        let mut builder = HttpResponse::Ok();
        to_browser(&headers, &mut builder);
        let answer = builder.finish();
        let mut names: Vec<_> = answer.headers().keys().map(ToString::to_string).collect();
        names.sort();
        assert_eq!(names, ["cache-control", "content-type"]);
        assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
    }
}
