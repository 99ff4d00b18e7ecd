//! The page in a journey. Its requests to other sites carry no cookie, so it gets a pass for
//! them from its own server, and it reports there what it does between its requests. Both
//! exist only where the process has the lab's secret.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::{self, Data, ServiceConfig},
};
use kit::{
    clock::Clock,
    journey::{JourneyKeys, PASS_LIFE},
    random::Random,
    telemetry::{
        caller,
        names::{OK, span},
        page::{PageStep, record},
    },
};
use serde::{Deserialize, Serialize};
use web_kit::{body::Body, journey::of_cookie, problem::Problem};

use super::SERVICE;

/// The most bytes of a report.
pub(crate) const MAX_REPORT: usize = 4 * 1024;
/// The most steps of a report.
const MAX_STEPS: usize = 16;
/// How long ago a step may have been, and how long it may have taken.
const LONGEST: Duration = Duration::from_secs(60);
/// The holder of a page's pass: its requests come from the browser.
const HOLDER: &str = "browser";
/// The outcome of a check that failed.
const REFUSED: &str = "refused";

/// What a page may report, and whether the step has an outcome. Nothing else of a report is
/// passed on.
const REPORTED: [(&str, bool); 7] = [
    (span::PAGE_PREPARE, false),
    (span::PAGE_ANSWER_CHECK, true),
    (span::PAGE_KEY, false),
    (span::PAGE_ID_TOKEN_CHECK, true),
    (span::PAGE_KEEP, false),
    (span::PAGE_FORGET, false),
    (span::PAGE_NOTE, false),
];

/// What the routes need.
pub(super) struct PageJourneys {
    pub(super) keys: Arc<JourneyKeys>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

pub(super) fn routes(cfg: &mut ServiceConfig, journeys: &Data<PageJourneys>) {
    let resource = |path: &str| web::resource(path.to_owned()).app_data(journeys.clone());
    cfg.service(resource("/lab/pass").route(web::get().to(pass)))
        .service(resource("/lab/steps").route(web::post().to(steps)));
}

#[derive(Deserialize)]
struct Asked {
    /// The trace of the page's login, in hex.
    trace: String,
}

#[derive(Serialize)]
struct Given {
    /// The value of `tracestate`.
    state: String,
    /// For how many seconds it is good.
    seconds: i64,
    /// The server's time in µs since 1970, by which the page reports its own.
    now: i64,
}

/// `GET /lab/pass`: what the page sends with its requests in one trace.
async fn pass(
    req: HttpRequest,
    asked: web::Query<Asked>,
    journeys: Data<PageJourneys>,
) -> HttpResponse {
    let now = journeys.clock.now();
    let journey = of_cookie(&journeys.keys, SERVICE, || now, req.headers());
    let Some(journey) = journey.filter(|_| !is_of_another_site(&req)) else {
        return refusal(StatusCode::NOT_FOUND, "This browser is in no journey.");
    };
    let trace = Some(&*asked.trace);
    let pass = journeys
        .keys
        .pass(&journey, HOLDER, trace, now, &*journeys.random);
    let Some(pass) = pass else {
        return refusal(StatusCode::BAD_REQUEST, "trace is 32 digits in hex.");
    };
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Given {
            state: pass.headers().1,
            seconds: PASS_LIFE,
            // The middle of the millisecond, which is all that the clock tells.
            now: now.millis() * 1_000 + 500,
        })
}

#[derive(Deserialize)]
struct Told {
    name: String,
    /// Its start, in µs since 1970.
    at: u64,
    /// How long it took, in µs.
    took: u64,
    ok: bool,
}

/// `POST /lab/steps`: the page, which shows its pass, tells what it did.
async fn steps(req: HttpRequest, body: Body, journeys: Data<PageJourneys>) -> HttpResponse {
    let now = journeys.clock.now();
    let header = |name| {
        let values = req.headers().get_all(HeaderName::from_static(name));
        values.map(HeaderValue::as_bytes)
    };
    let caller = caller(header("traceparent"), header("tracestate"));
    let page = caller.as_ref();
    let page = page.and_then(|caller| journeys.keys.of_caller(caller, || now));
    let page = page.filter(|page| &*page.by == HOLDER && !is_of_another_site(&req));
    let Some((caller, page)) = caller.zip(page) else {
        return refusal(StatusCode::FORBIDDEN, "Only a page in a journey reports.");
    };
    let body = match body.read(MAX_REPORT).await {
        Ok(body) => body,
        Err(error) => return Problem::from(error).error_response(),
    };
    let latest = UNIX_EPOCH + Duration::from_millis(now.millis().unsigned_abs());
    let Some(told) = read(&body, latest) else {
        return refusal(StatusCode::BAD_REQUEST, "The report names an unknown step.");
    };
    for step in told {
        record(SERVICE, &caller, &page, step);
    }
    HttpResponse::NoContent().finish()
}

/// The steps of a report that arrived at `now`; `None` if one is none that a page takes.
fn read(body: &[u8], now: SystemTime) -> Option<Vec<PageStep>> {
    let told: Vec<Told> = serde_json::from_slice(body).ok()?;
    if told.len() > MAX_STEPS {
        return None;
    }
    told.iter().map(|told| told.step(now)).collect()
}

impl Told {
    fn step(&self, now: SystemTime) -> Option<PageStep> {
        let (name, has_outcome) = REPORTED.into_iter().find(|(name, _)| *name == self.name)?;
        let start = UNIX_EPOCH.checked_add(Duration::from_micros(self.at))?;
        Some(PageStep {
            name,
            start: start.clamp(now - LONGEST, now),
            took: Duration::from_micros(self.took).min(LONGEST),
            outcome: has_outcome.then_some(if self.ok { OK } else { REFUSED }),
        })
    }
}

/// Whether a page of another site sent it.
fn is_of_another_site(req: &HttpRequest) -> bool {
    let site = req.headers().get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin")
}

fn refusal(status: StatusCode, why: &'static str) -> HttpResponse {
    Problem::new(status, "No journey")
        .detail(why)
        .error_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000_000;

    fn at(micros: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn report(name: &str, start: u64, took: u64, ok: bool) -> String {
        format!(r#"[{{"name":"{name}","at":{start},"took":{took},"ok":{ok},"text":"secret"}}]"#)
    }

    fn one(report: &str) -> Option<PageStep> {
        let steps = read(report.as_bytes(), at(NOW))?;
        assert_eq!(steps.len(), 1);
        Some(steps[0])
    }

    #[test]
    fn a_report_names_a_step_of_the_registry_its_time_and_whether_it_went_well() {
        let checked = one(&report("page.id_token_check", NOW - 5_000, 700, false)).unwrap();
        let expected = PageStep {
            name: span::PAGE_ID_TOKEN_CHECK,
            start: at(NOW - 5_000),
            took: Duration::from_micros(700),
            outcome: Some(REFUSED),
        };
        assert_eq!(checked, expected);
        let kept = one(&report("page.keep", NOW, 0, true)).unwrap();
        assert_eq!((kept.name, kept.outcome), (span::PAGE_KEEP, None));
        for (name, _) in REPORTED {
            assert!(one(&report(name, NOW, 0, true)).is_some(), "{name}");
        }
    }

    #[test]
    fn no_time_is_in_the_future_or_long_ago_and_no_other_name_is_taken() {
        let early = one(&report("page.key", 1, u64::MAX, true)).unwrap();
        assert_eq!((early.start, early.took), (at(NOW) - LONGEST, LONGEST));
        let late = one(&report("page.key", NOW + 9_000_000, 1, true)).unwrap();
        assert_eq!(late.start, at(NOW));
        for name in ["store", "login.password", "<b>", ""] {
            assert_eq!(one(&report(name, NOW, 0, true)), None, "{name}");
        }
        let one = report("page.key", NOW, 0, true);
        let one = one.trim_matches(['[', ']']);
        let many = format!("[{}]", vec![one; MAX_STEPS].join(","));
        assert!(read(many.as_bytes(), at(NOW)).is_some());
        let many = format!("[{}]", vec![one; MAX_STEPS + 1].join(","));
        assert_eq!(read(many.as_bytes(), at(NOW)), None);
        assert_eq!(read(b"{}", at(NOW)), None);
    }
}
