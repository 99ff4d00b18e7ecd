//! What a body is, by its `Content-Type`.

use actix_web::http::header::{self, HeaderMap};

/// Whether the body is a form (`application/x-www-form-urlencoded`).
pub fn is_form(headers: &HeaderMap) -> bool {
    is_of(headers, "application/x-www-form-urlencoded")
}

/// Whether the body is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    is_of(headers, "application/json")
}

fn is_of(headers: &HeaderMap, kind: &str) -> bool {
    let stated = headers.get(header::CONTENT_TYPE);
    let stated = stated.and_then(|value| value.to_str().ok());
    let essence = stated.and_then(|stated| stated.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(kind))
}
