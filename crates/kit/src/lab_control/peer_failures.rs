//! The failures of other services of a lab: a service names its failures that the lab has
//! switched on in a header of each answer, and its callers remember them until they end.

use parking_lot::Mutex;

use super::{Fault, InForce, Setting};
use crate::{clock::Timestamp, config::Site};

/// The header, in gRPC the metadata, of an answer in which a service names its failures.
pub const FAILURES: &str = "lab-failures";
/// The most bytes of it that are read.
const MAX_VALUE: usize = 256;

/// The failures of other services that this process knows from their answers.
#[derive(Default)]
pub(super) struct PeerFailures(Mutex<Vec<PeerFailure>>);

struct PeerFailure {
    site: Site,
    setting: Setting,
    until: Timestamp,
}

impl PeerFailures {
    /// Replaces what is known of `site` by the value of [`FAILURES`] in its answer at `now`;
    /// without a value, the service has no failure. A value that no service writes is
    /// ignored.
    pub(super) fn replace(&self, site: Site, value: Option<&[u8]>, now: Timestamp) {
        let mut all = self.0.lock();
        if value.is_none() && all.is_empty() {
            return;
        }
        all.retain(|one| one.site != site);
        let value = value.filter(|value| value.len() <= MAX_VALUE);
        let text = value.and_then(|value| std::str::from_utf8(value).ok());
        for setting in text.into_iter().flat_map(|text| read(site, text)) {
            let until = Timestamp::from_millis(now.millis() + setting.seconds * 1000);
            all.push(PeerFailure {
                site,
                setting,
                until,
            });
        }
    }

    /// The failures in force at `now`, each with the service that has it.
    pub(super) fn in_force(&self, now: Timestamp) -> Vec<(Site, InForce)> {
        let mut all = self.0.lock();
        all.retain(|one| one.until > now);
        let shown = |one: &PeerFailure| {
            let left = one.until.millis() - now.millis();
            let Setting { fault, amount, .. } = one.setting;
            Some((one.site, InForce::new(fault, amount, left)?))
        };
        all.iter().filter_map(shown).collect()
    }
}

/// `in_force` as the value of [`FAILURES`].
pub(super) fn written(in_force: &[InForce]) -> String {
    let one = |on: &InForce| format!("{};{};{}", on.fault, on.amount, on.seconds());
    in_force.iter().map(one).collect::<Vec<_>>().join(",")
}

/// The failures that `site` can have, in `text`: each at most once.
fn read(site: Site, text: &str) -> Vec<Setting> {
    let mut read: Vec<Setting> = Vec::with_capacity(Fault::ALL.len());
    for part in text.split(',') {
        let mut members = part.trim().split(';');
        let (Some(name), Some(amount), Some(seconds), None) = (
            members.next(),
            members.next(),
            members.next(),
            members.next(),
        ) else {
            continue;
        };
        let (Ok(amount), Ok(seconds)) = (amount.parse::<i64>(), seconds.parse()) else {
            continue;
        };
        let amount = (amount != 0).then_some(amount);
        let setting = Setting::new(site, name, Some(seconds), amount);
        if let Ok(setting) = setting
            && read.iter().all(|known| known.fault != setting.fault)
        {
            read.push(setting);
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(NOW.millis() + seconds * 1000)
    }

    #[test]
    fn the_failures_that_a_service_names_are_remembered_and_end_by_themselves() {
        let on = [
            InForce::new(Fault::ClockSkew, -3600, 56_001).unwrap(),
            InForce::new(Fault::Down, 0, 3000).unwrap(),
        ];
        let value = written(&on);
        assert_eq!(value, "clock-skew;-3600;57,down;0;3");
        let peers = PeerFailures::default();
        peers.replace(Site::Idp, Some(value.as_bytes()), NOW);
        let [(Site::Idp, skew), (Site::Idp, down)] = &peers.in_force(NOW)[..] else {
            panic!("{:?}", peers.in_force(NOW));
        };
        assert_eq!(skew.sentence, "The service's clock is 3600 s slow.");
        assert_eq!((skew.seconds(), down.seconds()), (57, 3));
        assert_eq!(peers.in_force(at(3)).len(), 1);
        assert_eq!(peers.in_force(at(57)), []);
    }

    #[test]
    fn an_answer_replaces_the_failures_that_the_same_service_named_before() {
        let peers = PeerFailures::default();
        peers.replace(Site::Idp, Some(b"down;0;100"), NOW);
        peers.replace(Site::Api1, Some(b"store-away;0;100"), NOW);
        peers.replace(Site::Idp, Some(b"slow-token;3;100"), NOW);
        let faults = || {
            let all = peers.in_force(NOW).into_iter();
            all.map(|(_, one)| one.fault).collect::<Vec<_>>()
        };
        assert_eq!(faults(), ["store-away", "slow-token"]);
        peers.replace(Site::Idp, None, NOW);
        assert_eq!(faults(), ["store-away"]);
    }

    #[test]
    fn what_no_service_says_is_left_out() {
        for odd in [
            "",
            "down",
            "down;0",
            "down;0;301",
            "down;0;0",
            "down;0;-1",
            "down;1;10",
            "down;0;10;x",
            "clock-skew;9999;10",
            "clock-skew;x;10",
            "nonsense;0;10",
            "<script>;0;10",
        ] {
            assert_eq!(read(Site::Idp, odd), [], "{odd}");
        }
        assert_eq!(read(Site::Api1, "slow-token;3;10"), []);
        assert_eq!(read(Site::Api1, "down;0;10, down;0;20").len(), 1);
        let peers = PeerFailures::default();
        let long = "down;0;10,".repeat(MAX_VALUE);
        for odd in [long.as_bytes(), b"\xff"] {
            peers.replace(Site::Idp, Some(odd), NOW);
            assert_eq!(peers.in_force(NOW), []);
        }
    }

    #[test]
    fn fuzz_failures_header() {
        let good = [
            &b"clock-skew;-3600;57,down;0;3"[..],
            b"store-away;0;300",
            b"slow-token;8;1",
        ];
        fuzz::run(&good, |value| {
            let peers = PeerFailures::default();
            peers.replace(Site::Idp, Some(value), NOW);
            assert!(peers.in_force(NOW).len() <= Fault::ALL.len());
            assert_eq!(peers.in_force(at(301)), []);
        });
    }
}
