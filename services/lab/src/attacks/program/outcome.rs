//! How an attack ended, and what happened on the way. Nothing in it is secret.

use kit::telemetry::names::{OK, OUTCOME};
use serde::Serialize;
use tracing::Span;

use super::Program;

/// How an attack ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// The attack's name.
    pub(crate) attack: &'static str,
    /// Whether its defences were off.
    pub(crate) weakened: bool,
    /// Whether the attacker got what they wanted.
    pub(crate) succeeded: bool,
    /// What happened, in order.
    pub(crate) steps: Vec<Step>,
    /// The check that stopped it.
    pub(crate) stopped_by: Option<StoppedBy>,
}

/// One step of an attack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// Who acts.
    pub(crate) who: Who,
    /// What they do, in a sentence.
    pub(crate) what: String,
    /// What comes of it, in a sentence.
    pub(crate) result: String,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Who {
    /// Bob, by a program or by a browser.
    Attacker,
    /// Alice, by a browser.
    Victim,
}

/// The check that stopped an attack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StoppedBy {
    /// The service that checks.
    pub(crate) service: &'static str,
    /// The name of the check's span, as the diagram has it.
    pub(crate) check: &'static str,
    /// The rule.
    pub(crate) rule: &'static str,
    /// The service's own words.
    pub(crate) said: String,
}

/// How the attacker's part ended.
#[derive(Debug)]
pub(super) enum End {
    /// The attacker got what they wanted.
    Succeeded,
    /// A check stopped it.
    Stopped(StoppedBy),
}

impl End {
    /// Tells `span`, that of the attacker's program, how it ended.
    pub(super) fn record(&self, span: &Span) {
        let outcome = match self {
            Self::Succeeded => OK,
            Self::Stopped(_) => "stopped",
        };
        span.record(OUTCOME, outcome);
    }
}

impl Outcome {
    pub(super) fn new(attack: Program, weakened: bool, steps: Vec<Step>, end: End) -> Self {
        let (succeeded, stopped_by) = match end {
            End::Succeeded => (true, None),
            End::Stopped(by) => (false, Some(by)),
        };
        Self {
            attack: attack.slug(),
            weakened,
            succeeded,
            steps,
            stopped_by,
        }
    }
}

/// Why an attack did not run to its end, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotRun(String);

impl NotRun {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
