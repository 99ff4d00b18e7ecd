//! The pages: the list of the course, and one of each scenario.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use kit::config::{Addresses, Site};
use web_kit::ui::{
    self, Csp,
    rust_embed::{self, EmbeddedFile, RustEmbed},
};

use crate::{
    course::{Course, Place},
    journey::{DiagramPage, address_flags},
};

use super::{
    course::{COURSE, PRICES},
    offers::Offers,
    price,
    scenario::{Look, Need, Scenario, Way, command_parts},
};

#[derive(RustEmbed)]
#[folder = "assets/scenarios/"]
struct Own;

/// A file of the pages.
pub(crate) fn file(name: &str) -> Option<EmbeddedFile> {
    Own::get(name)
}

/// `GET /scenarios`.
#[derive(Template)]
#[template(path = "scenarios/list.html")]
struct ListPage {
    course: &'static Course<Scenario>,
}

impl ListPage {
    fn file(name: &str) -> String {
        ui::asset_url(file, name)
    }
}

/// The list.
pub(super) fn list() -> HttpResponse {
    let page = ListPage { course: &COURSE };
    ui::page(
        Site::Lab,
        "Scenarios",
        StatusCode::OK,
        &page,
        &Csp::strict(),
    )
}

/// `GET /scenarios/{name}`.
#[derive(Template)]
#[template(path = "scenarios/page.html")]
pub(super) struct ScenarioPage {
    place: Place<Scenario>,
    ways: Vec<ShownWay>,
    /// What this deployment lacks, each with the commands that switch it on.
    lacks: Vec<(Need, String)>,
    see: Vec<&'static Scenario>,
    /// The address for slides.
    link: String,
    demo_users: bool,
    /// Whether this browser is in a journey.
    begun: bool,
    /// The table of the session modes, on the page that compares them.
    prices: Option<&'static [price::Mode]>,
    diagram: DiagramPage,
}

/// A way to start the scenario, as the page shows it.
struct ShownWay {
    label: &'static str,
    then: &'static str,
    kind: Kind,
}

enum Kind {
    /// A button that opens a page of a site.
    Open {
        action: String,
        site: Site,
        shown: String,
    },
    /// The deployment has no such site, or lacks what it needs.
    Unavailable { why: String },
    Command {
        parts: Vec<(String, Option<&'static str>)>,
    },
}

impl Kind {
    /// The deployment lacks what a way needs. The page says below how to switch it on.
    fn lacking() -> Self {
        Self::Unavailable {
            why: "Not in this deployment: see below.".to_owned(),
        }
    }
}

/// What the pages know of the deployment.
pub(super) struct Deployment<'a> {
    pub(super) addresses: &'a Addresses,
    pub(super) offers: Offers,
    pub(super) demo_users: bool,
}

impl ScenarioPage {
    pub(super) fn new(
        place: Place<Scenario>,
        at: &Deployment<'_>,
        begun: bool,
        diagram: DiagramPage,
    ) -> Self {
        let scenario = place.page;
        let ways = scenario.ways.iter().enumerate();
        let see = scenario.see.iter().filter_map(|name| COURSE.find(name));
        Self {
            ways: ways
                .map(|(at_, way)| at.shown(scenario, at_, way))
                .collect(),
            lacks: at.lacks(scenario),
            see: see.map(|found| found.page).collect(),
            link: format!(
                "{}/scenarios/{}",
                at.addresses.url(Site::Lab),
                scenario.name
            ),
            demo_users: at.demo_users,
            begun,
            prices: (scenario.name == PRICES).then_some(&price::MODES),
            diagram,
            place,
        }
    }

    fn file(name: &str) -> String {
        ui::asset_url(file, name)
    }

    /// How many ways open a page.
    fn pages_to_open(&self) -> usize {
        let opens = |way: &&ShownWay| matches!(way.kind, Kind::Open { .. });
        self.ways.iter().filter(opens).count()
    }

    /// Whether a command is a way to start it.
    fn has_command(&self) -> bool {
        self.ways
            .iter()
            .any(|way| matches!(way.kind, Kind::Command { .. }))
    }

    /// The page. Its buttons lead to the sites, `csp` says to which.
    pub(super) fn respond(&self, csp: &Csp) -> HttpResponse {
        ui::page(Site::Lab, self.place.page.title, StatusCode::OK, self, csp)
    }
}

impl Deployment<'_> {
    /// The address of the page that `way` opens, if this deployment has it.
    pub(super) fn address(&self, way: &Way) -> Option<String> {
        let Way::Open {
            site, path, needs, ..
        } = way
        else {
            return None;
        };
        if !self.has(*needs) {
            return None;
        }
        let home = self.addresses.link(*site)?;
        Some(format!("{home}{path}"))
    }

    /// Whether it offers what a way needs.
    fn has(&self, needs: Option<Need>) -> bool {
        needs.is_none_or(|need| self.offers.have(need))
    }

    fn shown(&self, scenario: &Scenario, at: usize, way: &Way) -> ShownWay {
        match way {
            Way::Command {
                label,
                text,
                needs,
                then,
            } => ShownWay {
                label,
                then,
                kind: if self.has(*needs) {
                    Kind::Command {
                        parts: command_parts(&self.filled(text)),
                    }
                } else {
                    Kind::lacking()
                },
            },
            Way::Open {
                label,
                site,
                path,
                then,
                ..
            } => ShownWay {
                label,
                then,
                kind: if self.address(way).is_some() {
                    Kind::Open {
                        action: format!("/scenarios/{}/{at}", scenario.name),
                        site: *site,
                        shown: format!("{}{path}", site.short_name()),
                    }
                } else if self.addresses.link(*site).is_none() {
                    Kind::Unavailable {
                        why: format!("This deployment has no {}.", site.short_name()),
                    }
                } else {
                    Kind::lacking()
                },
            },
        }
    }

    fn lacks(&self, scenario: &Scenario) -> Vec<(Need, String)> {
        let mut lacks: Vec<(Need, String)> = Vec::new();
        for way in scenario.ways {
            if let Some(need) = way.needs()
                && !self.offers.have(need)
                && !lacks.iter().any(|(known, _)| *known == need)
            {
                lacks.push((need, self.filled(need.switch_on())));
            }
        }
        lacks
    }

    /// A command with the addresses of this deployment.
    fn filled(&self, text: &str) -> String {
        let flags = address_flags(self.addresses);
        let sites = Site::ALL.into_iter();
        sites.fold(text.replace("{flags}", &flags), |text, site| {
            text.replace(
                &format!("{{{}}}", site.short_name()),
                &self.addresses.url(site),
            )
        })
    }
}
