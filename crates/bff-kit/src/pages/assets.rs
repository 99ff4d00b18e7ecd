//! The apps' own scripts and style sheets.

use actix_web::web::ServiceConfig;
use web_kit::ui::{
    self,
    rust_embed::{self, RustEmbed},
};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Own;

/// Serves `/assets/…`: what all pages share, and the apps' own.
pub(crate) fn assets(cfg: &mut ServiceConfig) {
    ui::assets_and(cfg, Own::get);
}

pub(super) fn url(name: &str) -> String {
    ui::asset_url(Own::get, name)
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::StatusCode,
        test::{TestRequest, call_service, init_service},
    };

    use super::*;

    #[actix_web::test]
    async fn the_apps_files_and_the_shared_ones_are_served() {
        let app = init_service(App::new().configure(assets)).await;
        let own = Own::iter().map(|name| url(&name));
        for path in own.chain(["/assets/look.css".to_owned()]) {
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

    #[test]
    fn no_script_writes_html_or_runs_text() {
        for name in Own::iter().filter(|name| name.ends_with(".js")) {
            let file = Own::get(&name).unwrap();
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
            let asks = ["request.js", "docs.js"].contains(&&*name);
            assert!(asks || !script.contains("fetch("), "{name}");
            assert!(!asks || script.contains("X-CSRF"), "{name}");
        }
    }
}
