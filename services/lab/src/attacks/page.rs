//! The pages: the list of the attacks, and one of each attack.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use kit::{
    clock::Timestamp,
    config::{Site, Weakness},
    journey::{JourneyTag, Settings},
};
use web_kit::ui::{
    self, Csp,
    rust_embed::{self, EmbeddedFile, RustEmbed},
    utc,
};

use super::{
    Attacks,
    attack::{Attack, Defence, Opens, Rule, Way},
    in_browser,
    list::LIST,
    outcomes::Ended,
    program::{AttackContext, Outcome},
    runs::micros,
};
use crate::{
    course::{Course, Place},
    evil,
    journey::{DiagramPage, MAX_MINUTES, MINUTES},
    scenarios::{self, scenario::Look},
};

#[derive(RustEmbed)]
#[folder = "assets/attacks/"]
struct Own;

/// A file of the pages.
pub(crate) fn file(name: &str) -> Option<EmbeddedFile> {
    Own::get(name)
}

fn url_of(name: &str) -> String {
    let all = |name: &str| file(name).or_else(|| scenarios::file(name));
    ui::asset_url(all, name)
}

/// What is off for the journey of the browser, and until when.
struct Off {
    weaknesses: Vec<Weakness>,
    until: String,
}

impl Off {
    fn of(settings: Settings) -> Option<Self> {
        let weaknesses: Vec<_> = settings.weaknesses.iter().collect();
        let until = utc(Timestamp::from_secs(settings.weakened_until));
        (!weaknesses.is_empty()).then_some(Self { weaknesses, until })
    }
}

/// `GET /attacks`.
#[derive(Template)]
#[template(path = "attacks/list.html")]
struct ListPage {
    course: &'static Course<Attack>,
    off: Option<Off>,
    then: &'static str,
    evil_url: Option<String>,
}

impl ListPage {
    /// What a journey can be weakened by, and whether each is off in it now.
    fn choices(&self) -> impl Iterator<Item = (Weakness, bool)> {
        let off = self.off.as_ref().map_or(&[][..], |off| &off.weaknesses);
        let all = Weakness::ALL.into_iter();
        let fit = all.filter(|one| one.fits_a_journey());
        fit.map(|one| (one, off.contains(&one)))
    }

    fn file(name: &str) -> String {
        url_of(name)
    }
}

/// The list. Its form leads through all sites, `csp` says to which.
pub(super) fn list(settings: Settings, evil_url: Option<String>, csp: &Csp) -> HttpResponse {
    let page = ListPage {
        course: &LIST,
        off: Off::of(settings),
        then: "/attacks",
        evil_url,
    };
    ui::page(Site::Lab, "Attacks", StatusCode::OK, &page, csp)
}

/// `GET /attacks/{name}`.
#[derive(Template)]
#[template(path = "attacks/page.html")]
pub(super) struct AttackPage {
    place: Place<Attack>,
    runs: Vec<Run>,
    unavailable: Option<&'static str>,
    /// What the script watches for, as JSON; none where a program says how it ended.
    watch: Option<String>,
    /// The runs in this browser whose end the script reads from the steps, as JSON.
    former: String,
    /// When this page was made, in microseconds since 1970: the script's clock begins there.
    made: i64,
    /// What to do in the window beside.
    beside: Option<&'static str>,
    /// The attacker's link that has to be opened in an app's own tab.
    paste: Option<String>,
    off: Option<Off>,
    then: String,
    link: String,
    /// The attacker's site, for a browser's settings.
    evil_host: Option<String>,
    begun: bool,
    diagram: DiagramPage,
}

/// A run, and how the latest one ended.
struct Run {
    defence: Defence,
    label: &'static str,
    /// The defences that are off in it.
    off: &'static [Weakness],
    ended: Option<Ended>,
    /// Whether it ran in this browser.
    has_begun: bool,
}

/// What the page shows of this browser.
pub(super) struct Browser {
    pub(super) journey: Option<JourneyTag>,
    pub(super) settings: Settings,
    pub(super) diagram: DiagramPage,
    pub(super) now: Timestamp,
}

impl AttackPage {
    pub(super) fn new(
        place: Place<Attack>,
        attacks: &Attacks,
        lab: &AttackContext,
        browser: Browser,
    ) -> Self {
        let attack = place.page;
        let addresses = &attacks.config.addresses;
        let former = attacks.former(browser.journey, attack);
        let runs = Defence::ALL.into_iter().filter_map(|defence| {
            Some(Run {
                defence,
                label: attack.label(defence),
                off: attack.off_in(defence)?,
                ended: attacks.ended(browser.journey, attack, defence),
                has_begun: former.iter().any(|run| run.which == defence.value()),
            })
        });
        let way = match &attack.way {
            Way::Browser(way) => Some(way),
            Way::Program(_) => None,
        };
        let demo_users = attacks.config.demo_users;
        let pasted = way.filter(|way| way.opens == Opens::Spa);
        Self {
            runs: runs.collect(),
            unavailable: match way {
                Some(way) => in_browser::unavailable(addresses, demo_users, way),
                None => lab.unavailable(),
            },
            // Texts and numbers have a JSON form.
            watch: way.map(|way| serde_json::to_string(&way.watch).unwrap_or_default()),
            former: serde_json::to_string(&former).unwrap_or_default(),
            made: micros(browser.now),
            beside: way.map(|way| way.then),
            paste: pasted.map(|_| evil::link_to_spa(addresses)),
            off: Off::of(browser.settings),
            then: format!("/attacks/{}", attack.name),
            link: format!("{}/attacks/{}", addresses.url(Site::Lab), attack.name),
            evil_host: host_of(addresses.link(Site::Evil)),
            begun: browser.journey.is_some(),
            diagram: browser.diagram,
            place,
        }
    }

    fn file(name: &str) -> String {
        url_of(name)
    }

    fn attack(&self) -> &'static Attack {
        self.place.page
    }

    /// The page. Its forms lead to the sites, `csp` says to which.
    pub(super) fn respond(&self, csp: &Csp) -> HttpResponse {
        ui::page(Site::Lab, self.attack().title, StatusCode::OK, self, csp)
    }
}

/// The host in `url`, without its port.
fn host_of(url: Option<String>) -> Option<String> {
    let url = url::Url::parse(&url?).ok()?;
    url.host_str().map(str::to_owned)
}

impl Run {
    fn is_weak(&self) -> bool {
        self.defence != Defence::On
    }

    /// The steps of `outcome`: who, what they do, and what comes of it.
    fn steps(outcome: &Outcome) -> impl Iterator<Item = (&'static str, &str, &str)> {
        outcome.steps.iter().map(|step| {
            let is_victim = serde_json::to_value(step.who).is_ok_and(|who| who == "victim");
            let who = if is_victim { "Alice" } else { "The attacker" };
            (who, &*step.what, &*step.result)
        })
    }

    /// What the diagram calls the check `name`.
    fn check(name: &'static str) -> &'static str {
        kit::telemetry::names::span_of(name).map_or(name, |span| span.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(weaknesses: Vec<Weakness>) -> String {
        let off = (!weaknesses.is_empty()).then(|| Off {
            weaknesses,
            until: "12:00".to_owned(),
        });
        let page = ListPage {
            course: &LIST,
            off,
            then: "/attacks",
            evil_url: None,
        };
        let page = page.render().unwrap();
        let (_, settings) = page.split_once("id=\"settings\"").unwrap();
        settings.to_owned()
    }

    #[test]
    fn a_form_of_the_list_switches_each_defence_of_a_journey_off_for_a_stated_time() {
        let form = settings(vec![Weakness::AlgNone]);
        for part in [
            "<form method=\"post\" action=\"/journey/weaken\" class=\"weaken\">",
            "name=\"minutes\" type=\"number\" min=\"1\" max=\"30\" value=\"10\" required",
            "name=\"then\" value=\"/attacks\"",
        ] {
            assert!(form.contains(part), "{part}");
        }
        for one in Weakness::ALL {
            let name = one.name();
            let choice = format!("name=\"weaken\" value=\"{name}\"");
            assert_eq!(form.contains(&choice), one.fits_a_journey(), "{name}");
            let is_marked = form.contains(&format!("{choice} checked"));
            assert_eq!(is_marked, one == Weakness::AlgNone, "{name}");
        }
        assert!(!settings(Vec::new()).contains(" checked"));
    }

    #[test]
    fn a_browsers_setting_names_the_host_alone() {
        let host = host_of(Some("http://evil.localhost:8087".to_owned()));
        assert_eq!(host.as_deref(), Some("evil.localhost"));
        assert_eq!(host_of(None), None);
    }
}
