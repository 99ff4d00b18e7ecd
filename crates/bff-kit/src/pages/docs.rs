//! The page at `/docs`: Swagger UI.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use web_kit::ui::{Csp, Site, page, swagger};

/// Swagger UI inside the app's shell. It reads `/openapi.json`, whose cookie
/// security scheme has to be called `session` for the lock to show it.
#[derive(Clone, Debug, Template)]
#[template(path = "docs.html")]
pub(crate) struct DocsPage {
    /// The app, such as `app1`.
    pub app_name: String,
    /// Its colour.
    pub site: Site,
    /// Whether the request came with a live session.
    pub signed_in: bool,
}

impl DocsPage {
    /// The page.
    pub(crate) fn respond(&self) -> HttpResponse {
        page(self.site, "API", StatusCode::OK, self, &Csp::strict())
    }

    fn style_sheet() -> String {
        super::assets::url("docs.css")
    }

    fn script() -> String {
        super::assets::url("docs.js")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rendered::page, *};

    #[actix_web::test]
    async fn the_script_learns_from_the_page_whether_the_session_lives() {
        for signed_in in [true, false] {
            let docs = DocsPage {
                app_name: "app1".into(),
                site: Site::App1,
                signed_in,
            };
            let (html, policy) = page(docs.respond()).await;
            assert!(html.contains(&format!("data-signed-in=\"{signed_in}\"")));
            assert_eq!(html.contains("/login?return_to=/docs"), !signed_in);
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }
}
