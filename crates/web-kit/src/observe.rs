//! The middleware around each request: it checks how the path is spelled, bounds
//! the headers, treats HEAD as GET, opens the span, sets `Trace-Id` and counts the
//! request in the metrics.

use std::{cell::RefCell, collections::HashSet, rc::Rc, sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError as _,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use kit::{
    clock::{Clock as _, SystemClock},
    journey::{Journey, JourneyKeys},
    lab_control::{CONTROL, FAILURES, INSPECT},
    metrics::{Metrics, method_name},
    shutdown::Shutdown,
    telemetry::{caller, context::TraceContext},
};
use tracing::Span;

use crate::{
    body::meter_body,
    carried::Carried,
    connection::{self, ResponseBody},
    cors, explain, head,
    journey::{self, asking},
    lab_control::Controlled,
    path,
    problem::Problem,
    trace::{Origin, RequestTrace, TracePolicy},
    ui,
};

/// The maximum size of a request's headers together, in bytes.
pub(crate) const MAX_HEADERS: usize = 32 * 1024;

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// For a year (RFC 6797 §6.1). Other hosts of the domain are not ours to decide about.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");
const TRACE_ID: HeaderName = HeaderName::from_static("trace-id");
const LAB_FAILURES: HeaderName = HeaderName::from_static(FAILURES);

/// What the middleware needs, one for each worker.
pub(crate) struct Observe {
    service: &'static str,
    metrics: Metrics,
    policy: TracePolicy,
    body_limit: usize,
    /// Whether responses tell browsers to use nothing but https.
    is_https_only: bool,
    shutdown: Shutdown,
    /// The keys by which journeys are recognized, if this is a lab.
    journeys: Option<Arc<JourneyKeys>>,
    /// Whether the pages ask the lab for the journey of their browser.
    asks: bool,
    /// The lab's hold on the service, if this is a lab.
    controlled: Option<Data<Controlled>>,
    /// Paths of routes without parameters, which are their own pattern.
    fixed: RefCell<HashSet<Arc<str>>>,
}

impl Observe {
    pub(crate) fn new(
        service: &'static str,
        metrics: Metrics,
        policy: TracePolicy,
        body_limit: usize,
        is_https_only: bool,
        shutdown: Shutdown,
        (journeys, controlled): (Option<Arc<JourneyKeys>>, Option<Data<Controlled>>),
    ) -> Self {
        Self {
            service,
            metrics,
            policy,
            body_limit,
            is_https_only,
            shutdown,
            asks: journeys.is_some() && asking::asks(service),
            journeys,
            controlled,
            fixed: RefCell::default(),
        }
    }

    pub(crate) async fn around<B: MessageBody + 'static>(
        self: Rc<Self>,
        mut req: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        let in_flight = connection::of(req.request()).map(|flow| flow.begin());
        let meter = meter_body(&mut req, self.body_limit);
        let asked = req.method().clone();
        let is_head = head::as_get(&mut req);
        let response = match self.asking(&req) {
            Some(asking) => {
                let mut response = ServiceResponse::new(req.into_parts().0, asking);
                let context = TraceContext::untraced(self.service);
                stamp(response.headers_mut(), &context, None);
                response
            }
            None => self.observed(&asked, req, next).await?,
        };
        let mut response = head::without_body(response, is_head);
        if self.is_https_only {
            let headers = response.headers_mut();
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
        }
        let is_whole = meter.is_none_or(|meter| meter.end());
        if !is_whole || self.shutdown.has_begun() {
            // RFC 9112 §9.6: the rest of a body is not awaited. During a drain the next request
            // uses another connection, and so another replica.
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
        }
        Ok(response.map_body(|_, body| ResponseBody::new(body, in_flight)))
    }

    async fn observed<B: MessageBody + 'static>(
        &self,
        asked: &Method,
        req: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
        let started = Instant::now();
        // Before anything reads the path.
        let refused = path::refusal(req.path());
        let route = match refused {
            Some(_) => Arc::from("unmatched"),
            None => self.route(&req),
        };
        let method = method_name(asked.as_str());
        if is_plumbing(&route) {
            let mut response = bounded(refused, None, req, next).await?;
            let context = TraceContext::untraced(self.service);
            stamp(response.headers_mut(), &context, None);
            return Ok(response);
        }
        let origin = match refused {
            Some(_) => Origin::New,
            None => (self.policy)(req.method(), req.path()),
        };
        let context = self.context(&req, &route, origin, || request_span(method, &route));
        let carried = context.journey().and_then(|journey| {
            let keys = Arc::clone(self.journeys.as_ref()?);
            Some(Carried::of(&req, keys, journey))
        });
        let met = self.controlled.as_ref().and_then(|own| own.met());
        let called = bounded(
            refused,
            self.controlled.as_ref().map(Data::get_ref),
            req,
            next,
        );
        let mut response = match origin {
            // The handler enters the span itself once it knows the login.
            Origin::Login => context.scope(called).await?,
            Origin::Caller | Origin::New => context.in_span(called).await?,
        };
        // Not before: the first use of the span fixes the trace that a login's request joins.
        let (status, span) = (response.status(), context.span());
        if let Some(fault) = met {
            span.record("sso.fault", fault.name());
        }
        record_status(&context, &span, status, (method, &*route));
        if let Some(carried) = carried {
            response = carried.record(&span, response);
        }
        if let Some(explaining) = context.journey().filter(|own| own.settings().explain) {
            response = self.explained(explaining, &span, response);
        }
        let failures = self.controlled.as_ref();
        let failures = failures.and_then(|own| own.failures_value());
        stamp(response.headers_mut(), &context, failures);
        self.metrics
            .request(method, route, status.as_u16(), started.elapsed());
        Ok(response)
    }

    /// The answer to `req` if it opens a page that first asks the lab for its journey.
    fn asking<B>(&self, req: &ServiceRequest) -> Option<HttpResponse<EitherBody<B, BoxBody>>> {
        let asking = self.asks.then(|| asking::ask_first(req))?;
        asking.map(HttpResponse::map_into_right_body)
    }

    /// `response` in a journey in explain mode.
    fn explained<B>(
        &self,
        journey: Journey,
        span: &Span,
        response: ServiceResponse<EitherBody<B, BoxBody>>,
    ) -> ServiceResponse<EitherBody<B, BoxBody>> {
        let Some(keys) = &self.journeys else {
            return response;
        };
        let mut response = explain::explained(keys, journey, self.service, span, response);
        let sent = response.request().clone();
        explain::clear_continuation(sent.headers(), response.headers_mut());
        response
    }

    /// The pattern of the route that `req` takes. Finding it is a walk through
    /// all of them, which most requests are spared.
    fn route(&self, req: &ServiceRequest) -> Arc<str> {
        if let Some(route) = self.fixed.borrow().get(req.path()) {
            return route.clone();
        }
        let Some(pattern) = req.match_pattern() else {
            return Arc::from("unmatched");
        };
        let route: Arc<str> = pattern.into();
        if *route == *req.path() {
            self.fixed.borrow_mut().insert(route.clone());
        }
        route
    }

    /// The journey of a browser's request.
    fn journey(&self, req: &ServiceRequest, route: &str) -> Option<Journey> {
        if !journey::is_step(route) {
            return None;
        }
        let (keys, now) = (self.journeys.as_deref()?, || SystemClock.now());
        journey::of_cookie(keys, self.service, now, req.headers())
    }

    /// The trace context of `req`.
    fn context(
        &self,
        req: &ServiceRequest,
        route: &str,
        origin: Origin,
        span: impl FnOnce() -> Span,
    ) -> TraceContext {
        let header = |name| {
            let values = req.headers().get_all(name);
            values.map(HeaderValue::as_bytes)
        };
        match origin {
            Origin::Caller => {
                let caller = caller(header("traceparent"), header("tracestate"));
                let watched = self.journeys.as_ref().zip(caller.as_ref());
                let watched =
                    watched.and_then(|(keys, caller)| keys.of_caller(caller, || SystemClock.now()));
                TraceContext::child(self.service, caller, watched, span)
            }
            Origin::New => TraceContext::root(self.service, self.journey(req, route), span),
            Origin::Login => {
                let context = TraceContext::deferred(self.service, self.journey(req, route), span);
                req.extensions_mut().insert(RequestTrace(context.clone()));
                context
            }
        }
    }
}

fn request_span(method: &'static str, route: &str) -> Span {
    tracing::info_span!(
        target: "sso",
        "request",
        "otel.name" = format_args!("{method} {route}"),
        "otel.kind" = "server",
        "otel.status_code" = tracing::field::Empty,
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = tracing::field::Empty,
        "sso.credential" = tracing::field::Empty,
        "sso.explained" = tracing::field::Empty,
        "sso.outcome" = tracing::field::Empty,
        "sso.fault" = tracing::field::Empty,
        "sso.store_commands" = tracing::field::Empty,
    )
}

/// Refuses a misspelled path and headers that are too large, and everything while the lab
/// has switched the service off; otherwise the inner service answers.
async fn bounded<B: MessageBody + 'static>(
    refused: Option<String>,
    controlled: Option<&Controlled>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let problem = if let Some(why) = refused {
        Problem::new(StatusCode::BAD_REQUEST, "Another spelling of a path").detail(why)
    } else if size_of(req.headers()) > MAX_HEADERS {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Problem::new(status, "Headers too large").detail(format!(
            "All headers together may have {MAX_HEADERS} bytes."
        ))
    } else if let Some(response) = controlled.and_then(|it| it.down(&req)) {
        let answered = cors::instead(req, response).await?;
        return Ok(answered.map_into_right_body());
    } else {
        return Ok(next.call(req).await?.map_into_left_body());
    };
    let response = problem.error_response().map_into_right_body();
    Ok(ServiceResponse::new(req.into_parts().0, response))
}

/// Records the status of the answer to `method` on `route`; logs a server error.
fn record_status(
    context: &TraceContext,
    span: &Span,
    status: StatusCode,
    (method, route): (&str, &str),
) {
    // Signed: of others the span layer makes text.
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        let status = status.as_u16();
        context.sync_scope(|| tracing::warn!(method, route, status, "answered with an error"));
    }
}

/// Sets `Trace-Id`, `X-Content-Type-Options` and, in a lab, the failures in force.
fn stamp(headers: &mut HeaderMap, context: &TraceContext, failures: Option<HeaderValue>) {
    if let Some(failures) = failures {
        headers.insert(LAB_FAILURES, failures);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if let Ok(id) = HeaderValue::try_from(context.trace_id()) {
        headers.insert(TRACE_ID, id);
    }
}

/// What is frequent, and no user waits for: health checks, scrapes, what lab and services say
/// to each other, and what open pages ask about failures. Joining a journey is no part of it,
/// nor is leaving a page of explain mode.
fn is_plumbing(route: &str) -> bool {
    let own = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/traces",
        journey::JOIN,
        explain::GO_ON,
        CONTROL,
        INSPECT,
        ui::NOTICES,
        ui::PAGE_FAILURES,
    ];
    own.contains(&route)
}

fn size_of(headers: &HeaderMap) -> usize {
    // Four more for ": " and the line's end, as they were sent.
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}
