//! The HTTP server of every service: health, metrics, traces, limits, drain.

use std::{io, rc::Rc, sync::Arc};

use actix_web::{
    App, HttpResponse, Responder, ResponseError as _,
    dev::Server,
    http::{StatusCode, header},
    middleware::from_fn,
    web,
};
use kit::{
    admission::Admission, clock::SystemClock, config::Sites, journey::JourneyKeys,
    listeners::Sockets, metrics::Metrics, random::OsRandom, readiness::Readiness, running::Running,
    shutdown::Shutdown,
};

use crate::{
    client::TrustedProxies,
    explain::{self, site_of},
    journey::{self, Joining},
    lab_control::{self, Controlled},
    observe::Observe,
    problem::Problem,
    trace::TracePolicy,
    transport::{AcceptPolicy, server},
    ui,
};

/// An HTTP server with everything that all services have in common.
pub struct HttpServer {
    /// Its name, in traces and metrics.
    pub service: &'static str,
    /// The metrics of its requests.
    pub metrics: Metrics,
    /// The state of `/readyz`.
    pub readiness: Readiness,
    /// When to drain.
    pub shutdown: Shutdown,
    /// Worker threads.
    pub workers: usize,
    /// The trusted proxies, which state the client's address.
    pub trusted_proxies: TrustedProxies,
    /// The sites of the deployment: pages link to no others.
    pub sites: Sites,
    /// The origin of each request's trace.
    pub trace: TracePolicy,
    /// The maximum size of a request's body in bytes; a larger one is 413. Most routes accept
    /// less.
    pub body_limit: usize,
    /// The limits on clients of this process.
    pub admission: Admission,
    /// Sockets for `/metrics` only; if there are none, the site's own sockets serve it.
    pub metrics_at: Sockets,
}

impl HttpServer {
    /// Serves `routes` on `listeners` until the drain. Call it inside a
    /// multi-threaded runtime.
    pub fn serve<R>(mut self, listeners: impl Into<Sockets>, routes: R) -> io::Result<Running>
    where
        R: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let listeners = listeners.into();
        let metrics_at = std::mem::take(&mut self.metrics_at);
        if metrics_at.is_empty() {
            return self.serve_all(listeners, move |cfg| {
                cfg.configure(metrics_route).configure(&routes);
            });
        }
        let mut running = self.serve_beside(metrics_at, 1, metrics_route)?;
        running.extend(self.serve_all(listeners, routes)?);
        Ok(running)
    }

    /// Serves `routes` on the `listeners` of another port of the same service, without
    /// `/metrics`, with `workers` threads.
    pub fn serve_beside<R>(
        &self,
        listeners: impl Into<Sockets>,
        workers: usize,
        routes: R,
    ) -> io::Result<Running>
    where
        R: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let beside = Self {
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            shutdown: self.shutdown.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            admission: self.admission.clone(),
            workers,
            metrics_at: Sockets::default(),
            ..*self
        };
        beside.serve_all(listeners.into(), routes)
    }

    fn serve_all<R>(self, listeners: Sockets, routes: R) -> io::Result<Running>
    where
        R: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let readiness = web::Data::new(self.readiness);
        let shown = web::Data::new(self.metrics.clone());
        let accept = AcceptPolicy {
            admission: self.admission,
            proxies: self.trusted_proxies,
        };
        let proxies = web::Data::new(accept.proxies.clone());
        let (service, metrics, policy) = (self.service, self.metrics, self.trace);
        let (limit, is_https_only) = (self.body_limit, listeners.is_https_only);
        let sites = self.sites;
        let shutdown = self.shutdown.clone();
        let journeys = kit::journey::of_process();
        let joining = journeys.clone().map(|keys| joining(service, keys));
        let controlled = Controlled::of_service(service).map(web::Data::new);
        let app = move || {
            let observe = Rc::new(Observe::new(
                service,
                metrics.clone(),
                policy,
                limit,
                is_https_only,
                shutdown.clone(),
                (journeys.clone(), controlled.clone()),
            ));
            ui::deployed(sites);
            if let Some(controlled) = controlled.clone() {
                ui::announce(move || controlled.notices());
            }
            App::new()
                .app_data(readiness.clone())
                .app_data(shown.clone())
                .app_data(proxies.clone())
                .app_data(web::QueryConfig::default().error_handler(|e, _| {
                    unreadable(StatusCode::BAD_REQUEST, "The query cannot be read", &e)
                }))
                .wrap(from_fn(move |req, next| observe.clone().around(req, next)))
                .default_service(web::to(not_found))
                .route("/healthz", web::get().to(async || "ok\n"))
                .route("/readyz", web::get().to(readyz))
                .configure(|cfg| ui::icon(cfg, site_of(service)))
                .configure(|cfg| lab_routes(cfg, joining.as_ref(), controlled.as_ref()))
                .configure(routes.clone())
        };
        let server = server(app, listeners, self.workers, &accept)?;
        let sweep = accept.admission.sweep();
        let serving = until_stopped(server, service, self.shutdown);
        let mut running = Running::new();
        running.push(tokio::spawn(async move {
            tokio::select! {
                ended = serving => ended,
                () = sweep => Ok(()),
            }
        }));
        Ok(running)
    }
}

/// What the ways into a journey need.
fn joining(service: &'static str, keys: Arc<JourneyKeys>) -> web::Data<Joining> {
    web::Data::new(Joining {
        service,
        keys,
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    })
}

/// Runs `server` until the shutdown has it stop, at most for the time of the shutdown.
async fn until_stopped(
    server: Server,
    service: &'static str,
    shutdown: Shutdown,
) -> io::Result<()> {
    let handle = server.handle();
    let stopping = async {
        // Until then `/readyz` answers 503 on a new connection.
        shutdown.time_to_stop().await;
        handle.stop(true).await;
    };
    tokio::select! {
        (ended, ()) = async { tokio::join!(server, stopping) } => ended,
        () = shutdown.time_is_up() => {
            tracing::warn!(service, "the drain is over; requests that are still open are abandoned");
            Ok(())
        }
    }
}

/// What every service has in a lab: the ways into a journey, explain mode, and the control
/// endpoint.
fn lab_routes(
    cfg: &mut web::ServiceConfig,
    joining: Option<&web::Data<Joining>>,
    controlled: Option<&web::Data<Controlled>>,
) {
    if let Some(joining) = joining {
        explain::routes(cfg, joining.service, Arc::clone(&joining.keys));
        journey::routes(cfg, joining);
    }
    if let Some(controlled) = controlled {
        lab_control::routes(cfg, controlled.clone());
    }
}

fn metrics_route(cfg: &mut web::ServiceConfig) {
    cfg.route("/metrics", web::get().to(metrics_text));
}

async fn readyz(readiness: web::Data<Readiness>) -> HttpResponse {
    match readiness.check() {
        Ok(()) => HttpResponse::Ok().body("ready\n"),
        Err(reason) => HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, 1))
            .body(format!("{reason}\n")),
    }
}

async fn metrics_text(metrics: web::Data<Metrics>) -> impl Responder {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(metrics.text())
}

async fn not_found() -> HttpResponse {
    Problem::not_found().error_response()
}

fn unreadable(
    status: StatusCode,
    what: &'static str,
    why: &dyn std::fmt::Display,
) -> actix_web::Error {
    Problem::new(status, what).detail(why.to_string()).into()
}
