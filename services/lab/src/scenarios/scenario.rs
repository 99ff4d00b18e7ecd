//! What a scenario is made of. All text is data; the pages render it.

#[cfg(test)]
use kit::telemetry::names::REQUESTS;
use kit::{config::Site, telemetry::names::span_of};

use crate::course::InCourse;

/// One page of the course. In its texts, a part between backticks is code.
pub(super) struct Scenario {
    /// Its name in the address. It does not change: slides link to it.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What the list says of it.
    pub(super) sentence: &'static str,
    /// What it shows, or the answer to a question, in paragraphs.
    pub(super) about: &'static [&'static str],
    /// What to look for in the diagram.
    pub(super) look: &'static [Look],
    /// What starts it, in the order in which to use them.
    pub(super) ways: &'static [Way],
    /// The scenarios that show it too.
    pub(super) see: &'static [&'static str],
}

impl InCourse for Scenario {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// A place in the diagram, and what is to be seen there.
pub(crate) struct Look(pub(crate) Mark, pub(crate) &'static str);

/// What a place in the diagram is called.
pub(crate) enum Mark {
    /// A request: the method and route, or the gRPC call, with what follows it in the label.
    Request(&'static str),
    /// The answer to a request. `…` stands for the rest of a list.
    Answer(&'static str),
    /// A check inside a service, by the name of its span.
    Check(&'static str),
    /// A command to a store.
    Store(&'static str),
}

impl Mark {
    /// The label, as the diagram shows it.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Request(label) | Self::Answer(label) | Self::Store(label) => label,
            Self::Check(name) => span_of(name).map_or(name, |span| span.step),
        }
    }

    /// Whether the diagram can show it.
    #[cfg(test)]
    pub(crate) fn is_known(&self) -> bool {
        let words = include_str!("../../assets/journey/wording.js");
        match self {
            Self::Check(name) => span_of(name).is_some(),
            Self::Request(label) => REQUESTS.iter().any(|request| {
                let call = request
                    .name
                    .rsplit_once('.')
                    .map_or(request.name, |(_, call)| call);
                let shown = if request.name.contains(' ') {
                    request.name.to_owned()
                } else {
                    format!("gRPC {call}")
                };
                *label == shown || label.starts_with(&format!("{shown} "))
            }),
            Self::Answer(label) => label.as_bytes().iter().take(3).all(u8::is_ascii_digit),
            Self::Store(label) => label.split_once(' ').is_some_and(|(verb, record)| {
                let record = record.trim_end_matches(" once");
                words.contains(&format!(": \"{verb}\""))
                    && words.contains(&format!(": \"{record}\""))
            }),
        }
    }
}

/// What starts a scenario.
pub(super) enum Way {
    /// A page of a site, in a window beside.
    Open {
        label: &'static str,
        site: Site,
        /// Its path, with the query.
        path: &'static str,
        /// What the deployment must offer for it.
        needs: Option<Need>,
        /// What to do there.
        then: &'static str,
    },
    /// A command for a terminal. `{name}` stands for the address of a site, `{flags}` for
    /// the flags by which the command finds this deployment. `{journey}` is the place of the
    /// flag that adds the requests of `sso-lab` to the journey, `{headers}` that of the same
    /// for curl.
    Command {
        label: &'static str,
        text: &'static str,
        /// What the deployment must offer for it.
        needs: Option<Need>,
        then: &'static str,
    },
}

impl Way {
    /// What the deployment must offer for it.
    pub(super) const fn needs(&self) -> Option<Need> {
        match self {
            Self::Open { needs, .. } | Self::Command { needs, .. } => *needs,
        }
    }
}

/// What not every deployment offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A login chooses its session mode and its credentials.
    Choice,
    /// The apps have certificates of their own, and a login chooses credentials.
    Certificate,
    /// The apps have an API key, and a login chooses credentials.
    ApiKey,
    /// API-2 takes opaque tokens.
    OpaqueTokens,
}

impl Need {
    /// What is missing.
    pub(super) const fn missing(self) -> &'static str {
        match self {
            Self::Choice => {
                "In this deployment a login does not choose its session mode or its credentials."
            }
            Self::Certificate => {
                "In this deployment the apps have no certificates of their own, or a login does not choose its credentials."
            }
            Self::ApiKey => {
                "In this deployment the apps have no API key for API-1, or a login does not choose its credentials."
            }
            Self::OpaqueTokens => "In this deployment the access tokens for API-2 are JWTs.",
        }
    }

    /// The commands that start a lab which has it.
    pub(super) const fn switch_on(self) -> &'static str {
        match self {
            Self::Choice | Self::Certificate => {
                "BFF_SESSION_MODE_CHOICE=on cargo run --release{flags}"
            }
            Self::ApiKey => {
                "cargo run --release -- keys api add --name app1 --scope https://api-1/read --scope https://api-1/write --state-dir .state > api-key\n\
                 BFF_SESSION_MODE_CHOICE=on BFF_API1_KEY_FILE=api-key cargo run --release{flags} --state-dir .state --api1-keys-file .state/api-1-keys.json"
            }
            Self::OpaqueTokens => {
                "cargo run --release -- config print | sed '/^title = \"Inventory\"/a access_token_format = \"opaque\"' > opaque.toml\n\
                 cargo run --release{flags} --config opaque.toml --api2-tokens introspection"
            }
        }
    }
}

/// A command in parts, each with the kind of what the page's script puts after it.
pub(super) fn command_parts(text: &str) -> Vec<(String, Option<&'static str>)> {
    let mut parts = Vec::new();
    let mut rest = text;
    let slots = [("{journey}", "flag"), ("{headers}", "curl")];
    let first = |text: &str| {
        let found = slots
            .iter()
            .filter_map(|(slot, kind)| Some((text.find(slot)?, slot.len(), *kind)));
        found.min()
    };
    while let Some((at, length, kind)) = first(rest) {
        parts.push((rest[..at].to_owned(), Some(kind)));
        rest = &rest[at + length..];
    }
    parts.push((rest.to_owned(), None));
    parts
}

/// Text in parts: `true` marks code.
pub(crate) fn parts(text: &'static str) -> impl Iterator<Item = (bool, &'static str)> {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| (at % 2 == 1, part))
}
