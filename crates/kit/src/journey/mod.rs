//! Journeys: one browser's requests over all apps, which the lab's live diagram shows. A
//! service knows that a request belongs to a journey by its own cookie, or by `tracestate`
//! of a service that calls it. Both are sealed with a key of the lab's secret, so nobody
//! else can have requests sampled. A process without the secret knows no journeys.

mod call;
mod continuation;
mod settings;
mod ticket;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
pub(crate) use call::STATE_KEY;
pub use call::{Called, PASS_LIFE, Pass};
use secrecy::{ExposeSecret as _, SecretString};
pub use settings::Settings;
pub use ticket::{TICKET_LIFE, Ticket};

use crate::{
    clock::Timestamp,
    random::Random,
    seal::{KEY_LEN, Keyring, MacKeys},
};

/// The cookie of each service that names the journey of a browser.
pub const COOKIE: &str = "__Host-lab_journey";
/// The fewest characters of the lab's secret.
pub const MIN_SECRET: usize = 32;
/// How long a journey lives without use.
pub const LIFE: std::time::Duration = std::time::Duration::from_secs(2 * 60 * 60);

const ID_LEN: usize = 16;
/// The most characters of a sealed journey.
const MAX_SEALED: usize = 128;

/// One journey. Its id is a secret of the browser and of the services.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Journey {
    id: [u8; ID_LEN],
    tag: JourneyTag,
    settings: Settings,
}

/// A hash of a journey's id, which telemetry shows (`sso.journey`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JourneyTag([u8; ID_LEN]);

impl std::fmt::Debug for Journey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Journey").field(&self.tag).finish()
    }
}

impl std::fmt::Display for JourneyTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for JourneyTag {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = text.len() == 2 * ID_LEN && text.bytes().all(|b| b.is_ascii_hexdigit());
        let mut tag = [0; ID_LEN];
        for (at, byte) in tag.iter_mut().enumerate().filter(|_| is_hex) {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| ())?;
        }
        is_hex.then_some(Self(tag)).ok_or(())
    }
}

impl Journey {
    /// The hash of its id.
    pub const fn tag(&self) -> JourneyTag {
        self.tag
    }

    /// What the lab has set for it.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// The same journey with other settings.
    pub const fn with(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }
}

/// The keys of the lab's secret.
#[derive(Debug)]
pub struct JourneyKeys {
    ids: Keyring,
    tickets: Keyring,
    fingerprints: MacKeys,
    continuations: MacKeys,
    export: String,
    control: String,
    /// The lab's address, as browsers see it.
    lab_url: String,
}

/// The keys of this process.
static KEYS: OnceLock<Arc<JourneyKeys>> = OnceLock::new();

/// The keys with which this process recognizes journeys; `None` where it is no part of a
/// lab.
pub fn of_process() -> Option<Arc<JourneyKeys>> {
    KEYS.get().cloned()
}

/// Whether this process recognizes journeys.
pub fn is_lab() -> bool {
    KEYS.get().is_some()
}

/// From now on this process recognizes journeys.
pub(crate) fn recognize(keys: &Arc<JourneyKeys>) {
    // A second start of telemetry fails before.
    let _ = KEYS.set(Arc::clone(keys));
}

impl JourneyKeys {
    /// The keys of `secret`, in a deployment whose lab has the address `lab_url`.
    pub fn new(secret: &SecretString, lab_url: &str) -> Self {
        let mut master = [0; KEY_LEN];
        let hash = digest(&SHA256, secret.expose_secret().as_bytes());
        master.copy_from_slice(hash.as_ref());
        let masters = [master];
        let export = MacKeys::new(&masters, "lab export v1");
        let control = MacKeys::new(&masters, "lab control v1");
        Self {
            ids: Keyring::new(&masters, "lab journeys v2"),
            tickets: Keyring::new(&masters, "lab tickets v2"),
            fingerprints: MacKeys::new(&masters, "lab fingerprints v1"),
            continuations: MacKeys::new(&masters, "lab passes v1"),
            export: URL_SAFE_NO_PAD.encode(export.code("", b"spans")),
            control: URL_SAFE_NO_PAD.encode(control.code("", b"services")),
            lab_url: lab_url.to_owned(),
        }
    }

    /// A new journey.
    pub fn begin(&self, random: &dyn Random) -> Journey {
        self.journey(random.bytes())
    }

    fn journey(&self, id: [u8; ID_LEN]) -> Journey {
        let code = self.fingerprints.code("tag", &id);
        let mut tag = [0; ID_LEN];
        tag.copy_from_slice(&code[..ID_LEN]);
        Journey {
            id,
            tag: JourneyTag(tag),
            settings: Settings::default(),
        }
    }

    /// The value of the cookie by which `service` knows that a browser is part of `journey`.
    /// It is good for this service alone, and for [`LIFE`].
    pub fn cookie(
        &self,
        journey: &Journey,
        service: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> String {
        let life = i64::try_from(LIFE.as_secs()).unwrap_or_default();
        let expires = (now.secs() + life).to_be_bytes();
        self.seal(journey, &expires, &format!("cookie {service}"), random)
    }

    /// The journey of a request to `service` with this cookie.
    pub fn of_cookie(&self, value: &str, service: &str, now: Timestamp) -> Option<Journey> {
        let (journey, expires) = self.open(value, &format!("cookie {service}"))?;
        let expires = i64::from_be_bytes(expires.try_into().ok()?);
        let journey = journey.with(journey.settings.at(now));
        (now.secs() < expires).then_some(journey)
    }

    /// The key that a service presents to the lab when it delivers spans.
    pub fn export_key(&self) -> &str {
        &self.export
    }

    /// Whether `presented` is that key; the comparison takes constant time.
    pub fn is_export_key(&self, presented: &str) -> bool {
        verify_slices_are_equal(presented.as_bytes(), self.export.as_bytes()).is_ok()
    }

    /// The key that the lab, or a trainer, presents to a service to control it.
    pub fn control_key(&self) -> &str {
        &self.control
    }

    /// Whether `presented` is that key; the comparison takes constant time.
    pub fn is_control_key(&self, presented: &str) -> bool {
        verify_slices_are_equal(presented.as_bytes(), self.control.as_bytes()).is_ok()
    }

    /// The lab's address, as browsers see it.
    pub fn lab_url(&self) -> &str {
        &self.lab_url
    }

    /// A short name of a value that is not shown: equal values of one journey have equal
    /// names, and the value cannot be found by trying others without the key.
    pub fn fingerprint(&self, journey: &Journey, value: &[u8]) -> String {
        self.fingerprint_in(journey.tag, value)
    }

    /// The same for the journey that `tag` names.
    pub fn fingerprint_in(&self, tag: JourneyTag, value: &[u8]) -> String {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let code = self.fingerprints.code(&tag.to_string(), value);
        let bits = code
            .iter()
            .take(4)
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let digit = |at: u32| char::from(DIGITS[(bits >> (27 - 5 * at) & 31) as usize]);
        (0..6).map(digit).collect()
    }

    fn seal(&self, journey: &Journey, more: &[u8], context: &str, random: &dyn Random) -> String {
        let plain = [&journey.id, &journey.settings.to_bytes()[..], more].concat();
        URL_SAFE_NO_PAD.encode(self.ids.seal(random, context, &plain))
    }

    /// A sealed journey, and what was sealed with it.
    fn open(&self, sealed: &str, context: &str) -> Option<(Journey, Vec<u8>)> {
        if sealed.len() > MAX_SEALED {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = self.ids.open(context, sealed)?;
        let (id, rest) = plain.split_first_chunk()?;
        let (settings, more) = rest.split_first_chunk()?;
        let settings = Settings::from_bytes(settings)?;
        Some((self.journey(*id).with(settings), more.to_vec()))
    }
}

#[cfg(test)]
pub(crate) fn test_keys() -> JourneyKeys {
    let secret = "0123456789abcdef0123456789abcdef".to_owned().into();
    JourneyKeys::new(&secret, "http://lab.localhost:8080")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn a_cookie_is_good_for_its_service_its_lab_and_its_time_alone() {
        let keys = test_keys();
        let journey = keys.begin(&OsRandom);
        let cookie = keys.cookie(&journey, "app1-bff", NOW, &OsRandom);
        assert_eq!(keys.of_cookie(&cookie, "app1-bff", NOW), Some(journey));
        assert_eq!(keys.of_cookie(&cookie, "app2-bff", NOW), None);
        let life = i64::try_from(LIFE.as_secs()).unwrap();
        let over = Timestamp::from_secs(NOW.secs() + life);
        assert_eq!(keys.of_cookie(&cookie, "app1-bff", over), None);
        let other = JourneyKeys::new(&"x".repeat(MIN_SECRET).into(), "http://lab.localhost:8080");
        assert_eq!(other.of_cookie(&cookie, "app1-bff", NOW), None);
        assert!(cookie.len() <= MAX_SEALED, "{}", cookie.len());
    }

    #[test]
    fn what_nobody_sealed_is_no_journey() {
        let keys = test_keys();
        let journey = keys.begin(&OsRandom);
        let cookie = keys.cookie(&journey, "idp", NOW, &OsRandom);
        let bent = format!("A{}", &cookie[1..]);
        let long = cookie.repeat(2);
        let plain = URL_SAFE_NO_PAD.encode(journey.id);
        for forged in ["", "x", "%%%", &*bent, &*long, &*plain] {
            assert_eq!(keys.of_cookie(forged, "idp", NOW), None, "{forged}");
        }
    }

    #[test]
    fn only_the_secrets_own_key_exports() {
        let keys = test_keys();
        assert!(keys.is_export_key(test_keys().export_key()));
        assert!(!keys.is_export_key("") && !keys.is_export_key("guess"));
    }

    #[test]
    fn only_the_secrets_own_key_controls_and_it_is_not_the_key_that_exports() {
        let keys = test_keys();
        assert!(keys.is_control_key(test_keys().control_key()));
        assert!(!keys.is_control_key("") && !keys.is_control_key("guess"));
        assert!(!keys.is_control_key(keys.export_key()));
        assert!(!keys.is_export_key(keys.control_key()));
    }

    #[test]
    fn the_tag_is_the_same_in_each_process_and_says_nothing_of_the_id() {
        let journey = test_keys().begin(&OsRandom);
        assert_eq!(test_keys().journey(journey.id), journey);
        let tag = journey.tag().to_string();
        assert_eq!(tag.parse(), Ok(journey.tag()));
        assert_ne!(tag, JourneyTag(journey.id).to_string());
        assert!(!format!("{journey:?}").contains(&JourneyTag(journey.id).to_string()));
    }

    #[test]
    fn equal_values_have_equal_fingerprints_within_one_journey() {
        let keys = test_keys();
        let (one, other) = (keys.begin(&OsRandom), keys.begin(&OsRandom));
        let name = keys.fingerprint(&one, b"a state");
        assert_eq!(name, keys.fingerprint(&one, b"a state"));
        assert_ne!(name, keys.fingerprint(&one, b"another"));
        assert_ne!(name, keys.fingerprint(&other, b"a state"));
        assert_eq!(name.len(), 6);
    }
}
