//! What an attack's page is made of. All text is data; the pages render it.

use kit::{
    config::{Weakness, Weaknesses},
    journey::Settings,
};
use serde::Serialize;

use super::program::Program;
use crate::{course::InCourse, evil, scenarios::scenario::Look};

/// One attack. In its texts, a part between backticks is code.
pub(super) struct Attack {
    /// Its name in the address. It does not change: slides link to it.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What it does, in two sentences.
    pub(super) does: &'static str,
    /// What the attacker needs.
    pub(super) takes: &'static str,
    /// What stops it, each with its section.
    pub(super) stopped_by: &'static [Rule],
    /// What to look for in the diagram.
    pub(super) look: &'static [Look],
    pub(super) way: Way,
}

/// A defence, and where it is required.
pub(super) struct Rule(pub(super) &'static str, pub(super) &'static str);

/// Who runs an attack.
pub(super) enum Way {
    /// A program of the attacker, in the lab's process.
    Program(Program),
    /// The learner's browser, by pages of the attacker's site.
    Browser(InBrowser),
}

/// An attack in the learner's browser.
pub(super) struct InBrowser {
    /// The attacker's page.
    pub(super) slug: &'static str,
    /// The page that a run opens in the end.
    pub(super) opens: Opens,
    pub(super) session: Session,
    /// What shows in the journey's steps how a run ended.
    pub(super) watch: Watch,
    /// A run with some of the defences off: a label, and which.
    pub(super) partly: Option<(&'static str, &'static [Weakness])>,
    /// What the learner does in the window beside.
    pub(super) then: &'static str,
}

/// The page that a run opens in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// The attacker's page, which acts at once. This is the value of `go`.
    Attack(&'static str),
    /// The attacker's page, with a callback URL of the attacker's own login.
    Callback,
    /// The single-page app.
    Spa,
}

/// The session at app1 that a run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// A new one, whose cookie is set with the attributes of this run.
    New,
    /// Any.
    Any,
    /// None.
    None,
}

/// What shows how a run ended. `verdict.js` reads it.
#[derive(Debug, Serialize)]
pub(super) struct Watch {
    /// The attacker's request: what came before it decides nothing.
    pub(super) attacker: Option<(&'static str, &'static str)>,
    pub(super) signs: &'static [Sign],
    /// What it means that no sign appears.
    pub(super) silence: Option<&'static str>,
    /// The same in a run whose cookie any site's request should carry: then the browser, and
    /// no defence, has kept it back.
    pub(super) blocked: Option<&'static str>,
}

/// A step of the journey that shows how a run ended.
#[derive(Debug, Serialize)]
pub(super) struct Sign {
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    /// Whether its status says that the request was refused; `None` if that does not matter.
    pub(super) refused: Option<bool>,
    pub(super) succeeded: bool,
    pub(super) says: &'static str,
}

/// What is off in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defence {
    Off,
    Partly,
    On,
}

impl Defence {
    pub(super) const ALL: [Self; 3] = [Self::Off, Self::Partly, Self::On];

    /// The value of `weakened` in a form.
    pub(super) const fn value(self) -> &'static str {
        match self {
            Self::Off => "on",
            Self::Partly => "partly",
            Self::On => "off",
        }
    }

    pub(super) fn named(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.value() == value)
    }

    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Off => "Defence off",
            Self::Partly => "Partly off",
            Self::On => "Defence on",
        }
    }
}

impl InCourse for Attack {
    fn name(&self) -> &'static str {
        self.name
    }
}

impl Attack {
    /// The defences without which it succeeds.
    pub(super) fn needs(&self) -> &'static [Weakness] {
        match &self.way {
            Way::Program(program) => program.weaknesses(),
            Way::Browser(attack) => evil::needs(attack.slug),
        }
    }

    /// The defences that are off in a run; `None` if there is no such run.
    pub(super) fn off_in(&self, defence: Defence) -> Option<&'static [Weakness]> {
        match (defence, &self.way) {
            (Defence::Off, _) => Some(self.needs()),
            (Defence::On, _) => Some(&[]),
            (Defence::Partly, Way::Browser(attack)) => attack.partly.map(|(_, off)| off),
            (Defence::Partly, Way::Program(_)) => None,
        }
    }

    /// The run in which just these defences are off.
    pub(super) fn defence_in(&self, settings: Settings) -> Option<Defence> {
        let is_so = |defence: &Defence| {
            let off = self.off_in(*defence);
            off.is_some_and(|off| {
                off.iter().copied().collect::<Weaknesses>() == settings.weaknesses
            })
        };
        Defence::ALL.into_iter().find(is_so)
    }

    /// Whether its first run needs a browser that sends cookies with other sites' requests.
    pub(super) fn needs_third_party_cookies(&self) -> bool {
        self.needs().contains(&Weakness::SameSiteNone)
    }

    /// The text of the button of a run.
    pub(super) fn label(&self, defence: Defence) -> &'static str {
        match (defence, &self.way) {
            (Defence::Off, _) => "Run with the defence off",
            (Defence::On, _) => "Run with the defence on",
            (Defence::Partly, Way::Browser(attack)) => attack.partly.map_or("", |(label, _)| label),
            (Defence::Partly, Way::Program(_)) => "",
        }
    }
}
