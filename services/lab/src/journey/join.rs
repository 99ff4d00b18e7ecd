//! A browser's way into its journey: `POST /journey` begins one and sends the browser to
//! each service in turn; `GET /journey/ticket` answers a service that asks which journey the
//! browser is in. Only the lab's own cookie says so, and only the lab's own page sets it.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web::{Data, Query},
};
use kit::{
    config::{Addresses, Site},
    journey::{COOKIE, Journey, Settings, Ticket},
};
use serde::Deserialize;
use web_kit::{
    client::client_addr,
    cookies::Cookies,
    journey::{JOIN, asking::ASKING, cookie, life},
    ui::Message,
};

use super::{LiveDiagram, then};

/// For whom the lab's own cookie is sealed. It is no service's name, so the lab's own
/// requests belong to no journey.
const OWN_COOKIE: &str = "the lab itself";
/// The services that a browser joins, in this order, with their names in traces.
const JOINED: [(Site, &str); 5] = [
    (Site::App1, "app1-bff"),
    (Site::App2, "app2-bff"),
    (Site::Idp, "idp"),
    (Site::Spa, "spa"),
    (Site::Evil, "evil"),
];
/// The cookie of a browser on its way out of a journey, for as many seconds as that takes.
const LEAVING: &str = "__Host-lab_leaving";
const LEAVING_LIFE: i64 = 60;
/// The length of a challenge, a SHA-256 in base64url.
const CHALLENGE: usize = 43;

/// `POST /journey`: begins a journey, in place of the former one of this browser.
pub(super) async fn begin(req: HttpRequest, live: Data<LiveDiagram>) -> HttpResponse {
    live.begin(&req)
}

/// `POST /journey/end`: ends the journey of this browser.
pub(super) async fn end(req: HttpRequest, live: Data<LiveDiagram>) -> HttpResponse {
    if !is_own_page(req.headers(), live.keys.lab_url()) {
        return refusal(
            StatusCode::FORBIDDEN,
            "Only the lab's own page ends a journey.",
        );
    }
    live.end(&req);
    if live.named(&req).is_none() {
        return redirect("/journey");
    }
    // The services' cookies go too: the browser visits each, and the lab's own page last.
    let mut answer = redirect(&next_of(&live.addresses, None));
    let _ = answer.add_cookie(&cookie(LEAVING, String::from("1"), LEAVING_LIFE));
    answer
}

/// Whether the browser of `req` is on its way out of a journey.
pub(super) fn is_leaving(req: &HttpRequest) -> bool {
    Cookies::of(req).get(LEAVING).is_some()
}

/// The browser has left its journey: nothing of it stays here.
pub(super) fn forget(answer: &mut HttpResponse) {
    for name in [COOKIE, LEAVING] {
        // It fails only if the cookie cannot be written as a header.
        let _ = answer.add_cookie(&cookie(name, String::new(), 0));
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    service: String,
    challenge: String,
}

/// `GET /journey/ticket`: a service asks which journey this browser is in.
pub(super) async fn ticket(
    req: HttpRequest,
    asked: Query<Asked>,
    live: Data<LiveDiagram>,
) -> HttpResponse {
    let mut all = JOINED.iter().chain(&ASKING);
    let known = all.find(|(_, name)| *name == asked.service);
    let home = known.and_then(|(site, _)| live.addresses.link(*site));
    let (Some((site, service)), Some(home)) = (known, home) else {
        return refusal(StatusCode::BAD_REQUEST, "No such service asks for tickets.");
    };
    if asked.challenge.len() != CHALLENGE || !asked.challenge.is_ascii() {
        return refusal(
            StatusCode::BAD_REQUEST,
            "The service's request cannot be read.",
        );
    }
    let is_asking = ASKING.iter().any(|(one, _)| one == site);
    let (journey, leaves) = if is_leaving(&req) {
        (live.named(&req), true)
    } else if is_asking && !live.has_journey(&req) {
        // The page is shown all the same, and a cookie of an earlier journey goes.
        (Some(live.keys.begin(&*live.random)), true)
    } else {
        (live.journey(&req), false)
    };
    let Some(journey) = journey else {
        return refusal(StatusCode::BAD_REQUEST, "This browser is in no journey.");
    };
    let ticket = Ticket {
        leaves,
        journey,
        challenge: asked.challenge.clone(),
        next: if is_asking {
            format!("{home}/")
        } else {
            next_of(&live.addresses, Some(*site))
        },
    };
    let ticket = live
        .keys
        .ticket(&ticket, service, live.clock.now(), &*live.random);
    redirect(&format!("{home}{JOIN}?ticket={ticket}"))
}

impl LiveDiagram {
    /// Begins a journey for the browser of `req`, which in the end opens `page` of this site.
    pub(crate) fn begin_and_go(&self, req: &HttpRequest, page: &str) -> HttpResponse {
        let mut answer = self.begin(req);
        if answer.status().is_redirection() {
            then::remember(&mut answer, page);
        }
        answer
    }

    /// Whether the browser of `req` is in a journey.
    pub(crate) fn has_journey(&self, req: &HttpRequest) -> bool {
        self.journey(req).is_some()
    }

    fn begin(&self, req: &HttpRequest) -> HttpResponse {
        if !is_own_page(req.headers(), self.keys.lab_url()) {
            return refusal(
                StatusCode::FORBIDDEN,
                "Only the lab's own page begins a journey.",
            );
        }
        self.end(req);
        self.join(&self.new_journey(req))
    }

    /// Begins a journey for the browser of `req`, which does not know it yet.
    pub(crate) fn new_journey(&self, req: &HttpRequest) -> Journey {
        let journey = self.keys.begin(&*self.random);
        self.journeys
            .begin(journey.tag(), client_addr(req).bucket());
        journey
    }

    /// Changes the settings of the journey of this browser, which then opens `page` of this
    /// site. A browser that is in no journey begins one.
    pub(crate) fn set_and_go(
        &self,
        req: &HttpRequest,
        settings: impl FnOnce(Settings) -> Settings,
        page: Option<&str>,
    ) -> HttpResponse {
        if !self.is_own_page(req) {
            return foreign_settings();
        }
        let journey = self.journey(req).unwrap_or_else(|| self.new_journey(req));
        let journey = journey.with(settings(journey.settings()));
        match page {
            Some(page) => self.join_and_go(&journey, page),
            None => self.join(&journey),
        }
    }

    /// Lets the browser join `journey`, and then open `page` of this site.
    pub(crate) fn join_and_go(&self, journey: &Journey, page: &str) -> HttpResponse {
        let mut answer = self.join(journey);
        then::remember(&mut answer, page);
        answer
    }

    /// What the lab has set for the journey of the browser of `req`.
    pub(crate) fn settings(&self, req: &HttpRequest) -> Settings {
        let journey = self.journey(req).map(|journey| journey.settings());
        journey.unwrap_or_default()
    }

    /// Sends the browser to each service in turn, which it joins as part of `journey`.
    fn join(&self, journey: &Journey) -> HttpResponse {
        let value = self
            .keys
            .cookie(journey, OWN_COOKIE, self.clock.now(), &*self.random);
        let first = next_of(&self.addresses, None);
        let mut answer = redirect(&first);
        // They fail only if a cookie cannot be written as a header.
        let _ = answer.add_cookie(&cookie(COOKIE, value, life()));
        let _ = answer.add_cookie(&cookie(LEAVING, String::new(), 0));
        answer
    }

    /// Whether `req` comes from a page of this site.
    pub(crate) fn is_own_page(&self, req: &HttpRequest) -> bool {
        is_own_page(req.headers(), self.keys.lab_url())
    }

    /// The journey of this browser, if it goes on.
    pub(crate) fn journey(&self, req: &HttpRequest) -> Option<Journey> {
        let journey = self.named(req)?;
        self.journeys.find(journey.tag()).map(|_| journey)
    }

    fn named(&self, req: &HttpRequest) -> Option<Journey> {
        let cookies = Cookies::of(req);
        let value = cookies.get(COOKIE)?;
        self.keys.of_cookie(value, OWN_COOKIE, self.clock.now())
    }

    fn end(&self, req: &HttpRequest) {
        if let Some(journey) = self.named(req) {
            self.journeys.end(journey.tag());
        }
    }
}

/// Another page asks for settings of a journey.
pub(super) fn foreign_settings() -> HttpResponse {
    refusal(
        StatusCode::FORBIDDEN,
        "Only the lab's own page changes a journey's settings.",
    )
}

/// Where the browser goes after `joined`: to the next service that this deployment has, in
/// the end to the diagram.
fn next_of(addresses: &Addresses, joined: Option<Site>) -> String {
    let at = |site| JOINED.iter().position(|(one, _)| *one == site);
    let rest = joined.and_then(at).map_or(0, |at| at + 1);
    let mut rest = JOINED[rest..].iter();
    let next = rest.find_map(|(site, _)| addresses.link(*site));
    match next {
        Some(home) => format!("{home}{JOIN}"),
        None => format!("{}/journey", addresses.url(Site::Lab)),
    }
}

/// Whether the request comes from a page of this site. A browser that does not send
/// `Sec-Fetch-Site` sends `Origin` with a form.
pub(crate) fn is_own_page(headers: &HeaderMap, own: &str) -> bool {
    let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match (value("origin"), value("sec-fetch-site")) {
        (Some(origin), None) => origin == own.as_bytes(),
        (Some(origin), Some(site)) => origin == own.as_bytes() && site == b"same-origin",
        (None, site) => site == Some(b"same-origin"),
    }
}

/// To another page, which does not see where the browser came from.
pub(crate) fn redirect(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

fn refusal(status: StatusCode, why: &str) -> HttpResponse {
    Message::new("No journey", why)
        .what_to_do("Start a journey from the lab's page.")
        .way("To the live diagram", "/journey")
        .respond(Site::Lab, status)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    #[test]
    fn the_browser_joins_each_service_in_turn_and_returns_to_the_diagram() {
        let addresses = Addresses::default();
        let mut at = None;
        let mut ways = vec![next_of(&addresses, at)];
        for (site, _) in JOINED {
            at = Some(site);
            ways.push(next_of(&addresses, at));
        }
        assert_eq!(
            ways,
            [
                "http://app1.localhost:8082/lab/join",
                "http://app2.localhost:8083/lab/join",
                "http://idp.localhost:8081/lab/join",
                "http://spa.localhost:8086/lab/join",
                "http://evil.localhost:8087/lab/join",
                "http://lab.localhost:8080/journey",
            ]
        );
        let apart = Addresses::default().of_sites("lab,idp,app2".parse().unwrap());
        assert_eq!(next_of(&apart, None), "http://app2.localhost:8083/lab/join");
        assert_eq!(
            next_of(&apart, Some(Site::Idp)),
            "http://lab.localhost:8080/journey"
        );
    }

    #[test]
    fn only_the_labs_own_page_begins_a_journey() {
        const OWN: &str = "http://lab.localhost:8080";
        let judge = |sent: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                let name = HeaderName::from_static(name);
                headers.insert(name, HeaderValue::from_static(value));
            }
            is_own_page(&headers, OWN)
        };
        assert!(judge(&[("origin", OWN), ("sec-fetch-site", "same-origin")]));
        assert!(judge(&[("origin", OWN)]));
        assert!(judge(&[("sec-fetch-site", "same-origin")]));
        for foreign in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "http://evil.localhost:8087")],
            &[("origin", OWN), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert!(!judge(foreign), "{foreign:?}");
        }
    }
}
