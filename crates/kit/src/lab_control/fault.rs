//! The failures that a lab can inject into a service, each for a stated time.

use std::ops::RangeInclusive;

use serde::Serialize;

use crate::config::Site;

/// How long a failure lasts if nothing else is said, in seconds.
pub const DEFAULT_SECONDS: i64 = 60;
/// How long a failure may last, in seconds.
pub const SECONDS: RangeInclusive<i64> = 1..=300;

/// A failure that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The token endpoint answers late.
    SlowToken,
    /// The service's view of the store: every command fails.
    StoreAway,
    /// The service's clock differs from the others'.
    ClockSkew,
    /// The service answers nothing but 503 (gRPC: `UNAVAILABLE`).
    Down,
}

/// The amount of a failure that has one: what it counts, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// In words, with the unit.
    pub what: &'static str,
    /// The least.
    pub least: i64,
    /// The most.
    pub most: i64,
    /// The amount if nothing is said.
    pub default: i64,
}

impl Fault {
    /// All failures.
    pub const ALL: [Self; 4] = [
        Self::SlowToken,
        Self::StoreAway,
        Self::ClockSkew,
        Self::Down,
    ];

    /// The name in requests, and in the attribute `sso.fault` of spans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowToken => "slow-token",
            Self::StoreAway => "store-away",
            Self::ClockSkew => "clock-skew",
            Self::Down => "down",
        }
    }

    /// The failure of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// The effect, in a sentence. `amount` is that of a failure that has one.
    pub fn sentence(self, amount: i64) -> String {
        match self {
            Self::SlowToken => format!("The token endpoint waits {amount} s before each answer."),
            Self::StoreAway => "The service cannot reach its store.".to_owned(),
            Self::ClockSkew if amount < 0 => {
                format!("The service's clock is {} s slow.", amount.abs())
            }
            Self::ClockSkew => format!("The service's clock is {amount} s fast."),
            Self::Down => "The service answers every request with 503.".to_owned(),
        }
    }

    /// What may be said of its amount; `None` if it has none.
    pub const fn amount(self) -> Option<Amount> {
        match self {
            // Shorter than the clients' own timeout, `net::CALL_TIMEOUT`.
            Self::SlowToken => Some(Amount {
                what: "delay in seconds",
                least: 1,
                most: 8,
                default: 3,
            }),
            Self::ClockSkew => Some(Amount {
                what: "shift in seconds",
                least: -3600,
                most: 3600,
                default: 120,
            }),
            Self::StoreAway | Self::Down => None,
        }
    }

    /// Whether `site` can have this failure.
    pub const fn fits(self, site: Site) -> bool {
        match site {
            Site::Idp => true,
            Site::App1 | Site::App2 => matches!(self, Self::StoreAway | Self::ClockSkew),
            Site::Api1 | Site::Api2 => !matches!(self, Self::SlowToken),
            Site::Lab | Site::Spa | Site::Evil => false,
        }
    }
}

/// A failure with its time, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which one.
    pub fault: Fault,
    /// How long it lasts.
    pub seconds: i64,
    /// Its amount; zero if it has none.
    pub amount: i64,
}

impl Setting {
    /// Checks what was asked for. An error is a sentence for the person who asked.
    pub fn new(
        site: Site,
        name: &str,
        seconds: Option<i64>,
        amount: Option<i64>,
    ) -> Result<Self, String> {
        let fits = |fault: &Fault| fault.fits(site);
        let fault = Fault::named(name).filter(fits).ok_or_else(|| {
            let known = Fault::ALL.into_iter().filter(fits).map(Fault::name);
            let known: Vec<_> = known.collect();
            format!("This service has the failures {}.", known.join(", "))
        })?;
        let seconds = seconds.unwrap_or(DEFAULT_SECONDS);
        if !SECONDS.contains(&seconds) {
            let (least, most) = (SECONDS.start(), SECONDS.end());
            return Err(format!("seconds is a number from {least} to {most}."));
        }
        let amount = match (fault.amount(), amount) {
            (None, None) => 0,
            (None, Some(_)) => return Err(format!("{name} has no amount.")),
            (Some(bounds), amount) => {
                let amount = amount.unwrap_or(bounds.default);
                let Amount { least, most, .. } = bounds;
                if !(least..=most).contains(&amount) || amount == 0 {
                    return Err(format!(
                        "amount ({}) is a number from {least} to {most}, and not zero.",
                        bounds.what
                    ));
                }
                amount
            }
        };
        Ok(Self {
            fault,
            seconds,
            amount,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_bounds_and_defaults() {
        let set = |name, seconds, amount| Setting::new(Site::Idp, name, seconds, amount);
        let slow = set("slow-token", None, None).unwrap();
        assert_eq!((slow.seconds, slow.amount), (60, 3));
        assert_eq!(set("clock-skew", Some(1), Some(-40)).unwrap().amount, -40);
        assert_eq!(set("store-away", Some(300), None).unwrap().amount, 0);
        for wrong in [
            set("nonsense", None, None),
            set("down", Some(0), None),
            set("down", Some(301), None),
            set("down", None, Some(1)),
            set("slow-token", None, Some(0)),
            set("slow-token", None, Some(9)),
            set("clock-skew", None, Some(0)),
            set("clock-skew", None, Some(3601)),
            set("clock-skew", None, Some(i64::MIN)),
        ] {
            wrong.unwrap_err();
        }
    }

    #[test]
    fn each_service_has_its_own_failures() {
        let of = |site| {
            let fits = Fault::ALL.into_iter().filter(move |fault| fault.fits(site));
            fits.map(Fault::name).collect::<Vec<_>>()
        };
        assert_eq!(of(Site::Idp).len(), Fault::ALL.len());
        assert_eq!(of(Site::App1), ["store-away", "clock-skew"]);
        assert_eq!(of(Site::Api2), ["store-away", "clock-skew", "down"]);
        for site in [Site::Lab, Site::Spa, Site::Evil] {
            assert!(of(site).is_empty());
        }
        let refused = Setting::new(Site::App1, "down", None, None).unwrap_err();
        assert!(refused.contains("store-away"), "{refused}");
    }

    #[test]
    fn a_slow_token_endpoint_answers_before_its_clients_give_up() {
        let most = Fault::SlowToken.amount().unwrap().most;
        assert!(u64::try_from(most).unwrap() < crate::net::CALL_TIMEOUT.as_secs());
    }
}
