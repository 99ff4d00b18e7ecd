//! What a learner sets for the own journey: `POST /journey/weaken` switches defences off for
//! a stated time, `POST /journey/explain` has each redirect explained. The settings are part
//! of the journey, so the browser joins each service again and brings them along.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, ServiceConfig},
};
use kit::{
    clock::Timestamp,
    config::{Site, Weakness},
    journey::Settings,
};
use url::form_urlencoded;
use web_kit::{body::Body, ui::Message};

use super::LiveDiagram;

/// The most bytes of a form.
const MAX_FORM: usize = 2 * 1024;
/// How long a defence is off if the form does not say it, in minutes.
pub(crate) const MINUTES: i64 = 10;
/// The longest time, in minutes.
const MAX_MINUTES: i64 = 30;

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
    let form = match Form::read(body).await {
        Ok(form) => form,
        Err(why) => return refusal(&why),
    };
    let minutes = form.minutes.unwrap_or(MINUTES);
    let settings = |before| weakened(before, &form.weaknesses, live.clock.now(), minutes);
    live.set_and_go(&req, settings, form.then.as_deref())
}

/// `POST /journey/explain`: `explain` is `on` or `off`.
async fn explain(req: HttpRequest, body: Body, live: Data<LiveDiagram>) -> HttpResponse {
    let form = match Form::read(body).await {
        Ok(form) => form,
        Err(why) => return refusal(&why),
    };
    let Some(explain) = form.explain else {
        return refusal("The form does not say explain=on or explain=off.");
    };
    let settings = |before: Settings| Settings { explain, ..before };
    live.set_and_go(&req, settings, form.then.as_deref())
}

impl Form {
    async fn read(body: Body) -> Result<Self, String> {
        let body = body.read(MAX_FORM).await;
        Self::of(&body.map_err(|error| error.to_string())?)
    }

    fn of(body: &[u8]) -> Result<Self, String> {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "weaken" => form.weaknesses.push(weakness(&value)?),
                "minutes" => form.minutes = Some(minutes(&value)?),
                "explain" => form.explain = Some(value == "on"),
                "then" => form.then = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(form)
    }
}

fn weakness(name: &str) -> Result<Weakness, String> {
    let known = Weakness::named(name).filter(|one| one.fits_a_journey());
    known.ok_or_else(|| {
        let all = Weakness::ALL.into_iter().filter(|one| one.fits_a_journey());
        let names: Vec<_> = all.map(Weakness::name).collect();
        format!(
            "A journey can be weakened by {}, and by nothing else.",
            names.join(", ")
        )
    })
}

fn minutes(text: &str) -> Result<i64, String> {
    let minutes = text.parse().ok();
    let minutes = minutes.filter(|minutes| (1..=MAX_MINUTES).contains(minutes));
    minutes.ok_or_else(|| format!("minutes is a number from 1 to {MAX_MINUTES}."))
}

fn refusal(why: &str) -> HttpResponse {
    Message::new("Setting refused", why)
        .way("To the live diagram", "/journey")
        .respond(Site::Lab, StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_weaknesses_their_time_and_the_next_page() {
        let form =
            Form::of(b"weaken=alg-none&weaken=any-audience&minutes=5&then=/attacks/alg-none");
        let expected = Form {
            weaknesses: vec![Weakness::AlgNone, Weakness::AnyAudience],
            minutes: Some(5),
            explain: None,
            then: Some("/attacks/alg-none".to_owned()),
        };
        assert_eq!(form, Ok(expected));
        assert_eq!(Form::of(b""), Ok(Form::default()));
        assert_eq!(Form::of(b"explain=on").unwrap().explain, Some(true));
        assert_eq!(Form::of(b"explain=off").unwrap().explain, Some(false));
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
        ] {
            assert!(Form::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
