//! The page of the failure switches, and its forms.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use kit::{
    config::Site,
    lab_control::{Amount, DEFAULT_SECONDS, Fault, InForce, ROTATED_KEY, SECONDS},
};
use oauth_types::Params;
use serde_json::json;
use web_kit::{
    body::Body,
    ui::{
        self, Csp, Message,
        rust_embed::{self, EmbeddedFile, RustEmbed},
    },
};

use super::{Answers, Failures, PATH, Rotation, State};
use crate::{
    journey::{is_own_page, redirect},
    own_form::{self, BadForm},
};

/// The most bytes of a form.
const MAX_FORM: usize = 1024;

#[derive(RustEmbed)]
#[folder = "assets/failures/"]
struct Own;

/// A file of the page.
pub(crate) fn file(name: &str) -> Option<EmbeddedFile> {
    Own::get(name)
}

/// One switch of the page.
struct Switch {
    title: &'static str,
    fault: &'static str,
    /// What to look for.
    look: &'static str,
    amount: Option<Amount>,
    /// The services that it concerns, with their names on pages.
    services: Vec<(&'static str, &'static str)>,
}

/// A failure that is on, with its service.
struct On {
    service: &'static str,
    site: Site,
    failure: InForce,
    /// At how many replicas, if not at all.
    part: String,
}

#[derive(Template)]
#[template(path = "failures/page.html")]
struct Page {
    on: Vec<On>,
    switches: Vec<Switch>,
    states: Vec<State>,
    rotation: Option<Rotation>,
}

impl Page {
    fn file(name: &str) -> String {
        ui::asset_url(file, name)
    }

    const fn default_seconds() -> i64 {
        DEFAULT_SECONDS
    }

    const fn most_seconds() -> i64 {
        *SECONDS.end()
    }
}

/// The switches in the order of the page: title, failure, sites, what to look for.
const SWITCHES: [(&str, &str, &[Site], &str); 6] = [
    (
        "Slow token endpoint",
        Fault::SlowToken.name(),
        &[Site::Idp],
        "Sign in to an app: its callback waits for the tokens. Calls with a token that is still valid are as fast as before.",
    ),
    (
        "Store away",
        Fault::StoreAway.name(),
        &[Site::Idp, Site::App1, Site::App2, Site::Api1, Site::Api2],
        "Call an API from each session mode. What is kept in cookies goes on; what needs the store answers 503 with Retry-After, and nobody is signed out.",
    ),
    (
        "Rotated key",
        ROTATED_KEY,
        &[Site::Idp],
        "The provider signs with a new key at once and withdraws the old one, as an immediate rotation by sso-lab keys rotate does. Look at the kid of the next token, and how apps and APIs fetch /jwks again. It has no end.",
    ),
    (
        "Clock skew",
        Fault::ClockSkew.name(),
        &[Site::Idp, Site::App1, Site::App2, Site::Api1, Site::Api2],
        "A fast provider issues tokens from the future: apps and APIs refuse them beyond a few seconds. An API whose clock is fast takes valid tokens for expired. A negative shift makes a slow clock.",
    ),
    (
        "Provider down",
        Fault::Down.name(),
        &[Site::Idp],
        "Nobody signs in anew. Sessions go on until their access tokens have ended: APIs verify a JWT without the provider.",
    ),
    (
        "API down",
        Fault::Down.name(),
        &[Site::Api1, Site::Api2],
        "The apps answer 502 or 503 for calls to this API, keep the session, and go on with the other API.",
    ),
];

/// `GET /failures`.
pub(super) async fn show(failures: Data<Failures>) -> HttpResponse {
    let states = failures.states().await;
    let on = states.iter().flat_map(|state| {
        state.in_force.iter().map(|held| On {
            service: state.name,
            site: state.site,
            failure: held.failure.clone(),
            part: state.part(held),
        })
    });
    let page = Page {
        on: on.collect(),
        switches: switches(&states),
        states,
        rotation: failures.rotation(),
    };
    ui::page(Site::Lab, "Failures", StatusCode::OK, &page, &Csp::strict())
}

fn switches(states: &[State]) -> Vec<Switch> {
    let switch = |(title, fault, sites, look): (_, _, &[Site], _)| {
        let there = states.iter().filter(|state| sites.contains(&state.site));
        Switch {
            title,
            fault,
            look,
            amount: Fault::named(fault).and_then(Fault::amount),
            services: there
                .map(|state| (state.name, state.site.short_name()))
                .collect(),
        }
    };
    let all = SWITCHES.into_iter().map(switch);
    all.filter(|switch| !switch.services.is_empty()).collect()
}

/// What the form says.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    service: String,
    fault: String,
    seconds: Option<i64>,
    amount: Option<i64>,
    off: bool,
}

impl Form {
    fn of(params: &Params) -> Result<Self, BadForm> {
        Ok(Self {
            service: params.one("service")?.unwrap_or_default().to_owned(),
            fault: params.one("fault")?.unwrap_or_default().to_owned(),
            seconds: number(params, "seconds")?,
            amount: number(params, "amount")?,
            off: params.one("off")?.is_some(),
        })
    }
}

fn number(params: &Params, name: &'static str) -> Result<Option<i64>, BadForm> {
    let text = params.one(name)?;
    let number = text.map(|text| text.trim().parse::<i64>()).transpose();
    number.map_err(|_| BadForm::Field(format!("{name} is a whole number.")))
}

/// `POST /failures`: switches a failure of one service on or off, and shows the page again.
pub(super) async fn switch(req: HttpRequest, body: Body, failures: Data<Failures>) -> HttpResponse {
    if !is_own_page(req.headers(), failures.keys.lab_url()) {
        let why = "Only the lab's own page switches failures.";
        return refusal(StatusCode::FORBIDDEN, why);
    }
    let params = own_form::read(&req, body, MAX_FORM).await;
    let form = match params.and_then(|params| Form::of(&params)) {
        Ok(form) => form,
        Err(bad) => return refusal(bad.status(), &bad.to_string()),
    };
    let answers = match failures.switch(&form).await {
        Ok(answers) => answers,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, why),
    };
    match answers.problem("did so") {
        Some(why) if answers.is_refused() => refusal(StatusCode::BAD_REQUEST, &why),
        Some(why) => refusal(StatusCode::BAD_GATEWAY, &why),
        None => redirect(PATH),
    }
}

impl Failures {
    async fn switch(&self, form: &Form) -> Result<Answers, &'static str> {
        let service = self.controls.named(&form.service);
        let service = service.ok_or("There is no such service.")?;
        if form.off {
            let fault = Fault::named(&form.fault).ok_or("There is no such failure.")?;
            return Ok(self.end(service, Some(fault)).await);
        }
        let body = if form.fault == ROTATED_KEY {
            json!({ "fault": ROTATED_KEY })
        } else {
            json!({ "fault": form.fault, "seconds": form.seconds, "amount": form.amount })
        };
        Ok(self.set(service, body).await)
    }
}

fn refusal(status: StatusCode, why: &str) -> HttpResponse {
    Message::new("Not switched", why)
        .way("To the failure switches", PATH)
        .respond(Site::Lab, status)
}

#[cfg(test)]
mod tests {
    use kit::clock::Timestamp;
    use oauth_types::params::Limits;

    use super::*;

    fn state(site: Site, name: &'static str) -> State {
        State {
            name,
            site,
            in_force: Vec::new(),
            replicas: 1,
            problem: None,
        }
    }

    #[test]
    fn every_failure_has_a_switch_and_every_switch_fits_its_services() {
        for fault in Fault::ALL {
            let sites = SWITCHES
                .iter()
                .filter(|(_, name, ..)| *name == fault.name());
            let sites: Vec<_> = sites.flat_map(|(_, _, sites, _)| *sites).collect();
            assert!(!sites.is_empty() && sites.iter().all(|site| fault.fits(**site)));
        }
    }

    #[test]
    fn a_switch_names_the_services_that_the_deployment_has() {
        let states = [state(Site::Idp, "idp"), state(Site::App1, "app1-bff")];
        let switches = switches(&states);
        assert!(!switches.iter().any(|switch| switch.title == "API down"));
        let away = switches.iter().find(|switch| switch.title == "Store away");
        let services = &away.unwrap().services;
        assert_eq!(services[..], [("idp", "idp"), ("app1-bff", "app1")]);
    }

    fn form(text: &str) -> Result<Form, BadForm> {
        let limits = Limits {
            bytes: MAX_FORM,
            count: 8,
        };
        Form::of(&Params::parse(text.as_bytes(), limits).unwrap())
    }

    #[test]
    fn a_form_is_read() {
        let read = form("service=idp&fault=clock-skew&seconds=10&amount=-5").unwrap();
        let expected = Form {
            service: "idp".to_owned(),
            fault: "clock-skew".to_owned(),
            seconds: Some(10),
            amount: Some(-5),
            off: false,
        };
        assert_eq!(read, expected);
        assert!(form("service=idp&fault=down&off=1").unwrap().off);
        for refused in ["seconds=long", "amount=1.5", "service=idp&service=api-1"] {
            let bad = form(refused).unwrap_err();
            assert_eq!(bad.status(), StatusCode::BAD_REQUEST, "{refused}");
        }
    }

    #[test]
    fn the_page_shows_what_is_on_with_its_remaining_time() {
        let states = vec![state(Site::Idp, "idp")];
        let failure = InForce {
            fault: "down".to_owned(),
            amount: 0,
            remaining_ms: 41_500,
            sentence: "The service <b> is down.".to_owned(),
        };
        let page = Page {
            on: vec![On {
                service: "idp",
                site: Site::Idp,
                failure,
                part: " This holds for 1 of 2 replicas.".to_owned(),
            }],
            switches: switches(&states),
            states,
            rotation: Some(Rotation {
                site: Site::Idp,
                at: Timestamp::from_secs(1_800_000_000),
                kids: vec!["new-1".to_owned(), "new-2".to_owned()],
            }),
        };
        let html = page.render().unwrap();
        assert!(html.contains("data-remaining=\"41500\"") && html.contains("42&nbsp;s"));
        assert!(html.contains("&#60;b&#62;") && !html.contains("style="));
        assert!(html.contains("1 of 2 replicas"), "{html}");
        assert!(html.contains("2027-01-15 08:00:00 UTC") && html.contains("<code>new-2</code>"));
    }
}
