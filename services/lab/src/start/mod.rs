//! The start page: the services, the users, and the first steps.

mod page;

use std::sync::Arc;

use actix_web::{
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use kit::{Deps, config::Problems, listeners::Listeners, running::Running};
use page::StartPage;
use web_kit::ui::{self, Site};

use crate::{
    Config,
    attacks::{self, AttackContext, Attacks},
    failures::{self, Failures},
    inspector,
    journey::{self, LiveDiagram},
    scenarios::{self, Scenarios},
};

/// The site's name in traces and metrics.
pub const SERVICE: &str = "lab";

/// Starts the site.
pub fn build(config: &Config, listeners: Listeners, deps: Deps) -> Result<Running, Problems> {
    let routes = site_of(config, &deps);
    crate::serve(SERVICE, config, listeners, deps, routes)
}

/// The routes of the site.
pub(crate) fn site_of(
    config: &Config,
    deps: &Deps,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
    let page = Data::new(StartPage::new(config));
    let live = LiveDiagram::start(config, deps);
    let failures = Failures::new(config, &deps.clock);
    let programs = AttackContext::new(config, deps).map(Data::new);
    let live = live.zip(programs).zip(failures);
    let live = live.map(|((diagram, programs), failures)| Live {
        diagram: Data::from(diagram),
        course: Scenarios::new(config),
        attacks: Attacks::new(config),
        programs,
        failures,
    });
    move |cfg| routes(cfg, page.clone(), live.clone())
}

/// What there is only with the live diagram.
#[derive(Clone)]
struct Live {
    diagram: Data<LiveDiagram>,
    course: Data<Scenarios>,
    attacks: Data<Attacks>,
    programs: Data<AttackContext>,
    failures: Arc<Failures>,
}

fn routes(cfg: &mut ServiceConfig, page: Data<StartPage>, live: Option<Live>) {
    let pages = web::scope("")
        .app_data(page)
        .service(web::resource("/").route(web::get().to(page::show)));
    cfg.configure(page::assets);
    let Some(live) = live else {
        cfg.service(pages.wrap(from_fn(|req, next| ui::error_pages(Site::Lab, req, next))));
        return;
    };
    let (diagram, failures) = (live.diagram.clone(), Arc::clone(&live.failures));
    let noticed = Arc::clone(&failures);
    ui::announce_and_watch(move || noticed.notices());
    journey::calls(cfg, &live.diagram);
    scenarios::calls(cfg, live.diagram.clone());
    attacks::calls(cfg, live.programs.clone(), live.diagram.clone());
    failures::calls(cfg, Arc::clone(&live.failures));
    let pages = pages
        .configure(|cfg| scenarios::pages(cfg, live.course))
        .configure(|cfg| attacks::pages(cfg, live.attacks, live.programs))
        .configure(|cfg| journey::pages(cfg, live.diagram))
        .configure(|cfg| inspector::pages(cfg, Arc::clone(&live.failures)))
        .configure(|cfg| failures::pages(cfg, live.failures))
        .wrap(from_fn(|req, next| ui::error_pages(Site::Lab, req, next)))
        // Around the pages of errors, too.
        .wrap(from_fn(move |req, next| {
            attacks::saying_what_is_off(diagram.clone(), req, next)
        }))
        .wrap(from_fn(move |req, next| {
            failures::refreshed(Arc::clone(&failures), req, next)
        }));
    cfg.service(pages);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::served::{ask, config, every_file_is_served, nothing_is_inline};
    use actix_web::http::Method;

    fn site() -> impl Fn(&mut ServiceConfig) + Clone {
        let page = Data::new(StartPage::new(&config()));
        move |cfg| routes(cfg, page.clone(), None)
    }

    #[actix_web::test]
    async fn the_page_and_each_file_it_names_are_served() {
        every_file_is_served(site(), "/").await;
        nothing_is_inline(&ask(site(), Method::GET, "/").await);
    }

    #[actix_web::test]
    async fn what_is_not_there_is_a_page_too() {
        for (method, path, status) in [(Method::GET, "/nothing", 404), (Method::POST, "/", 405)] {
            let answer = ask(site(), method, path).await;
            assert_eq!(answer.status, status);
            assert!(answer.body.contains("<h1>") && answer.body.contains("of-lab"));
        }
    }
}
