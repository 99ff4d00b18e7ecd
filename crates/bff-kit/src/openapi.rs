//! `GET /openapi.json`: what `/docs` shows.

use actix_web::{HttpResponse, http::header, web};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};

use crate::{
    backchannel_logout, cookies, events, logout, proxy, session_status, state::Bff, user_sessions,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "the app's name",
        description = "Every call goes through this app's backend: the browser sends its session cookie, and \
                       the backend replaces the cookie with an access token. Unsafe methods need the header X-CSRF: 1.",
        license(name = "Apache-2.0"),
    ),
    paths(
        session_status::session,
        logout::logout,
        user_sessions::list,
        user_sessions::end,
        backchannel_logout::backchannel_logout,
        events::events,
        proxy::api1::list,
        proxy::api1::place,
        proxy::api1::report,
        proxy::api1::whoami,
        proxy::api2::list,
        proxy::api2::reserve,
        proxy::api2::whoami,
    ),
    modifiers(&SessionCookie)
)]
struct Api;

/// The security scheme `session`, which the lock at `/docs` shows.
struct SessionCookie;

impl Modify for SessionCookie {
    fn modify(&self, document: &mut Document) {
        let cookie = ApiKeyValue::with_description(
            cookies::SESSION,
            "The session, made by signing in at /login.",
        );
        let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("session", scheme);
    }
}

/// The handler.
pub(crate) async fn openapi(bff: web::Data<Bff>) -> HttpResponse {
    let mut document = Api::openapi();
    bff.app.name.clone_into(&mut document.info.title);
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_route_is_described_behind_the_session() {
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let scheme = &document["components"]["securitySchemes"]["session"];
        assert_eq!(
            (&scheme["in"], &scheme["name"]),
            (&"cookie".into(), &cookies::SESSION.into())
        );
        for (path, method) in [
            ("/api1/data", "get"),
            ("/api1/data", "post"),
            ("/api1/report", "get"),
            ("/api1/whoami", "get"),
            ("/api2/whoami", "get"),
            ("/api2/data", "get"),
            ("/api2/data", "post"),
        ] {
            assert!(
                document["paths"][path][method]["security"][0]["session"].is_array(),
                "{method} {path}"
            );
        }
        assert!(document["paths"]["/session"]["get"].is_object());
    }
}
