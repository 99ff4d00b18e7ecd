//! Which defences are off for the current request, and checks that have failed and let their
//! request pass all the same for that reason.

use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{context::TraceContext, names::WEAKNESS};
use crate::{
    journey,
    weakness::{Weakness, Weaknesses},
};

impl Weaknesses {
    /// Whether this defence is switched off: in this process, or for the journey of the
    /// request that the current task works for.
    pub fn has(self, weakness: Weakness) -> bool {
        self.contains(weakness) || Self::of_journey().contains(weakness)
    }

    /// Those of the journey of the request that the current task works for.
    pub fn of_journey() -> Self {
        let journey = TraceContext::current_journey();
        journey.map_or(Self::default(), |journey| journey.settings().weaknesses)
    }

    /// Whether requests of this process can be weakened at all.
    pub fn are_possible(self) -> bool {
        self != Self::default() || journey::is_lab()
    }
}

/// The failed checks of one request that let it pass. A check asks only when it has failed,
/// so a request that passes every check pays nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waivers {
    of_process: Weaknesses,
    used: Weaknesses,
}

impl Waivers {
    /// In a process with these defences switched off.
    pub fn new(of_process: Weaknesses) -> Self {
        let used = Weaknesses::default();
        Self { of_process, used }
    }

    /// Whether the check that `weakness` switches off lets the request pass although it has
    /// failed.
    pub fn waive(&mut self, weakness: Weakness) -> bool {
        let waived = self.of_process.has(weakness);
        if waived {
            self.used = self.used.and([weakness].into_iter().collect());
        }
        waived
    }

    /// Whether some check has failed.
    pub fn are_used(self) -> bool {
        self.used != Weaknesses::default()
    }

    /// Tells the current span, that of the check, which ones.
    pub fn record(self) {
        if self.are_used() {
            let names: Vec<_> = self.used.iter().map(Weakness::name).collect();
            Span::current().set_attribute(WEAKNESS, names.join(" "));
        }
    }

    /// The same for one check that has failed: whether it lets the request pass.
    pub fn one(of_process: Weaknesses, weakness: Weakness) -> bool {
        let mut waivers = Self::new(of_process);
        let waived = waivers.waive(weakness);
        waivers.record();
        waived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_lets_pass_only_what_is_switched_off() {
        let off = [Weakness::AlgNone].into_iter().collect();
        let mut waivers = Waivers::new(off);
        assert!(!waivers.waive(Weakness::AnyAudience) && !waivers.are_used());
        assert!(waivers.waive(Weakness::AlgNone) && waivers.are_used());
        assert!(!Waivers::one(Weaknesses::default(), Weakness::AlgNone));
        assert!(Waivers::one(off, Weakness::AlgNone));
    }
}
