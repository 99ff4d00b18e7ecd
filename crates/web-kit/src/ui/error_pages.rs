//! Error pages for browsers: never a blank page, and never JSON for a person who asked for
//! a page.

use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError as _, Route,
    body::{BoxBody, EitherBody, MessageBody, to_bytes_limited},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use serde::Deserialize;

use super::{Message, Site};
use crate::{problem::Problem, trace};

/// The maximum number of bytes of an error's body that are read to find its sentence.
const MAX_PROBLEM: usize = 16 * 1024;

/// The headers that stay when the body becomes a page.
const KEPT: [HeaderName; 4] = [
    header::ALLOW,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
];

/// The answer to addresses that no route serves: `cfg.default_service(fallback(site))`.
pub fn fallback(site: Site) -> Route {
    web::to(move |request: HttpRequest| async move { not_found(site, &request) })
}

fn not_found(site: Site, request: &HttpRequest) -> HttpResponse {
    if wants_page(request.headers()) {
        of_status(site, StatusCode::NOT_FOUND, None, trace::id_of(request))
    } else {
        Problem::not_found().error_response()
    }
}

/// Turns each error of the routes it surrounds into a page, for requests that
/// accept `text/html`. Do not wrap routes that only scripts and services call.
///
/// `scope.wrap(from_fn(move |req, next| error_pages(site, req, next)))`
pub async fn error_pages<B: MessageBody + 'static>(
    site: Site,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    error_pages_around(site, req, |req| next.call(req)).await
}

/// The same for the response of `answering`, inside another middleware.
pub async fn error_pages_around<B: MessageBody + 'static>(
    site: Site,
    req: ServiceRequest,
    answering: impl AsyncFnOnce(ServiceRequest) -> Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let wanted = wants_page(req.headers());
    // A handler's error is an answer by now; a clone of the request, to answer
    // for inner middleware, would take actix its unique hold on it.
    let answered = answering(req).await?.map_into_left_body();
    if !wanted || !is_error(answered.status()) || is_page(answered.headers()) {
        return Ok(answered);
    }
    Ok(as_page(site, answered).await)
}

async fn as_page<B: MessageBody + 'static>(
    site: Site,
    answered: ServiceResponse<EitherBody<B, BoxBody>>,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let (request, response) = answered.into_parts();
    let (status, headers) = (response.status(), response.headers().clone());
    let said = match to_bytes_limited(response.into_body(), MAX_PROBLEM).await {
        Ok(Ok(body)) if is_problem(&headers) => serde_json::from_slice(&body).ok(),
        _ => None,
    };
    let mut page = of_status(site, status, said, trace::id_of(&request));
    for name in KEPT {
        for value in headers.get_all(&name) {
            page.headers_mut().append(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(request, page.map_into_right_body())
}

/// The texts of a problem document (RFC 9457).
#[derive(Deserialize)]
struct ProblemText {
    title: String,
    detail: Option<String>,
}

fn of_status(
    site: Site,
    status: StatusCode,
    problem: Option<ProblemText>,
    trace_id: String,
) -> HttpResponse {
    let (title, what_happened, what_to_do) = in_words(status);
    let (title, what_happened) = match problem {
        Some(ProblemText { title, detail }) => {
            (title, detail.unwrap_or_else(|| what_happened.to_owned()))
        }
        None => (title.to_owned(), what_happened.to_owned()),
    };
    let mut message = Message::new(title, what_happened)
        .what_to_do(what_to_do)
        .way("To the home page", "/");
    if !trace_id.is_empty() {
        message = message.trace_id(trace_id);
    }
    message.respond(site, status)
}

fn in_words(status: StatusCode) -> (&'static str, &'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "Not signed in",
            "This page needs a session, and this browser has none.",
            "Sign in first.",
        ),
        StatusCode::FORBIDDEN => (
            "Not allowed",
            "The service refused this request.",
            "Go to the home page and try again from there.",
        ),
        StatusCode::NOT_FOUND => (
            "Page not found",
            "There is no page at this address.",
            "Check the address for a typing mistake.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "Method not allowed",
            "This address does not accept the method of the request.",
            "The address of a form cannot be opened as a page. Start from the home page.",
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            "Too many attempts",
            "There were too many attempts in a short time.",
            "Wait a moment, then try again.",
        ),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            (
                "Temporarily unavailable",
                "A service that this page needs does not answer.",
                "Try again in a few seconds.",
            )
        }
        _ if status.is_server_error() => (
            "Internal error",
            "The service could not produce this page.",
            "Try again. The trace id below finds the cause in the logs and traces.",
        ),
        _ => (
            "Invalid request",
            "The service could not read this request.",
            "Go to the home page and try again from there.",
        ),
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Whether the request accepts a page.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).any(|range| {
        range
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
    })
}

/// Whether a person's browser opens a page, in the whole window (Fetch Metadata §2). A
/// browser that sends no such headers says in `Accept` that it wants a page.
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match (value("sec-fetch-mode"), value("sec-fetch-dest")) {
        (None, None) => wants_page(headers),
        sent => sent == (Some(b"navigate"), Some(b"document")),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn is_page(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("text/html")
}

fn is_problem(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("application/problem+json")
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        middleware::from_fn,
        test::{TestRequest, call_service, init_service, read_body},
    };

    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    async fn away() -> Result<HttpResponse, Problem> {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Store away")
            .detail("No <store>.")
            .retry_after(7))
    }

    async fn ask(path: &str, accept: &str) -> (StatusCode, HeaderMap, String) {
        let pages = web::scope("/pages")
            .wrap(from_fn(|req, next| error_pages(Site::Idp, req, next)))
            .service(web::resource("/away").route(web::get().to(away)))
            .service(web::resource("/post").route(web::post().to(HttpResponse::Ok)))
            .service(
                web::resource("/empty").route(web::get().to(HttpResponse::InternalServerError)),
            );
        let app = App::new()
            .service(pages)
            .default_service(fallback(Site::Idp));
        let app = init_service(app).await;
        let request = TestRequest::get()
            .uri(path)
            .insert_header((header::ACCEPT, accept));
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        (
            status,
            headers,
            String::from_utf8(read_body(response).await.to_vec()).unwrap(),
        )
    }

    #[actix_web::test]
    async fn a_browser_gets_a_page_for_every_error() {
        for (path, status) in [
            ("/none", 404),
            ("/pages/none", 404),
            ("/pages/post", 405),
            ("/pages/empty", 500),
            ("/pages/away", 503),
        ] {
            let (got, headers, body) = ask(path, BROWSER).await;
            assert_eq!(got.as_u16(), status, "{path}");
            assert!(is_page(&headers) && body.contains("<h1>"), "{path}");
            assert_eq!(headers.get("cache-control").unwrap(), "no-store", "{path}");
        }
    }

    #[actix_web::test]
    async fn a_problems_sentence_and_headers_survive_and_are_escaped() {
        let (_, headers, body) = ask("/pages/away", BROWSER).await;
        assert_eq!(headers.get("retry-after").unwrap(), "7");
        assert!(
            body.contains("Store away") && body.contains("No &#60;store&#62;."),
            "{body}"
        );
    }

    #[actix_web::test]
    async fn who_does_not_ask_for_a_page_gets_the_problem_itself() {
        for accept in ["application/json", "*/*"] {
            let (_, headers, body) = ask("/pages/away", accept).await;
            assert!(
                is_problem(&headers) && body.contains("\"status\":503"),
                "{accept}"
            );
            let (status, headers, _) = ask("/none", accept).await;
            assert!(
                status == StatusCode::NOT_FOUND && is_problem(&headers),
                "{accept}"
            );
        }
    }
}
