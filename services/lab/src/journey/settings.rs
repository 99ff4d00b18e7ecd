//! What a learner sets for the own journey: `POST /journey/weaken` switches defences off for
//! a stated time, `POST /journey/explain` has each redirect explained. The settings are part
//! of the journey, so the browser joins each service again and brings them along.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, ServiceConfig},
};
use kit::{
    clock::Timestamp,
    config::{Site, Weakness},
    journey::Settings,
};
use oauth_types::Params;
use web_kit::{body::Body, ui::Message};

use super::{LiveDiagram, join::foreign_settings, then};
use crate::own_form::{self, BadForm};

/// The most bytes of a form.
const MAX_FORM: usize = 2 * 1024;
/// How long a defence is off if the form does not say it, in minutes.
pub(crate) const MINUTES: i64 = 10;
/// The longest time, in minutes.
pub(crate) const MAX_MINUTES: i64 = 30;
/// Why a form does not switch explain mode.
const NO_EXPLAIN: &str = "The form does not say explain=on or explain=off.";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    use actix_web::web::{post, resource};
    cfg.service(resource("/journey/weaken").route(post().to(weaken)))
        .service(resource("/journey/explain").route(post().to(explain)));
}

/// The settings `before`, with these defences off for `minutes` from `now` and all others on.
pub(crate) fn weakened(
    before: Settings,
    weaknesses: &[Weakness],
    now: Timestamp,
    minutes: i64,
) -> Settings {
    Settings {
        weaknesses: weaknesses.iter().copied().collect(),
        weakened_until: now.secs() + 60 * minutes,
        ..before
    }
}

/// The form of either.
#[derive(Debug, Default, PartialEq, Eq)]
struct Form {
    weaknesses: Vec<Weakness>,
    minutes: Option<i64>,
    explain: Option<bool>,
    /// The page of this site where the browser goes in the end.
    then: Option<String>,
}

/// `POST /journey/weaken`: `weaken` names a defence and may be there many times; without
/// any, all defences are on again. `minutes` is the time.
async fn weaken(req: HttpRequest, body: Body, live: Data<LiveDiagram>) -> HttpResponse {
    let form = match Form::read(&req, body, &live).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let minutes = form.minutes.unwrap_or(MINUTES);
    let settings = |before| weakened(before, &form.weaknesses, live.clock.now(), minutes);
    live.set_and_go(&req, settings, form.then.as_deref())
}

/// `POST /journey/explain`: `explain` is `on` or `off`.
async fn explain(req: HttpRequest, body: Body, live: Data<LiveDiagram>) -> HttpResponse {
    let form = match Form::read(&req, body, &live).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let Some(explain) = form.explain else {
        return refusal(&BadForm::Field(NO_EXPLAIN.to_owned()));
    };
    let settings = |before: Settings| Settings { explain, ..before };
    live.set_and_go(&req, settings, form.then.as_deref())
}

impl Form {
    /// The form of this site's own page. One of another page is refused before its body is
    /// read.
    async fn read(req: &HttpRequest, body: Body, live: &LiveDiagram) -> Result<Self, HttpResponse> {
        if !live.is_own_page(req) {
            return Err(foreign_settings());
        }
        let params = own_form::read(req, body, MAX_FORM).await;
        let form = params.and_then(|params| Self::of(&params));
        form.map_err(|bad| refusal(&bad))
    }

    fn of(params: &Params) -> Result<Self, BadForm> {
        let then = params.one("then")?.map(str::to_owned);
        let strange = then.as_deref().is_some_and(|page| !then::is_own(page));
        if strange {
            let why = "then is no page of this site to which a form leads.";
            return Err(BadForm::Field(why.to_owned()));
        }
        let explain = params.one("explain")?.map(|text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(BadForm::Field(NO_EXPLAIN.to_owned())),
        });
        Ok(Self {
            weaknesses: params
                .all("weaken")
                .map(weakness)
                .collect::<Result<_, _>>()?,
            minutes: params.one("minutes")?.map(minutes).transpose()?,
            explain: explain.transpose()?,
            then,
        })
    }
}

fn weakness(name: &str) -> Result<Weakness, BadForm> {
    let known = Weakness::named(name).filter(|one| one.fits_a_journey());
    known.ok_or_else(|| {
        let all = Weakness::ALL.into_iter().filter(|one| one.fits_a_journey());
        let names: Vec<_> = all.map(Weakness::name).collect();
        BadForm::Field(format!(
            "A journey can be weakened by {}, and by nothing else.",
            names.join(", ")
        ))
    })
}

fn minutes(text: &str) -> Result<i64, BadForm> {
    let minutes = text.parse().ok();
    let minutes = minutes.filter(|minutes| (1..=MAX_MINUTES).contains(minutes));
    minutes.ok_or_else(|| {
        let why = format!("minutes is a number from 1 to {MAX_MINUTES}.");
        BadForm::Field(why)
    })
}

fn refusal(bad: &BadForm) -> HttpResponse {
    Message::new("Setting refused", bad.to_string())
        .way("To the live diagram", "/journey")
        .respond(Site::Lab, bad.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Result<Form, BadForm> {
        let fields = url::form_urlencoded::parse(text.as_bytes());
        Form::of(&fields.into_owned().collect())
    }

    #[test]
    fn a_form_names_weaknesses_their_time_and_the_next_page() {
        let long = "weaken=alg-none&weaken=any-audience&minutes=5&then=/attacks/alg-none";
        let expected = Form {
            weaknesses: vec![Weakness::AlgNone, Weakness::AnyAudience],
            minutes: Some(5),
            explain: None,
            then: Some("/attacks/alg-none".to_owned()),
        };
        assert_eq!(form(long).unwrap(), expected);
        assert_eq!(form("").unwrap(), Form::default());
        assert_eq!(form("explain=on").unwrap().explain, Some(true));
        assert_eq!(form("explain=off").unwrap().explain, Some(false));
    }

    #[test]
    fn what_does_not_fit_a_journey_and_odd_times_are_refused() {
        for wrong in [
            "weaken=nonsense",
            "weaken=trust-any-proxy",
            "weaken=cors-any-origin",
            "minutes=0",
            "minutes=31",
            "minutes=x",
            "minutes=5&minutes=30",
            "explain=yes",
            "explain=on&explain=off",
            "then=http://evil.localhost:8087",
            "then=/attacks/x;%20Domain=localhost",
            "then=/attacks/a&then=/attacks/b",
        ] {
            assert!(form(wrong).is_err(), "{wrong}");
        }
    }
}
