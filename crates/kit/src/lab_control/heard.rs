//! What services tell each other of their failures: a service of a lab that fails names its
//! failures in a header of each answer, and who called it remembers them until their end.

use parking_lot::Mutex;

use super::{Fault, InForce, Setting};
use crate::{clock::Timestamp, config::Site};

/// The header, in gRPC the metadata, of an answer in which a service names its failures.
pub const FAILURES: &str = "lab-failures";
/// The most bytes of it that are read.
const MAX_TOLD: usize = 256;

/// The failures of other services, as their answers told. Each caller has its own.
#[derive(Default)]
pub(super) struct Heard(Mutex<Vec<One>>);

struct One {
    site: Site,
    setting: Setting,
    until: Timestamp,
}

impl Heard {
    /// `site` has answered at `now`, with this value of [`FAILURES`] or without one. What it
    /// told before counts no more. A value that no service writes is ignored.
    pub(super) fn hear(&self, site: Site, told: Option<&[u8]>, now: Timestamp) {
        let mut all = self.0.lock();
        if told.is_none() && all.is_empty() {
            return;
        }
        all.retain(|one| one.site != site);
        let told = told.filter(|told| told.len() <= MAX_TOLD);
        let told = told.and_then(|told| std::str::from_utf8(told).ok());
        for setting in told.into_iter().flat_map(|told| read(site, told)) {
            let until = Timestamp::from_millis(now.millis() + setting.seconds * 1000);
            all.push(One {
                site,
                setting,
                until,
            });
        }
    }

    /// What goes on at `now`, with the service that has it.
    pub(super) fn in_force(&self, now: Timestamp) -> Vec<(Site, InForce)> {
        let mut all = self.0.lock();
        all.retain(|one| one.until > now);
        let shown = |one: &One| {
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

/// The failures that `site` can have, in `told`: each at most once.
fn read(site: Site, told: &str) -> Vec<Setting> {
    let mut read: Vec<Setting> = Vec::with_capacity(Fault::ALL.len());
    for part in told.split(',') {
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
    fn what_a_service_tells_is_heard_and_ends_by_itself() {
        let on = [
            InForce::new(Fault::ClockSkew, -3600, 56_001).unwrap(),
            InForce::new(Fault::Down, 0, 3000).unwrap(),
        ];
        let told = written(&on);
        assert_eq!(told, "clock-skew;-3600;57,down;0;3");
        let heard = Heard::default();
        heard.hear(Site::Idp, Some(told.as_bytes()), NOW);
        let [(Site::Idp, skew), (Site::Idp, down)] = &heard.in_force(NOW)[..] else {
            panic!("{:?}", heard.in_force(NOW));
        };
        assert_eq!(skew.sentence, "The service's clock is 3600 s slow.");
        assert_eq!((skew.seconds(), down.seconds()), (57, 3));
        assert_eq!(heard.in_force(at(3)).len(), 1);
        assert_eq!(heard.in_force(at(57)), []);
    }

    #[test]
    fn an_answer_replaces_what_the_same_service_told_before() {
        let heard = Heard::default();
        heard.hear(Site::Idp, Some(b"down;0;100"), NOW);
        heard.hear(Site::Api1, Some(b"store-away;0;100"), NOW);
        heard.hear(Site::Idp, Some(b"slow-token;3;100"), NOW);
        let faults = || {
            let all = heard.in_force(NOW).into_iter();
            all.map(|(_, one)| one.fault).collect::<Vec<_>>()
        };
        assert_eq!(faults(), ["store-away", "slow-token"]);
        heard.hear(Site::Idp, None, NOW);
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
        let heard = Heard::default();
        let long = "down;0;10,".repeat(MAX_TOLD);
        for odd in [long.as_bytes(), b"\xff"] {
            heard.hear(Site::Idp, Some(odd), NOW);
            assert_eq!(heard.in_force(NOW), []);
        }
    }

    #[test]
    fn fuzz_what_is_told() {
        let good = [
            &b"clock-skew;-3600;57,down;0;3"[..],
            b"store-away;0;300",
            b"slow-token;8;1",
        ];
        fuzz::run(&good, |told| {
            let heard = Heard::default();
            heard.hear(Site::Idp, Some(told), NOW);
            assert!(heard.in_force(NOW).len() <= Fault::ALL.len());
            assert_eq!(heard.in_force(at(301)), []);
        });
    }
}
