//! Two pages: Swagger UI, and the target of the provider's redirect.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, ServiceConfig},
};
use askama::Template;
use web_kit::ui::{
    self, Csp, Site,
    rust_embed::{self, RustEmbed},
    swagger,
};

use super::{Docs, REDIRECT};

/// The client at the provider: public, with PKCE.
const CLIENT_ID: &str = "api1_docs";

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Own;

/// Serves `/assets/…`.
pub(super) fn assets(cfg: &mut ServiceConfig) {
    ui::assets_and(cfg, Own::get);
}

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage<'a> {
    issuer: &'a str,
}

impl DocsPage<'_> {
    fn file(name: &str) -> String {
        ui::asset_url(Own::get, name)
    }
}

#[derive(Template)]
#[template(path = "redirect.html")]
struct RedirectPage;

impl RedirectPage {
    fn script() -> String {
        ui::asset_url(Own::get, "redirect.js")
    }
}

/// `GET /docs`.
pub(super) async fn docs(docs: Data<Docs>) -> HttpResponse {
    let page = DocsPage {
        issuer: &docs.issuer,
    };
    let csp = Csp::strict().connect_src(&docs.issuer);
    ui::page(Site::Api1, "API", StatusCode::OK, &page, &csp)
}

/// `GET /docs/oauth2-redirect.html`: passes the authorization response to the
/// waiting page.
pub(super) async fn redirect() -> HttpResponse {
    let title = "Back from the provider";
    ui::page(
        Site::Api1,
        title,
        StatusCode::OK,
        &RedirectPage,
        &Csp::strict(),
    )
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::header::CONTENT_SECURITY_POLICY,
        test::{TestRequest, call_service, init_service, read_body},
    };

    use super::*;
    use crate::docs::routes;

    async fn ask(path: &str) -> (u16, String, String) {
        let docs = Data::new(Docs::new("http://idp.localhost:8081"));
        let app = init_service(App::new().app_data(docs).configure(routes)).await;
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        let policy = response.headers().get(CONTENT_SECURITY_POLICY);
        let policy = policy.map(|policy| policy.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = String::from_utf8_lossy(&read_body(response).await).into_owned();
        (status, policy.unwrap_or_default(), body)
    }

    #[actix_web::test]
    async fn the_pages_and_their_files_are_served_and_nothing_is_inline() {
        for path in ["/docs", REDIRECT] {
            let (status, policy, html) = ask(path).await;
            assert_eq!(status, 200, "{path}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert!(!html.contains("style=") && !html.contains("<style"));
            for file in html.split('"').filter(|part| part.contains("?v=")) {
                assert_eq!(ask(file).await.0, 200, "{file}");
            }
        }
        assert_eq!(ask("/openapi.json").await.0, 200);
    }

    #[actix_web::test]
    async fn the_pages_script_may_call_the_provider_too() {
        let (_, policy, _) = ask("/docs").await;
        assert!(policy.contains("connect-src 'self' http://idp.localhost:8081;"));
    }

    #[actix_web::test]
    async fn what_the_provider_sends_back_is_not_in_the_page() {
        let (_, _, html) = ask(&format!("{REDIRECT}?code=secret-code&state=s")).await;
        assert!(!html.contains("secret-code"));
    }

    #[test]
    fn no_script_writes_html_runs_text_or_keeps_anything() {
        for name in ["docs.js", "redirect.js"] {
            let file = Own::get(name).unwrap();
            let script = String::from_utf8(file.data.to_vec()).unwrap();
            for way in [
                "innerHTML",
                "document.write",
                "eval(",
                "new Function",
                "localStorage",
                "sessionStorage",
                "document.cookie",
            ] {
                assert!(!script.contains(way), "{name}: {way}");
            }
        }
    }
}
