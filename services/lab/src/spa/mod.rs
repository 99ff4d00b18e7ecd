//! The single-page app: a public client (RFC 6749 §2.1) that signs in with code and PKCE
//! and keeps its tokens in the page. It runs in the browser; this module serves its files.

mod failures;
mod journey;
mod page;

use std::sync::Arc;

use actix_web::{
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
pub(crate) use journey::MAX_REPORT;
use journey::PageJourneys;
use kit::{Deps, config::Problems, listeners::Listeners, running::Running};
pub(crate) use page::CLIENT_ID;
use page::SpaPages;
use web_kit::ui::{self, Site};

use crate::{Config, failures::Failures};

/// The site's name in traces and metrics.
pub const SERVICE: &str = "spa";

/// The path of the redirect URI.
const CALLBACK: &str = "/callback";

/// Starts the site.
pub fn build(config: &Config, listeners: Listeners, deps: Deps) -> Result<Running, Problems> {
    let page = Data::new(SpaPages::new(config));
    let journeys = config.journeys.clone().map(|keys| {
        Data::new(PageJourneys {
            keys,
            clock: deps.clock.clone(),
            random: deps.random.clone(),
        })
    });
    let failures = Failures::new(config, &deps.clock);
    crate::serve(SERVICE, config, listeners, deps, move |cfg| {
        if let Some(failures) = &failures {
            failures::routes(cfg, Arc::clone(failures));
        }
        if let Some(journeys) = &journeys {
            journey::routes(cfg, journeys);
        }
        routes(cfg, page.clone());
    })
}

fn routes(cfg: &mut ServiceConfig, page: Data<SpaPages>) {
    let pages = web::scope("")
        .app_data(page)
        .wrap(from_fn(|req, next| ui::error_pages(Site::Spa, req, next)))
        .service(web::resource("/").route(web::get().to(page::show)))
        .service(web::resource(CALLBACK).route(web::get().to(page::show)));
    cfg.configure(page::assets).service(pages);
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;

    use super::*;
    use crate::served::{ask, config, every_file_is_served, nothing_is_inline};

    fn site() -> impl Fn(&mut ServiceConfig) + Clone {
        let page = Data::new(SpaPages::new(&config()));
        move |cfg| routes(cfg, page.clone())
    }

    #[actix_web::test]
    async fn the_page_and_each_file_it_names_are_served() {
        every_file_is_served(site(), "/").await;
        let library = ask(site(), Method::GET, "/assets/oauth4webapi.js").await;
        assert_eq!(library.status, 200);
        assert_eq!(
            library.header("content-type"),
            "text/javascript; charset=utf-8"
        );
    }

    #[actix_web::test]
    async fn its_scripts_may_call_the_provider_and_the_api_alone() {
        for path in ["/", "/callback?code=c&state=s"] {
            let page = ask(site(), Method::GET, path).await;
            nothing_is_inline(&page);
            assert!(page.header("content-security-policy").contains(
                "connect-src 'self' http://idp.localhost:8081 http://api1.localhost:8084;"
            ));
        }
    }

    #[actix_web::test]
    async fn what_a_callback_brings_is_not_in_the_page() {
        let page = ask(site(), Method::GET, "/callback?code=secret-code&state=s").await;
        assert!(!page.body.contains("secret-code"));
    }

    #[actix_web::test]
    async fn what_is_not_there_is_a_page_too() {
        let answer = ask(site(), Method::GET, "/nothing").await;
        assert_eq!(answer.status, 404);
        assert!(answer.body.contains("<h1>") && answer.body.contains("of-spa"));
    }
}
