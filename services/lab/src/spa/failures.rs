//! What the lab has let fail, for the page: a service that does not answer cannot say it, so
//! the page's own server does.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::header,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use serde::Serialize;
use web_kit::ui::PAGE_FAILURES;

use crate::failures::{Failures, refreshed};

#[derive(Serialize)]
struct InForce {
    in_force: Vec<String>,
}

pub(super) fn routes(cfg: &mut ServiceConfig, failures: Arc<Failures>) {
    let known = Data::from(Arc::clone(&failures));
    let resource = web::resource(PAGE_FAILURES).app_data(known);
    let asked = from_fn(move |req, next| refreshed(Arc::clone(&failures), req, next));
    cfg.service(resource.route(web::get().to(show)).wrap(asked));
}

/// `GET /lab/failures`: a sentence for each failure in force, at most a second old.
async fn show(failures: Data<Failures>) -> HttpResponse {
    let notices = failures.notices().into_iter();
    let in_force = notices.map(|notice| notice.text).collect();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(InForce { in_force })
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use kit::{Deps, config::Site, journey::JourneyKeys, shutdown::Shutdown};

    use super::*;
    use crate::{Config, served};

    #[actix_web::test]
    async fn the_pages_own_server_says_what_fails() {
        let base = served::config();
        let keys = JourneyKeys::new(&"a lab of a test".into(), &base.addresses.url(Site::Lab));
        let config = Config {
            journeys: Some(Arc::new(keys)),
            ..base
        };
        let failures = Failures::new(&config, &Deps::system(Shutdown::new()).clock).unwrap();
        let site = move |cfg: &mut ServiceConfig| routes(cfg, Arc::clone(&failures));
        let answer = served::ask(site, Method::GET, "/lab/failures").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "{\"in_force\":[]}")
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}
