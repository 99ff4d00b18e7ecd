//! CORS for the pages of public clients: only their origins, and without cookies.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::ready,
    rc::Rc,
};

use actix_cors::Cors;
use actix_web::{
    Error, HttpResponse,
    body::BoxBody,
    dev::{Service as _, ServiceRequest, ServiceResponse, Transform as _, fn_service},
    http::{Method, header},
};
use kit::lab_control::FAILURES;

/// How long a browser may keep the answer to a preflight, in seconds.
const KEPT: usize = 600;

thread_local! {
    /// The origins whose scripts may call each path of the service of this worker. Known in a
    /// lab alone.
    static SHARED: RefCell<HashMap<String, Vec<String>>> = RefCell::default();
}

/// What [`to_origins`] does, for the route of `path`.
pub fn cors(path: &str, origins: &[String]) -> Cors {
    if kit::journey::is_lab() {
        share(path, origins);
    }
    to_origins(origins)
}

fn share(path: &str, origins: &[String]) {
    SHARED.with_borrow_mut(|shared| shared.insert(path.to_owned(), origins.to_vec()));
}

/// `response` to `req`, which no route answers, with the headers that the answer of its route
/// would have, and a preflight as the route answers it: so the calling script can read the reason.
pub(crate) async fn instead(
    req: ServiceRequest,
    response: HttpResponse,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let origins = SHARED.with_borrow(|shared| shared.get(req.path()).cloned());
    let Some(origins) = origins else {
        return Ok(req.into_response(response));
    };
    let response = Rc::new(Cell::new(Some(response)));
    let answer = fn_service(move |req: ServiceRequest| {
        let response = response.take();
        let response = response.unwrap_or_else(|| HttpResponse::ServiceUnavailable().finish());
        ready(Ok::<_, Error>(req.into_response(response)))
    });
    let made = to_origins(&origins).new_transform(answer).await;
    let around = made.map_err(|()| actix_web::error::ErrorInternalServerError("CORS"))?;
    Ok(around.call(req).await?.map_into_boxed_body())
}

/// Lets scripts of `origins` send `GET` and `POST` with an access token or a
/// body, and read refusals. No other origin is allowed: the browser hides the response from its
/// script.
fn to_origins(origins: &[String]) -> Cors {
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
            .expose_headers([FAILURES])
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
            .wrap(cors("/", &[OURS.to_owned()]))
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

    /// The answer to `method` from `origin` while the service is switched off.
    async fn instead_of(path: &str, method: Method, origin: &str) -> (u16, HeaderMap) {
        share("/token", &[OURS.to_owned()]);
        let mut request = TestRequest::with_uri(path)
            .method(method.clone())
            .insert_header((header::ORIGIN, origin));
        if method == Method::OPTIONS {
            request = request.insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"));
        }
        let down = HttpResponse::ServiceUnavailable().finish();
        let answer = instead(request.to_srv_request(), down).await.unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    }

    #[actix_web::test]
    async fn an_answer_in_place_of_the_routes_has_its_headers() {
        let (status, headers) = instead_of("/token", Method::POST, OURS).await;
        assert_eq!(status, 503);
        assert_eq!(headers.get("access-control-allow-origin").unwrap(), OURS);
        assert!(headers.contains_key("access-control-expose-headers"));
        let (status, headers) = instead_of("/token", Method::OPTIONS, OURS).await;
        assert_eq!(status, 200, "the browser then sends the request itself");
        assert!(headers.contains_key("access-control-allow-methods"));
        let evil = "http://evil.localhost:8087";
        for (path, origin) in [("/token", evil), ("/sign-in", OURS)] {
            let (status, headers) = instead_of(path, Method::POST, origin).await;
            assert_eq!(status, 503, "{path}");
            assert_eq!(allowed(&headers), Vec::<&str>::new(), "{path} {origin}");
        }
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
