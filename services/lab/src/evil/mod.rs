//! The attacker's site. It knows the public addresses of the other sites and, to show
//! them, the defences that are switched off.

mod assets;
mod attack;
mod issuer;
mod page;
mod payload;

use actix_web::{
    HttpRequest,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
pub use issuer::Traps;
pub(crate) use issuer::trace;
use kit::{
    Deps,
    config::{Problems, Weakness},
    listeners::Listeners,
    running::Running,
};
use page::PageData;
use web_kit::ui::{self, Site};

use crate::Config;

/// The site's name in traces and metrics.
pub const SERVICE: &str = "evil";

/// Starts the site.
pub fn build(config: &Config, listeners: Listeners, deps: Deps) -> Result<Running, Problems> {
    let data = Data::new(PageData {
        addresses: config.addresses.clone(),
        weaknesses: config.weaknesses,
        diagram_url: (config.journeys.as_ref()).map(|_| config.addresses.url(Site::Lab)),
    });
    let (addresses, traps) = (config.addresses.clone(), config.traps.clone());
    let is_lab = config.journeys.is_some();
    crate::serve(SERVICE, config, listeners, deps, move |cfg| {
        if is_lab {
            issuer::routes(cfg, &addresses, traps.clone());
        }
        routes(cfg, data.clone());
    })
}

/// The defences without which the attack of the page `slug` succeeds.
pub(crate) fn needs(slug: &str) -> &'static [Weakness] {
    let found = attack::ALL.iter().find(|attack| attack.slug == slug);
    found.map_or(&[], |attack| attack.needs)
}

/// The pages at the lab to which the attacker's pages lead.
#[cfg(test)]
pub(crate) fn pages_at_lab() -> impl Iterator<Item = &'static str> {
    attack::ALL.iter().filter_map(|attack| attack.at_lab)
}

pub(crate) use payload::link_to_spa;

fn routes(cfg: &mut ServiceConfig, data: Data<PageData>) {
    let mut pages = web::scope("")
        .app_data(data)
        .wrap(from_fn(|req, next| ui::error_pages(Site::Evil, req, next)))
        .service(web::resource("/").route(web::get().to(page::start)))
        .service(web::resource(payload::LANDED).route(web::get().to(page::landed)));
    for attack in &attack::ALL {
        let show =
            async move |data: Data<PageData>, req: HttpRequest| page::attack(attack, &data, &req);
        pages = pages.service(web::resource(attack.slug).route(web::get().to(show)));
    }
    cfg.configure(assets::serve).service(pages);
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use kit::config::{Addresses, Weaknesses};

    use super::*;
    use crate::served::{ask, every_file_is_served, nothing_is_inline};

    fn site(weaknesses: &[Weakness]) -> impl Fn(&mut ServiceConfig) + Clone {
        let data = Data::new(PageData {
            addresses: Addresses::default(),
            weaknesses: weaknesses.iter().copied().collect::<Weaknesses>(),
            diagram_url: Some("http://lab.localhost:8080".to_owned()),
        });
        move |cfg| routes(cfg, data.clone())
    }

    #[actix_web::test]
    async fn each_page_and_each_file_it_names_are_served() {
        let paths = attack::ALL.iter().map(|attack| format!("/{}", attack.slug));
        for path in paths.chain(["/".to_owned(), payload::LANDED.to_owned()]) {
            let page = ask(site(&[]), Method::GET, &path).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(!page.header("content-security-policy").contains("unsafe"));
        }
        every_file_is_served(site(&[]), "/").await;
        every_file_is_served(site(&[]), "/fetch").await;
        nothing_is_inline(&ask(site(&[]), Method::GET, "/").await);
        nothing_is_inline(&ask(site(&[]), Method::GET, "/image").await);
    }

    #[actix_web::test]
    async fn a_page_shows_the_markup_that_it_uses() {
        let page = ask(site(&[]), Method::GET, "/image").await.body;
        let address = "http://app1.localhost:8082/api1/order?item=chess-set&amp;quantity=1";
        assert!(page.contains(&format!("<img src=\"{address}\"")), "{page}");
        let shown = "&#60;img src=&#34;http://app1.localhost:8082/api1/order";
        assert!(page.contains(shown), "{page}");
    }

    #[actix_web::test]
    async fn an_attack_is_open_once_all_that_it_needs_is_switched_off() {
        async fn open(weaknesses: &[Weakness]) -> usize {
            let page = ask(site(weaknesses), Method::GET, "/").await;
            page.body.matches("class=\"badge\">open").count()
        }
        assert_eq!(open(&[]).await, 0);
        assert_eq!(open(&[Weakness::Framable]).await, 0);
        assert_eq!(open(&[Weakness::Framable, Weakness::SameSiteNone]).await, 1);
    }

    #[actix_web::test]
    async fn each_page_leads_to_the_lab_and_its_diagram() {
        for attack in &attack::ALL {
            let page = ask(site(&[]), Method::GET, &format!("/{}", attack.slug)).await;
            let path = attack
                .at_lab
                .map_or_else(|| "/journey".to_owned(), |name| format!("/attacks/{name}"));
            let link = format!("href=\"http://lab.localhost:8080{path}\"");
            assert!(page.body.contains(&link), "{}", attack.slug);
        }
        for path in ["/", payload::LANDED] {
            let page = ask(site(&[]), Method::GET, path).await;
            assert!(
                page.body
                    .contains("href=\"http://lab.localhost:8080/attacks"),
                "{path}"
            );
        }
    }

    #[actix_web::test]
    async fn what_is_not_there_is_a_page_too() {
        for (path, status) in [("/nothing", 404), ("/login?callback=x", 400)] {
            let answer = ask(site(&[]), Method::GET, path).await;
            assert_eq!(answer.status, status, "{path}");
            assert!(answer.body.contains("<h1>") && answer.body.contains("of-evil"));
        }
    }
}
