//! The frame of every HTTP service: health, metrics, traces, bounds, drain.

use std::{io, net::TcpListener, rc::Rc, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer, Responder, ResponseError as _,
    http::{StatusCode, header},
    middleware::from_fn,
    web,
};
use kit::{metrics::Metrics, readiness::Readiness, running::Running, shutdown::Shutdown};

use crate::{client::TrustedProxies, observe::Observe, problem::Problem, trace::Policy};

/// How long a client may take to send its headers.
const HEADERS_IN: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: longer than balancers keep theirs (most
/// for 60 s), or one could send a request into the closing.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A service's frame.
pub struct Frame {
    /// Its name, in traces and metrics.
    pub service: &'static str,
    /// Where its requests are counted.
    pub metrics: Metrics,
    /// What it still waits for.
    pub readiness: Readiness,
    /// When to drain.
    pub shutdown: Shutdown,
    /// Worker threads.
    pub workers: usize,
    /// Proxies whose word counts about the client's address.
    pub trusted_proxies: TrustedProxies,
    /// Where the trace of each request begins.
    pub trace: Policy,
    /// The most bytes of a request's body; beyond it is 413.
    pub body_limit: usize,
    /// Where `/metrics` is answered, and nothing else; with none, on the site's
    /// own sockets.
    pub metrics_at: Vec<TcpListener>,
}

impl Frame {
    /// Serves `routes` on `listeners` until the drain. Call it inside a
    /// multi-threaded runtime.
    pub fn serve<R>(mut self, listeners: Vec<TcpListener>, routes: R) -> io::Result<Running>
    where
        R: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let metrics_at = std::mem::take(&mut self.metrics_at);
        if metrics_at.is_empty() {
            return self.serve_all(listeners, move |cfg| {
                cfg.configure(metrics_route).configure(&routes);
            });
        }
        let scraped = Self {
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            shutdown: self.shutdown.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            workers: 1,
            metrics_at: Vec::new(),
            ..self
        };
        let mut running = scraped.serve_all(metrics_at, metrics_route)?;
        running.extend(self.serve_all(listeners, routes)?);
        Ok(running)
    }

    fn serve_all<R>(self, listeners: Vec<TcpListener>, routes: R) -> io::Result<Running>
    where
        R: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let readiness = web::Data::new(self.readiness);
        let shown = web::Data::new(self.metrics.clone());
        let proxies = web::Data::new(self.trusted_proxies);
        let (service, metrics, policy) = (self.service, self.metrics, self.trace);
        let limit = self.body_limit;
        let shutdown = self.shutdown.clone();
        let mut server = HttpServer::new(move || {
            let observe = Observe::new(service, metrics.clone(), policy, shutdown.clone());
            let observe = Rc::new(observe);
            App::new()
                .app_data(readiness.clone())
                .app_data(shown.clone())
                .app_data(proxies.clone())
                .app_data(web::PayloadConfig::new(limit))
                .app_data(
                    web::JsonConfig::default()
                        .limit(limit)
                        .error_handler(|e, _| {
                            unreadable(e.status_code(), "The body cannot be read", &e)
                        }),
                )
                .app_data(
                    web::FormConfig::default()
                        .limit(limit)
                        .error_handler(|e, _| {
                            unreadable(e.status_code(), "The form cannot be read", &e)
                        }),
                )
                .app_data(web::QueryConfig::default().error_handler(|e, _| {
                    unreadable(StatusCode::BAD_REQUEST, "The query cannot be read", &e)
                }))
                .wrap(from_fn(move |req, next| observe.clone().around(req, next)))
                .default_service(web::to(nothing_here))
                .route("/healthz", web::get().to(async || "ok\n"))
                .route("/readyz", web::get().to(readyz))
                .configure(routes.clone())
        })
        .workers(self.workers)
        .client_request_timeout(HEADERS_IN)
        .keep_alive(KEEP_ALIVE)
        // When time is up, we know better.
        .shutdown_timeout(u64::from(u32::MAX))
        .disable_signals();
        for listener in listeners {
            server = server.listen(listener)?;
        }
        let server = server.run();
        let handle = server.handle();
        let shutdown = self.shutdown;
        let mut running = Running::new();
        running.push(tokio::spawn(async move {
            let stopping = async {
                // Until then a new connection's `/readyz` is told 503.
                shutdown.time_to_stop().await;
                handle.stop(true).await;
            };
            tokio::select! {
                (ended, ()) = async { tokio::join!(server, stopping) } => ended,
                () = shutdown.time_is_up() => {
                    tracing::warn!(service, "requests that are still open are left");
                    Ok(())
                }
            }
        }));
        Ok(running)
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

async fn nothing_here() -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "Nothing here")
        .detail("There is nothing at this address.")
        .error_response()
}

fn unreadable(
    status: StatusCode,
    what: &'static str,
    why: &dyn std::fmt::Display,
) -> actix_web::Error {
    Problem::new(status, what).detail(why.to_string()).into()
}
