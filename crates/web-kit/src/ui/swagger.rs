//! Swagger UI inside the shell of all pages: its files, its style and its options. A
//! page loads [`STYLE`], [`style_sheet`], [`PROGRAM`], [`script`] and a script of
//! its own that calls `showSwagger`.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Bytes, ServiceConfig},
};
use utoipa_swagger_ui::Config;

use super::assets;

/// The address of Swagger UI's own style sheet.
pub const STYLE: &str = "/docs/ui/swagger-ui.css";
/// The address of Swagger UI itself.
pub const PROGRAM: &str = "/docs/ui/swagger-ui-bundle.js";

/// Swagger UI's files that a page loads. The rest of its distribution (another
/// page, an OAuth redirect) is not served.
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// The style sheet for it.
pub fn style_sheet() -> String {
    assets::shared_url("swagger.css")
}

/// The options for it.
pub fn script() -> String {
    assets::shared_url("swagger.js")
}

/// Serves `/docs/ui/…`.
pub fn files(cfg: &mut ServiceConfig) {
    let serve = async |name: web::Path<String>| file(&name);
    cfg.route("/docs/ui/{file}", web::get().to(serve));
}

/// The answer to `GET /docs/ui/{name}`.
pub fn file(name: &str) -> HttpResponse {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::default()));
    let served = FILES
        .contains(&name)
        .then(|| utoipa_swagger_ui::serve(name, CONFIG.clone()));
    let Some(Ok(Some(file))) = served else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("There is no such file.\n");
    };
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    response
        .content_type(file.content_type)
        // The address does not change with the content, so it is cached for an hour.
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        })
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, http::StatusCode};

    use super::*;

    #[actix_web::test]
    async fn swagger_uis_two_files_are_served_and_nothing_else() {
        for address in [STYLE, PROGRAM] {
            let response = file(address.rsplit('/').next().unwrap());
            assert_eq!(response.status(), StatusCode::OK, "{address}");
            let bytes = to_bytes(response.into_body()).await.unwrap();
            assert!(bytes.len() > 100_000, "{address}");
        }
        for name in [
            "",
            "index.html",
            "oauth2-redirect.html",
            "../Cargo.toml",
            "swagger-initializer.js",
        ] {
            assert_eq!(file(name).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }

    #[test]
    fn our_style_and_options_are_there() {
        for address in [style_sheet(), script()] {
            assert!(address.contains("?v="), "{address}");
        }
    }
}
