//! The apps' own scripts and style sheets, and Swagger UI's.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::header,
    web::{Bytes, ServiceConfig},
};
use utoipa_swagger_ui::Config;
use web_kit::look::{
    self,
    rust_embed::{self, RustEmbed},
};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Own;

/// Serves `/assets/…`: what all pages share, and the apps' own.
pub(crate) fn assets(cfg: &mut ServiceConfig) {
    look::assets_and(cfg, Own::get);
}

pub(super) fn url(name: &str) -> String {
    look::asset_url(Own::get, name)
}

/// Swagger UI's files that the page at `/docs` loads. The rest of its
/// distribution (another page, an OAuth redirect) stays inside.
const SWAGGER_UI: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// The answer to `GET /docs/ui/{path}`.
pub(crate) fn docs_asset(path: &str) -> HttpResponse {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::default()));
    let known = SWAGGER_UI.contains(&path);
    let file = known
        .then(|| {
            utoipa_swagger_ui::serve(path, CONFIG.clone())
                .ok()
                .flatten()
        })
        .flatten();
    let Some(file) = file else {
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
        // Its address does not change with its content: an hour is a class's length.
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(match file.bytes {
            std::borrow::Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        })
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        body::to_bytes,
        http::StatusCode,
        test::{TestRequest, call_service, init_service},
    };

    use super::*;

    #[actix_web::test]
    async fn the_apps_files_and_the_shared_ones_are_served() {
        let app = init_service(App::new().configure(assets)).await;
        for path in [
            url("app.js"),
            url("docs.js"),
            url("app.css"),
            url("docs.css"),
            "/assets/look.css".into(),
        ] {
            let response = call_service(&app, TestRequest::get().uri(&path).to_request()).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let immutable = response
                .headers()
                .get("cache-control")
                .unwrap()
                .to_str()
                .unwrap()
                .contains("immutable");
            assert_eq!(immutable, path.contains("?v="), "{path}");
        }
    }

    #[actix_web::test]
    async fn swagger_uis_two_files_are_served_and_nothing_else() {
        for name in SWAGGER_UI {
            let response = docs_asset(name);
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            assert!(
                to_bytes(response.into_body()).await.unwrap().len() > 100_000,
                "{name}"
            );
        }
        for name in [
            "",
            "index.html",
            "oauth2-redirect.html",
            "../Cargo.toml",
            "swagger-initializer.js",
        ] {
            assert_eq!(docs_asset(name).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }

    #[test]
    fn no_script_writes_html_or_runs_text() {
        for name in ["app.js", "docs.js"] {
            let file = Own::get(name).unwrap();
            let script = String::from_utf8(file.data.to_vec()).unwrap();
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
            ] {
                assert!(!script.contains(way), "{name}: {way}");
            }
            assert!(script.contains("X-CSRF"), "{name}");
        }
    }
}
