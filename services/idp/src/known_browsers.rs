//! Known browsers: a browser that a user has signed in with has a counter of its own in
//! the sign-in throttle, so that strangers cannot delay this user. A cookie proves it,
//! with an entry `<end>.<id>.<mac>` for each of a few users. The key of the MAC is not
//! in the store.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{clock::Timestamp, random::Random, seal::KEY_LEN};
use oauth_types::secret::same_secret;

use crate::derived_key::derived_key;

/// How long a browser stays known between two sign-ins.
pub const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// The most users of a known browser.
const MAX_USERS: usize = 4;
/// Separates entries.
const SEPARATOR: char = '~';
/// The bytes of an id and of a MAC (128 bits).
const ID_LEN: usize = 9;
const MAC_LEN: usize = 16;

/// Creates and reads the value of the cookie.
pub struct KnownBrowsers(hmac::Key);

struct Entry<'c> {
    text: &'c str,
    ends: Timestamp,
    id: &'c str,
    mac: &'c str,
}

impl KnownBrowsers {
    /// With a key derived from `master`.
    pub fn new(master: &[u8; KEY_LEN]) -> Self {
        Self(derived_key(master, "sso-lab known browser v1"))
    }

    /// The id of the browser that sent `cookie`, if `sub` has signed in with it.
    pub fn id<'c>(&self, cookie: &'c str, sub: &str, now: Timestamp) -> Option<&'c str> {
        let mut live = entries(cookie).filter(|entry| entry.ends > now);
        live.find(|entry| self.is_of(entry, sub))
            .map(|entry| entry.id)
    }

    /// The cookie after a sign-in of `sub`. Entries of other users stay, except the oldest
    /// beyond the limit.
    pub fn renewed(
        &self,
        cookie: Option<&str>,
        sub: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> String {
        let known = cookie.and_then(|cookie| self.id(cookie, sub, now));
        let id = known.map_or_else(
            || URL_SAFE_NO_PAD.encode(random.bytes::<ID_LEN>()),
            str::to_owned,
        );
        let ends = (now + LIFETIME).secs();
        let mac = self.mac(sub, ends, &id);
        let others = cookie.into_iter().flat_map(entries);
        let others = others.filter(|entry| entry.ends > now && !self.is_of(entry, sub));
        let mut renewed = format!("{ends}.{id}.{mac}");
        for entry in others.take(MAX_USERS - 1) {
            renewed.push(SEPARATOR);
            renewed.push_str(entry.text);
        }
        renewed
    }

    fn is_of(&self, entry: &Entry<'_>, sub: &str) -> bool {
        same_secret(entry.mac, &self.mac(sub, entry.ends.secs(), entry.id))
    }

    fn mac(&self, sub: &str, ends: i64, id: &str) -> String {
        let mac = hmac::sign(&self.0, format!("{ends}\n{id}\n{sub}").as_bytes());
        let short = mac.as_ref().first_chunk::<MAC_LEN>();
        URL_SAFE_NO_PAD.encode(short.copied().unwrap_or_default())
    }
}

fn entries(cookie: &str) -> impl Iterator<Item = Entry<'_>> {
    cookie.split(SEPARATOR).take(MAX_USERS).filter_map(|text| {
        let (ends, rest) = text.split_once('.')?;
        let (id, mac) = rest.split_once('.')?;
        let ends = Timestamp::from_secs(ends.parse().ok()?);
        let is_ours = URL_SAFE_NO_PAD
            .decode(id)
            .is_ok_and(|id| id.len() == ID_LEN)
            && URL_SAFE_NO_PAD
                .decode(mac)
                .is_ok_and(|mac| mac.len() == MAC_LEN);
        is_ours.then_some(Entry {
            text,
            ends,
            id,
            mac,
        })
    })
}

#[cfg(test)]
mod tests {
    use kit::random::SeededRandom;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn known(master: u8) -> KnownBrowsers {
        KnownBrowsers::new(&[master; KEY_LEN])
    }

    fn signed_in(cookie: Option<&str>, sub: &str) -> String {
        let random = SeededRandom::new(sub.len() as u64);
        known(7).renewed(cookie, sub, NOW, &random)
    }

    #[test]
    fn a_browser_is_known_for_its_user_alone_and_for_a_time() {
        let cookie = signed_in(None, "alice");
        assert!(known(7).id(&cookie, "alice", NOW).is_some());
        assert!(known(7).id(&cookie, "bob", NOW).is_none());
        assert!(known(8).id(&cookie, "alice", NOW).is_none(), "another key");
        assert!(known(7).id(&cookie, "alice", NOW + LIFETIME).is_none());
        let later = cookie.replacen("18", "19", 1);
        assert!(known(7).id(&later, "alice", NOW).is_none(), "a longer life");
        for wrong in ["", "~", "a.b.c", "1.2", &"~".repeat(5000)] {
            assert!(known(7).id(wrong, "alice", NOW).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn a_few_users_share_a_browser_and_the_cookie_is_bounded() {
        let mut cookie = signed_in(None, "a");
        let first = known(7).id(&cookie, "a", NOW).unwrap().to_owned();
        for sub in ["bb", "ccc", "dddd", "a"] {
            cookie = signed_in(Some(&cookie), sub);
        }
        for sub in ["a", "bb", "ccc", "dddd"] {
            assert!(known(7).id(&cookie, sub, NOW).is_some(), "{sub}");
        }
        assert_eq!(
            known(7).id(&cookie, "a", NOW),
            Some(first.as_str()),
            "its bucket stays"
        );
        cookie = signed_in(Some(&cookie), "eeeee");
        assert!(known(7).id(&cookie, "bb", NOW).is_none(), "the oldest went");
        assert!(known(7).id(&cookie, "a", NOW).is_some());
        assert!(cookie.len() <= 256, "{}", cookie.len());
    }

    #[test]
    fn fuzz_the_cookie_of_known_browsers() {
        let both = signed_in(Some(&signed_in(None, "alice")), "bob");
        let own = known(7).id(&both, "alice", NOW).unwrap();
        fuzz::run_text(&[&both], |cookie| {
            let id = known(7).id(cookie, "alice", NOW);
            assert!(id.is_none_or(|id| id == own), "{cookie}");
            assert!(known(7).id(cookie, "carol", NOW).is_none(), "{cookie}");
        });
    }
}
