//! A browser's journey at a service: which requests belong to it, `GET /lab/join`, where the
//! browser joins it, and `GET /lab/back`, from where it goes back to the lab. They exist only
//! where the process has the lab's secret.

pub mod asking;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web::{self, ServiceConfig},
};
use kit::{
    clock::{Clock, Timestamp},
    config::Site,
    journey::{COOKIE, Journey, JourneyKeys, LIFE, TICKET_LIFE},
    random::Random,
    seal,
};
use memchr::memmem;
use serde::Deserialize;

use crate::{cookies::Cookies, same_site::same_site, ui::Message};

/// Where a browser joins a journey.
pub const JOIN: &str = "/lab/join";
/// From where a browser goes back to the lab: the page to which a login of the lab returns.
pub const BACK: &str = "/lab/back";
/// The cookie that lets one request pass a page of explain mode.
pub(crate) const CONTINUE_COOKIE: &str = "__Host-lab_continue";
/// The cookie whose hash a ticket names.
const JOIN_COOKIE: &str = "__Host-lab_join";

/// Whether the requests of `route` are steps of a journey. The files of a page are none, nor
/// the stream by which a page learns that its session has ended, nor what belongs to the lab.
/// This is the one place that says so: their spans, and all inside them, have no journey.
pub(crate) fn is_step(route: &str) -> bool {
    let is_file = |under: &str| route.starts_with(under);
    let others = ["/assets/", "/docs/ui/", "/favicon", "/lab/"];
    route != "/session/events" && !others.into_iter().any(is_file)
}

/// The journey of a request to `service` with these headers.
pub fn of_cookie(
    keys: &JourneyKeys,
    service: &str,
    now: impl FnOnce() -> Timestamp,
    headers: &HeaderMap,
) -> Option<Journey> {
    let mut lines = headers.get_all(header::COOKIE);
    // The whole cost of a request outside a journey.
    lines.find(|line| memmem::find(line.as_bytes(), COOKIE.as_bytes()).is_some())?;
    keys.of_cookie(Cookies::in_headers(headers).get(COOKIE)?, service, now())
}

/// The cookie `name`, for `secs` seconds.
pub fn cookie(name: &'static str, value: String, secs: i64) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(secs))
        .finish()
}

/// How long a service's cookie names a journey, in seconds.
pub fn life() -> i64 {
    i64::try_from(LIFE.as_secs()).unwrap_or(i64::MAX)
}

/// What joining needs.
pub(crate) struct Joining {
    pub(crate) service: &'static str,
    pub(crate) keys: Arc<JourneyKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// `GET /lab/join` and `GET /lab/back`.
pub(crate) fn routes(cfg: &mut ServiceConfig, joining: &web::Data<Joining>) {
    let resource = |path: &str| web::resource(path.to_owned()).app_data(joining.clone());
    cfg.service(resource(JOIN).route(web::get().to(join_or_ask)))
        .service(resource(BACK).route(web::get().to(back)));
}

/// To the lab, which knows where the browser goes on.
async fn back(joining: web::Data<Joining>) -> HttpResponse {
    redirect(&format!("{}/journey", joining.keys.lab_url()), &[])
}

#[derive(Deserialize)]
struct Brought {
    ticket: Option<String>,
}

async fn join_or_ask(
    req: HttpRequest,
    brought: web::Query<Brought>,
    joining: web::Data<Joining>,
) -> HttpResponse {
    match &brought.ticket {
        None => joining.ask(),
        Some(ticket) => joining.join(&req, ticket),
    }
}

impl Joining {
    /// Sends the browser to the lab for a ticket that is good for this browser alone.
    fn ask(&self) -> HttpResponse {
        let value = self.random.token();
        let (lab, service) = (self.keys.lab_url(), self.service);
        let challenge = seal::fingerprint(&value);
        let location = format!("{lab}/journey/ticket?service={service}&challenge={challenge}");
        redirect(&location, &[cookie(JOIN_COOKIE, value, TICKET_LIFE)])
    }

    fn join(&self, req: &HttpRequest, ticket: &str) -> HttpResponse {
        let ticket = self
            .keys
            .open_ticket(ticket, self.service, self.clock.now());
        let own = Cookies::of(req).get(JOIN_COOKIE).map(seal::fingerprint);
        // Hashes: how long a comparison takes says nothing about the cookie.
        let Some(ticket) = ticket.filter(|ticket| own.as_ref() == Some(&ticket.challenge)) else {
            let page = asking::without_journey(self.service, req.headers());
            return page.unwrap_or_else(|| self.refusal());
        };
        let spent = cookie(JOIN_COOKIE, String::new(), 0);
        let page = asking::page_of(self.service, req.headers());
        let next = page.unwrap_or(&ticket.next);
        if ticket.leaves {
            let gone = cookie(COOKIE, String::new(), 0);
            return redirect(next, &[gone, spent]);
        }
        let value = self.keys.cookie(
            &ticket.journey,
            self.service,
            self.clock.now(),
            &*self.random,
        );
        let mut own = cookie(COOKIE, value, life());
        // A weakness for requests of other sites is known only if their requests carry the
        // journey too.
        own.set_same_site(same_site(ticket.journey.settings().weaknesses));
        redirect(next, &[own, spent])
    }

    fn refusal(&self) -> HttpResponse {
        tracing::info!("a browser sent a ticket that is not its own or has expired");
        Message::new(
            "Ticket not accepted",
            "This link lets a browser join a journey of the lab. It works once, for a minute, in the browser that asked for it.",
        )
        .what_to_do("Start the journey again from the lab.")
        .way("To the lab", self.keys.lab_url())
        .respond(Site::Lab, StatusCode::BAD_REQUEST)
    }
}

pub(crate) fn redirect(location: &str, cookies: &[Cookie<'_>]) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    answer
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // The ticket stays out of what the next site sees.
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    for cookie in cookies {
        answer.cookie(cookie.clone());
    }
    answer.finish()
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        test::{TestRequest, call_service, init_service},
    };
    use kit::{
        clock::ManualClock,
        config::Weakness,
        journey::{Settings, Ticket},
        random::OsRandom,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const NEXT: &str = "http://app2.localhost:8083/lab/join";

    fn keys() -> Arc<JourneyKeys> {
        let secret = "0123456789abcdef0123456789abcdef".to_owned().into();
        Arc::new(JourneyKeys::new(&secret, "http://lab.localhost:8080"))
    }

    /// Status, `Location`, and the cookies that are set.
    type Answer = (u16, String, Vec<(String, String)>);

    async fn ask(path: &str, join_cookie: Option<&str>) -> Answer {
        let joining = web::Data::new(Joining {
            service: "app1-bff",
            keys: keys(),
            clock: Arc::new(ManualClock::new(NOW)),
            random: Arc::new(OsRandom),
        });
        let app = App::new().configure(|cfg| routes(cfg, &joining));
        let app = init_service(app).await;
        let mut request = TestRequest::get().uri(path);
        if let Some(value) = join_cookie {
            request = request.insert_header((header::COOKIE, format!("{JOIN_COOKIE}={value}")));
        }
        let answer = call_service(&app, request.to_request()).await;
        let location = answer.headers().get(header::LOCATION);
        let location = location
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        let cookies = answer.response().cookies();
        let cookies = cookies.map(|one| (one.name().to_owned(), one.value().to_owned()));
        (answer.status().as_u16(), location, cookies.collect())
    }

    fn ticket(journey: Journey, value: &str, service: &str) -> String {
        let ticket = Ticket {
            journey,
            challenge: seal::fingerprint(value),
            next: NEXT.to_owned(),
            leaves: false,
        };
        keys().ticket(&ticket, service, NOW, &OsRandom)
    }

    #[actix_web::test]
    async fn a_browser_asks_for_a_ticket_of_its_own_and_joins_with_it() {
        let (status, location, cookies) = ask(JOIN, None).await;
        assert_eq!(status, 303);
        let value = &cookies[0].1;
        let challenge = seal::fingerprint(value);
        let asked = format!(
            "http://lab.localhost:8080/journey/ticket?service=app1-bff&challenge={challenge}"
        );
        assert_eq!(location, asked);
        let journey = keys().begin(&OsRandom);
        let good = ticket(journey, value, "app1-bff");
        let (status, location, cookies) = ask(&format!("{JOIN}?ticket={good}"), Some(value)).await;
        assert_eq!((status, &*location), (303, NEXT));
        let own = &cookies.iter().find(|(name, _)| name == COOKIE).unwrap().1;
        assert_eq!(keys().of_cookie(own, "app1-bff", NOW), Some(journey));
        assert!(cookies.contains(&(JOIN_COOKIE.to_owned(), String::new())));
    }

    #[actix_web::test]
    async fn the_way_back_leads_to_the_lab_and_nowhere_else() {
        for path in [BACK, "/lab/back?next=http://evil.localhost"] {
            let (status, location, cookies) = ask(path, None).await;
            assert_eq!((status, cookies.len()), (303, 0));
            assert_eq!(location, "http://lab.localhost:8080/journey");
        }
    }

    #[actix_web::test]
    async fn a_browser_leaves_the_journey_that_has_ended() {
        let ticket = Ticket {
            journey: keys().begin(&OsRandom),
            challenge: seal::fingerprint("own"),
            next: NEXT.to_owned(),
            leaves: true,
        };
        let ticket = keys().ticket(&ticket, "app1-bff", NOW, &OsRandom);
        let path = format!("{JOIN}?ticket={ticket}");
        let (status, location, cookies) = ask(&path, Some("own")).await;
        assert_eq!((status, &*location), (303, NEXT));
        assert!(cookies.contains(&(COOKIE.to_owned(), String::new())));
        assert_eq!(ask(&path, Some("another")).await.0, 400);
    }

    #[actix_web::test]
    async fn no_link_makes_another_browser_join() {
        let value = "the-attackers-own-value";
        let good = ticket(keys().begin(&OsRandom), value, "app1-bff");
        let others = ticket(keys().begin(&OsRandom), value, "app2-bff");
        for (ticket, cookie) in [
            (&good, None),
            (&good, Some("the-victims-value")),
            (&good, Some("")),
            (&others, Some(value)),
            (&"forged".to_owned(), Some(value)),
        ] {
            let (status, _, cookies) = ask(&format!("{JOIN}?ticket={ticket}"), cookie).await;
            assert_eq!(status, 400);
            assert!(cookies.is_empty(), "{cookies:?}");
        }
    }

    #[test]
    fn what_is_no_step_of_a_sign_in_is_in_no_journey() {
        for route in [
            "/",
            "/session",
            "/login",
            "/callback",
            "/sessions",
            "/resource",
        ] {
            assert!(is_step(route), "{route}");
        }
        for route in [
            "/session/events",
            "/assets/{file}",
            "/docs/ui/{file}",
            "/lab/pass",
        ] {
            assert!(!is_step(route), "{route}");
        }
    }

    #[test]
    fn a_request_is_weakened_by_its_own_journey_alone_and_for_its_time() {
        let (keys, mut headers) = (keys(), HeaderMap::new());
        let weak = Settings {
            weaknesses: [Weakness::GetOrders].into_iter().collect(),
            weakened_until: NOW.secs() + 60,
            explain: false,
        };
        let mut at = |journey: Journey, after: i64| {
            let own = keys.cookie(&journey, "idp", NOW, &OsRandom);
            headers.insert(header::COOKIE, format!("{COOKIE}={own}").parse().unwrap());
            let now = || Timestamp::from_secs(NOW.secs() + after);
            let settings = of_cookie(&keys, "idp", now, &headers).unwrap().settings();
            settings.weaknesses.contains(Weakness::GetOrders)
        };
        let (own, others) = (keys.begin(&OsRandom).with(weak), keys.begin(&OsRandom));
        assert!(at(own, 0) && at(own, 59));
        assert!(!at(own, 60) && !at(others, 0));
    }

    #[test]
    fn a_request_belongs_to_the_journey_that_its_cookie_names() {
        let (keys, mut headers) = (keys(), HeaderMap::new());
        let journey = keys.begin(&OsRandom);
        let own = keys.cookie(&journey, "idp", NOW, &OsRandom);
        let mut with = |line: String| {
            headers.clear();
            headers.append(header::COOKIE, line.parse().unwrap());
            of_cookie(&keys, "idp", || NOW, &headers)
        };
        assert_eq!(with(format!("a=b; {COOKIE}={own}")), Some(journey));
        assert_eq!(with(format!("{COOKIE}={own}; {COOKIE}={own}")), None);
        assert_eq!(with(format!("{COOKIE}=forged")), None);
        assert_eq!(with("a=b".to_owned()), None);
    }
}
