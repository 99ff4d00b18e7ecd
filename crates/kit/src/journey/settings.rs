//! What the lab has set for one journey. The settings travel with the journey, sealed, so
//! each replica of each service knows them and none keeps them.

use crate::{clock::Timestamp, weakness::Weaknesses};

/// The length of settings in bytes.
pub(super) const LEN: usize = 13;

/// What the lab has set for one journey; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Defences that are switched off for its requests.
    pub weaknesses: Weaknesses,
    /// Until when they are, in seconds since 1970.
    pub weakened_until: i64,
    /// Whether each redirect of its browser is explained before it is sent.
    pub explain: bool,
}

impl Settings {
    /// What is in force at `now`.
    pub(super) fn at(self, now: Timestamp) -> Self {
        if now.secs() < self.weakened_until {
            return self;
        }
        Self {
            explain: self.explain,
            ..Self::default()
        }
    }

    pub(super) fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(&self.weaknesses.to_bits().to_be_bytes());
        bytes[4..12].copy_from_slice(&self.weakened_until.to_be_bytes());
        bytes[12] = u8::from(self.explain);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; LEN]) -> Option<Self> {
        let (bits, rest) = bytes.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        Some(Self {
            weaknesses: Weaknesses::from_bits(u32::from_be_bytes(*bits)),
            weakened_until: i64::from_be_bytes(*until),
            explain: rest == [1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weakness::Weakness;

    #[test]
    fn settings_are_read_as_they_were_written() {
        let settings = Settings {
            weaknesses: [Weakness::GetOrders, Weakness::AlgNone]
                .into_iter()
                .collect(),
            weakened_until: 1_800_000_000,
            explain: true,
        };
        for settings in [settings, Settings::default()] {
            assert_eq!(Settings::from_bytes(&settings.to_bytes()), Some(settings));
        }
    }

    #[test]
    fn a_weakness_ends_with_its_time_and_the_explanations_go_on() {
        let settings = Settings {
            weaknesses: [Weakness::GetOrders].into_iter().collect(),
            weakened_until: 100,
            explain: true,
        };
        assert_eq!(settings.at(Timestamp::from_secs(99)), settings);
        let later = settings.at(Timestamp::from_secs(100));
        assert_eq!(later.weaknesses, Weaknesses::default());
        assert!(later.explain);
    }
}
