//! Explain mode of a journey: each redirect of the browser becomes a page that says what is
//! about to be sent, to whom and why, with a link that continues ([`with_explanation`]). Where
//! a service is about to issue something that expires soon, such as a code, the browser waits
//! first ([`pause_page`], [`Pause`]). Both happen only in requests of a journey that has
//! explain mode on.

mod go_on;
mod meanings;
mod page;
mod rows;
mod sender;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, EitherBody},
    dev::ServiceResponse,
    http::{Method, StatusCode, header},
};
use go_on::is_continued;
pub(crate) use go_on::{GO_ON, clear_continuation, routes};
use kit::{
    clock::Timestamp,
    journey::{self, Journey, JourneyKeys},
    telemetry::context::TraceContext,
};
pub use meanings::{COOKIES, Meaning, PARAMETERS};
use page::{Page, Way};
use rows::Rows;
pub(crate) use sender::site_of;
use tracing::Span;

use crate::{trace, ui::is_navigation};

/// The longest address, in bytes, at which a browser waits.
const MAX_TARGET: usize = 8 * 1024;

/// What a page of explain mode says. Each service writes its own texts.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// Who does what, in a few words.
    pub title: String,
    /// Why, in some sentences.
    pub why: String,
    /// The step of the protocol, in words.
    pub step: &'static str,
    /// The section of the specification that defines it; empty if none does.
    pub section: &'static str,
    /// What happens after Continue, one sentence each.
    pub next: Vec<String>,
    /// The time left of each thing that the next step needs and that expires.
    pub times_left: Vec<TimeLeft>,
    /// Where the step begins anew: a path of this site, or a configured address.
    pub again: Option<String>,
    /// Parameters that a handle stands for.
    pub stands_for: Vec<(&'static str, String)>,
}

/// How long something that exists already remains valid.
#[derive(Clone, Debug)]
pub struct TimeLeft {
    /// What it is, such as `The code`.
    pub what: &'static str,
    ends: Timestamp,
    left: Duration,
}

impl TimeLeft {
    /// Of `what`, which expires at `ends`.
    pub fn new(what: &'static str, now: Timestamp, ends: Timestamp) -> Self {
        Self {
            what,
            ends,
            left: now.until(ends),
        }
    }
}

/// A form by which the browser goes on.
#[derive(Clone, Debug)]
pub struct GoOnForm {
    /// Where it is posted, a path of this site.
    pub action: &'static str,
    /// Its hidden fields.
    pub hidden: Vec<(String, String)>,
    /// The address to which the answer may redirect the browser.
    pub leads_to: String,
}

/// Whether the request that the current task works for is of a journey in explain mode.
pub fn is_on() -> bool {
    TraceContext::current_journey().is_some_and(|journey| journey.settings().explain)
}

/// `answer`, a redirect. In explain mode a page with the explanation that `say` makes takes
/// its place.
pub fn with_explanation(
    mut answer: HttpResponse,
    say: impl FnOnce() -> Explanation,
) -> HttpResponse {
    if is_on() {
        answer.extensions_mut().insert(say());
    }
    answer
}

/// The page at which the navigation `req` waits before the service works on it; `None` if it
/// does not wait. Continue repeats the same request. `leads_to`: the address to which its
/// answer may redirect.
pub fn pause_page(
    req: &HttpRequest,
    leads_to: &str,
    say: impl FnOnce() -> Explanation,
) -> Option<HttpResponse> {
    let pause = Pause::of(req).filter(|_| req.method() == Method::GET)?;
    let target = req.uri().path_and_query()?.as_str();
    if target.len() > MAX_TARGET || is_continued(req, &pause.keys, pause.service, target) {
        return None;
    }
    let form = GoOnForm {
        action: GO_ON,
        hidden: go_on::fields(&pause.keys, pause.service, target),
        leads_to: leads_to.to_owned(),
    };
    let mut rows = pause.rows();
    rows.request(req);
    Some(pause.page(req, say(), form, rows))
}

/// Where a browser waits: its request is a navigation of a journey in explain mode.
pub struct Pause {
    keys: Arc<JourneyKeys>,
    journey: Journey,
    service: &'static str,
}

impl Pause {
    /// The pause of `req`; `None` if its browser does not wait.
    pub fn of(req: &HttpRequest) -> Option<Self> {
        // All that it costs a request outside explain mode.
        let journey = TraceContext::current_journey()?;
        let is_paused = journey.settings().explain && is_navigation(req.headers());
        let keys = journey::of_process().filter(|_| is_paused)?;
        let context = TraceContext::current()?;
        Some(Self {
            keys,
            journey,
            service: context.service(),
        })
    }

    /// The page at which a posted form waits, after its own work and before the next step,
    /// to which `form` leads.
    pub fn after_form(&self, req: &HttpRequest, said: Explanation, form: GoOnForm) -> HttpResponse {
        self.page(req, said, form, self.rows())
    }

    fn rows(&self) -> Rows {
        Rows::new(Arc::clone(&self.keys), self.journey)
    }

    fn page(
        &self,
        req: &HttpRequest,
        said: Explanation,
        form: GoOnForm,
        rows: Rows,
    ) -> HttpResponse {
        trace::span_of(req).record("sso.explained", "before");
        Page {
            service: self.service,
            host: req.connection_info().host().to_owned(),
            to: String::new(),
            lab_url: self.keys.lab_url().to_owned(),
            stands_for: rows.stand_for(&said.stands_for),
            rows,
            way: Way::Form(form),
            said,
        }
        .respond()
    }
}

/// `response` as a page, if it is a redirect that answers a navigation.
pub(crate) fn explained<B>(
    keys: &Arc<JourneyKeys>,
    journey: Journey,
    service: &'static str,
    span: &Span,
    response: ServiceResponse<EitherBody<B, BoxBody>>,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let Some(location) = redirect_of(&response) else {
        return response;
    };
    span.record("sso.explained", "redirect");
    let (req, mut answer) = response.into_parts();
    let said = answer.extensions_mut().remove::<Explanation>();
    let mut rows = Rows::new(Arc::clone(keys), journey);
    rows.redirect(&location, answer.headers());
    let page = Page {
        service,
        host: req.connection_info().host().to_owned(),
        to: location.clone(),
        lab_url: keys.lab_url().to_owned(),
        stands_for: rows.stand_for(said.as_ref().map_or(&[], |said| &said.stands_for)),
        rows,
        way: Way::Link(location),
        said: said.unwrap_or_else(|| elsewhere(service)),
    };
    let mut page = page.respond();
    for line in answer.headers().get_all(header::SET_COOKIE) {
        let headers = page.headers_mut();
        headers.append(header::SET_COOKIE, line.clone());
    }
    ServiceResponse::new(req, page.map_into_right_body())
}

/// The address to which `response` sends a navigation.
fn redirect_of<B>(response: &ServiceResponse<B>) -> Option<String> {
    let req = response.request();
    let is_by_get = match response.status() {
        StatusCode::FOUND | StatusCode::SEE_OTHER => true,
        // Continue is a link: it cannot repeat a form.
        StatusCode::TEMPORARY_REDIRECT => req.method() == Method::GET,
        _ => false,
    };
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    (is_by_get && is_navigation(req.headers())).then(|| location.to_owned())
}

/// What is said of a redirect that no service has explained.
fn elsewhere(service: &str) -> Explanation {
    let name = sender::site_of(service).map_or(service, |site| site.name());
    Explanation {
        title: format!("{name} sends your browser to another page"),
        why: "The answer to your request is at another address. The status of the answer says that the browser is to open that address next.".to_owned(),
        step: "Redirect",
        section: "RFC 9110 §15.4",
        ..Explanation::default()
    }
}
