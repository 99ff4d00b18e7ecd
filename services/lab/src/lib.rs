//! The lab's start page: what runs where, who can sign in, a first walk. It
//! keeps nothing and calls nobody.

mod page;

use actix_web::{middleware::from_fn, web};
use kit::{
    Ground,
    config::{Addresses, Common, Problems},
    metrics::Metrics,
    net::Listeners,
    readiness::Readiness,
    running::Running,
};
use web_kit::{
    client::TrustedProxies,
    frame::Frame,
    look::{self, Accent},
    trace,
};

/// The service's name in traces, metrics and on the command line.
pub const SERVICE: &str = "lab";

/// The most bytes of a request's body. Nothing here takes one.
const BODY_LIMIT: usize = 1024;

/// The start page's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is, for the links.
    pub addresses: Addresses,
    /// Worker threads.
    pub workers: usize,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: TrustedProxies,
}

impl Config {
    /// From the settings that all services share; there are no others.
    pub fn read(common: &Common, problems: &mut Problems) -> Option<Self> {
        let trusted_proxies = problems.parse("TRUSTED_PROXIES", &common.trusted_proxies)?;
        Some(Self {
            addresses: common.addresses.clone(),
            workers: common.workers,
            trusted_proxies,
        })
    }
}

/// Starts the service. It is ready at once. It has no state, so it takes no store.
#[expect(
    clippy::unused_async,
    reason = "every service is started by the same call"
)]
pub async fn build(
    config: Config,
    listeners: Listeners,
    ground: Ground,
) -> Result<Running, Problems> {
    let frame = Frame {
        service: SERVICE,
        metrics: Metrics::new(SERVICE)?,
        readiness: Readiness::waiting_for(ground.shutdown.clone(), &[]),
        shutdown: ground.shutdown,
        workers: config.workers,
        trusted_proxies: config.trusted_proxies,
        trace: |_, _| trace::From::Fresh,
        body_limit: BODY_LIMIT,
    };
    let start = web::Data::new(page::StartPage::new(&config.addresses));
    let served = frame.serve(listeners.http, move |cfg| routes(cfg, start.clone()));
    served.map_err(|error| Problems::one(SERVICE, error))
}

fn routes(cfg: &mut web::ServiceConfig, start: web::Data<page::StartPage>) {
    let pages = web::scope("")
        .app_data(start)
        .wrap(from_fn(|req, next| {
            look::error_pages(Accent::Lab, req, next)
        }))
        .service(
            web::resource("/")
                .route(web::get().to(page::show))
                .route(web::head().to(page::show)),
        );
    cfg.configure(page::assets).service(pages);
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::{Method, header},
        test::{TestRequest, call_service, init_service, read_body},
    };

    use super::*;

    async fn ask(method: Method, path: &str) -> (u16, header::HeaderMap, String) {
        let start = web::Data::new(page::StartPage::new(&Addresses::default()));
        let app = init_service(App::new().configure(move |cfg| routes(cfg, start.clone()))).await;
        let request = TestRequest::with_uri(path).method(method);
        let request = request
            .insert_header((header::ACCEPT, "text/html"))
            .to_request();
        let response = call_service(&app, request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (
            status,
            headers,
            String::from_utf8(read_body(response).await.to_vec()).unwrap(),
        )
    }

    #[actix_web::test]
    async fn the_start_page_and_each_file_it_names_are_served() {
        let (status, headers, html) = ask(Method::GET, "/").await;
        assert_eq!(status, 200);
        assert!(
            !headers
                .get("content-security-policy")
                .unwrap()
                .to_str()
                .unwrap()
                .contains("unsafe")
        );
        let files: Vec<_> = html
            .split('"')
            .filter(|part| part.starts_with("/assets/"))
            .collect();
        assert_eq!(files.len(), 4, "{files:?}");
        for file in files {
            let (status, headers, _) = ask(Method::GET, file).await;
            assert_eq!(status, 200, "{file}");
            assert!(
                headers
                    .get("cache-control")
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .contains("immutable"),
                "{file}"
            );
        }
    }

    #[actix_web::test]
    async fn what_is_not_there_is_a_page_too() {
        for (method, path, status) in [(Method::GET, "/nothing", 404), (Method::POST, "/", 405)] {
            let (got, _, html) = ask(method, path).await;
            assert_eq!(got, status);
            assert!(html.contains("<h1>") && html.contains("of-lab"), "{html}");
        }
    }

    #[actix_web::test]
    async fn it_is_ready_at_once_and_ends_with_the_drain() {
        let shutdown = kit::shutdown::Shutdown::new();
        let config = Config {
            addresses: Addresses::default(),
            workers: 1,
            trusted_proxies: "".parse().unwrap(),
        };
        let listeners = Listeners::free(false).unwrap();
        let running = build(config, listeners, Ground::real(shutdown.clone()))
            .await
            .unwrap();
        shutdown.begin();
        running.join().await.unwrap();
    }
}
