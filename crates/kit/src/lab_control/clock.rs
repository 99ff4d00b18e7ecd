//! The clock of a service that a lab may shift.

use std::sync::Arc;

use super::{Control, Fault};
use crate::clock::{Clock, Timestamp};

/// Another clock, shifted while the failure is on.
pub(super) struct Shifted {
    clock: Arc<dyn Clock>,
    control: Arc<Control>,
}

impl Shifted {
    pub(super) fn new(clock: &Arc<dyn Clock>, control: Arc<Control>) -> Self {
        let clock = Arc::clone(clock);
        Self { clock, control }
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        match self.control.amount(Fault::ClockSkew) {
            Some(seconds) => Timestamp::from_millis(now.millis() + seconds * 1000),
            None => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{clock::ManualClock, config::Site, lab_control::Setting};

    #[test]
    fn the_clock_is_shifted_for_a_time_and_right_again_after_it() {
        let manual = Arc::new(ManualClock::new(Timestamp::from_secs(1000)));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let control = Arc::new(Control::new("idp", Site::Idp, Arc::clone(&clock)));
        let shifted = Shifted::new(&clock, Arc::clone(&control));
        assert_eq!(shifted.now().secs(), 1000);
        let setting = Setting::new(Site::Idp, "clock-skew", Some(10), Some(-30));
        control.set(setting.unwrap());
        assert_eq!(shifted.now().secs(), 970);
        // By the clock that is not shifted.
        manual.advance(Duration::from_secs(9));
        assert_eq!(shifted.now().secs(), 979);
        manual.advance(Duration::from_secs(1));
        assert_eq!(shifted.now().secs(), 1010);
    }
}
