//! CORS for the pages of public clients: only their origins, and without cookies.

use actix_cors::Cors;
use actix_web::http::{Method, header};

/// How long a browser may keep the answer to a preflight, in seconds.
const KEPT: usize = 600;

/// Lets scripts of `origins` send `GET` and `POST` with an access token or a
/// body, and read refusals. No other origin is allowed: the browser hides the response from its
/// script.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT])
        .allowed_header("dpop")
        .expose_headers(["www-authenticate", "dpop-nonce", "trace-id"])
        .block_on_origin_mismatch(false)
        .max_age(KEPT);
    // A page in a journey of the lab says so (`kit::journey::Pass`).
    let cors = if kit::journey::is_lab() {
        cors.allowed_headers(["traceparent", "tracestate"])
    } else {
        cors
    };
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App, HttpResponse,
        http::header::HeaderMap,
        test::{TestRequest, call_service, init_service},
        web,
    };

    use super::*;

    const OURS: &str = "http://spa.localhost:8086";

    async fn ask(method: Method, origin: &str) -> (u16, HeaderMap) {
        let resource = web::resource("/")
            .wrap(cors(&[OURS.to_owned()]))
            .route(web::get().to(HttpResponse::Unauthorized));
        let app = init_service(App::new().service(resource)).await;
        let mut request = TestRequest::default()
            .method(method.clone())
            .insert_header((header::ORIGIN, origin));
        if method == Method::OPTIONS {
            request = request
                .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"))
                .insert_header((
                    header::ACCESS_CONTROL_REQUEST_HEADERS,
                    "authorization, content-type",
                ));
        }
        let response = call_service(&app, request.to_request()).await;
        (response.status().as_u16(), response.headers().clone())
    }

    fn allowed(headers: &HeaderMap) -> Vec<&str> {
        let names = headers.keys().map(header::HeaderName::as_str);
        names
            .filter(|name| name.starts_with("access-control-allow-"))
            .collect()
    }

    #[actix_web::test]
    async fn an_origin_of_ours_is_answered_even_when_refused_and_gets_no_credentials() {
        for method in [Method::OPTIONS, Method::GET] {
            let (_, headers) = ask(method, OURS).await;
            assert_eq!(headers.get("access-control-allow-origin").unwrap(), OURS);
            assert!(!headers.contains_key("access-control-allow-credentials"));
        }
        let (status, headers) = ask(Method::GET, OURS).await;
        let exposed = headers.get("access-control-expose-headers").unwrap();
        assert_eq!(status, 401);
        assert!(exposed.to_str().unwrap().contains("www-authenticate"));
    }

    #[actix_web::test]
    async fn any_other_origin_is_allowed_nothing() {
        for origin in [
            "http://evil.localhost:8087",
            "http://spa.localhost:8087",
            "https://spa.localhost:8086",
            "http://xspa.localhost:8086",
            "null",
        ] {
            for method in [Method::OPTIONS, Method::GET] {
                let (_, headers) = ask(method, origin).await;
                assert_eq!(allowed(&headers), Vec::<&str>::new(), "{origin}");
            }
        }
    }
}
