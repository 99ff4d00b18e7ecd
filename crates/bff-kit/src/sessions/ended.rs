//! Sessions that have ended, and the marker cookie that keeps them ended: a late
//! answer can still set the cookies of a session that has ended meanwhile. The
//! marker names such sessions until everything in them has expired, and their
//! access tokens that cannot be revoked.

use std::{collections::BTreeMap, time::Duration};

use actix_web::cookie::Cookie;
use kit::clock::{Clock, Timestamp};

use super::{
    id::Handle,
    mode::SessionMode,
    record::{About, Record},
};
use crate::{
    audiences::Audience,
    cookies::{self, SetCookies},
    credentials::UserToken,
};

/// The most sessions that a marker names: the latest.
const MAX_NAMED: usize = 4;

/// What is left of a session that has ended.
#[derive(Default)]
pub(crate) struct Ended {
    /// For the provider's logout (`id_token_hint`).
    pub(crate) id_token: Option<String>,
    /// To be revoked.
    pub(crate) refresh_token: Option<String>,
    /// Access tokens that cannot be revoked, by audience: until when they are valid.
    pub(crate) still_good: BTreeMap<String, Timestamp>,
    /// Removes its cookies, where it was this browser's session.
    pub(crate) cookies: SetCookies,
}

impl Ended {
    /// What is left of a record. Only `hybrid` sessions gave access tokens to the
    /// browser.
    pub(super) fn of(record: &Record) -> Self {
        let in_browser = record.about.mode == SessionMode::Hybrid;
        let tokens = record.tokens.iter().filter(|_| in_browser);
        Self {
            id_token: Some(record.id_token.clone()),
            refresh_token: record.refresh_token.clone(),
            still_good: latest(tokens.map(|(key, token)| (key.as_str(), token.expires_at))),
            cookies: SetCookies::default(),
        }
    }
}

/// By audience, when the last of its `tokens` ends, which have the names of a record.
pub(super) fn latest<'t>(
    tokens: impl Iterator<Item = (&'t str, Timestamp)>,
) -> BTreeMap<String, Timestamp> {
    let mut all = BTreeMap::new();
    for (key, until) in tokens {
        let audience = UserToken::audience_of(key).to_owned();
        let known = all.entry(audience).or_insert(until);
        *known = until.max(*known);
    }
    all
}

/// A session that has ended, as the marker names it.
struct Named<'m> {
    handle: &'m str,
    /// When everything in it has expired.
    until: Timestamp,
    /// Its access tokens that cannot be revoked.
    still_good: Vec<(&'static Audience, Timestamp)>,
}

/// The marker that names this session and its tokens that are `still_good`, beside
/// the sessions that `before` names. `None`: `before` names this one already.
pub(super) fn marker(
    before: Option<&str>,
    handle: &Handle,
    about: &About,
    still_good: &BTreeMap<String, Timestamp>,
    clock: &dyn Clock,
) -> Option<Cookie<'static>> {
    let now = clock.now();
    let mut named = before.map(|text| read(text, now)).unwrap_or_default();
    let is_named = |other: &Named<'_>| other.handle == handle.as_str();
    if still_good.is_empty() && named.iter().any(is_named) {
        return None;
    }
    named.retain(|other| !is_named(other));
    let last = still_good.values().copied().max();
    let tokens = still_good.iter();
    named.push(Named {
        handle: handle.as_str(),
        until: last.map_or(about.ends_at, |last| last.max(about.ends_at)),
        still_good: tokens
            .filter_map(|(uri, until)| Some((Audience::named(uri)?, *until)))
            .collect(),
    });
    let surplus = named.len().saturating_sub(MAX_NAMED);
    let named = &named[surplus..];
    let last = named.iter().map(|one| one.until).max();
    let lives = last.map_or(Duration::ZERO, |last| now.until(last));
    let value: Vec<_> = named.iter().map(Named::written).collect();
    Some(cookies::ended(value.join("~"), lives))
}

/// Whether `marker` names this session.
pub(super) fn names(marker: &str, handle: &Handle, now: Timestamp) -> bool {
    let named = read(marker, now);
    named.iter().any(|one| one.handle == handle.as_str())
}

/// Until when access tokens of sessions that `marker` names are good, by API.
pub(super) fn still_good(marker: &str, now: Timestamp) -> Vec<(&'static Audience, Timestamp)> {
    let named = read(marker, now);
    let last = |audience: &'static Audience| {
        let tokens = named.iter().flat_map(|one| &one.still_good);
        let own = tokens.filter(|(of, until)| *of == audience && now < *until);
        let last = own.map(|(_, until)| *until).max()?;
        Some((audience, last))
    };
    Audience::ALL.into_iter().filter_map(last).collect()
}

fn read(marker: &str, now: Timestamp) -> Vec<Named<'_>> {
    let named = marker.split('~').take(MAX_NAMED);
    let named = named.filter_map(Named::read);
    named.filter(|one| now < one.until).collect()
}

impl<'m> Named<'m> {
    /// `<handle>.<until>`, and `.<path>-<until>` for each token.
    fn written(&self) -> String {
        let tokens = self.still_good.iter();
        let tokens = tokens.map(|(api, until)| format!(".{}-{}", &api.path[1..], until.secs()));
        let tokens: String = tokens.collect();
        format!("{}.{}{tokens}", self.handle, self.until.secs())
    }

    fn read(text: &'m str) -> Option<Self> {
        let secs = |text: &str| Some(Timestamp::from_secs(text.parse().ok()?));
        let mut parts = text.split('.');
        let handle = parts.next().filter(|handle| handle.len() == 43)?;
        let until = secs(parts.next()?)?;
        let token = |part: &str| {
            let (path, until) = part.split_once('-')?;
            let mut all = Audience::ALL.into_iter();
            let audience = all.find(|audience| &audience.path[1..] == path)?;
            Some((audience, secs(until)?))
        };
        Some(Self {
            handle,
            until,
            still_good: parts.take(Audience::ALL.len()).filter_map(token).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use kit::clock::ManualClock;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn handle(letter: &str) -> Handle {
        Handle::read(&letter.repeat(43)).unwrap()
    }

    fn ended(before: Option<&str>, letter: &str, ends_at: i64, tokens: &[(&str, i64)]) -> String {
        let about = About::for_test(Timestamp::from_secs(ends_at));
        let tokens = tokens.iter();
        let still_good = tokens
            .map(|(uri, until)| ((*uri).to_owned(), Timestamp::from_secs(*until)))
            .collect();
        let clock = ManualClock::new(NOW);
        let cookie = marker(before, &handle(letter), &about, &still_good, &clock);
        cookie.unwrap().value().to_owned()
    }

    #[test]
    fn the_marker_tells_the_last_token_of_each_api_that_is_still_good() {
        let first = ended(
            None,
            "a",
            9000,
            &[("https://api-1", 1900), ("https://api-2", 1500)],
        );
        let both = ended(
            Some(&first),
            "b",
            9000,
            &[("https://api-2", 1600), ("other", 1700)],
        );
        let told = |at| -> Vec<_> {
            let good = still_good(&both, Timestamp::from_secs(at));
            good.iter()
                .map(|(api, until)| (api.uri, until.secs()))
                .collect()
        };
        assert_eq!(
            told(1000),
            [("https://api-1", 1900), ("https://api-2", 1600)]
        );
        assert_eq!(told(1600), [("https://api-1", 1900)]);
        assert!(told(1900).is_empty());
        for letter in ["a", "b"] {
            assert!(names(&both, &handle(letter), NOW), "{letter}");
        }
    }

    #[test]
    fn a_session_is_named_as_long_as_its_last_token_is_good_and_the_latest_stay() {
        let at = Timestamp::from_secs;
        let long = ended(None, "a", 1100, &[("https://api-1", 1900)]);
        assert!(names(&long, &handle("a"), at(1899)) && !names(&long, &handle("a"), at(1900)));
        let mut all = long;
        for letter in ["b", "c", "d", "e"] {
            all = ended(Some(&all), letter, 9000, &[]);
        }
        assert!(!names(&all, &handle("a"), NOW), "the oldest is given up");
        assert!(names(&all, &handle("b"), NOW) && names(&all, &handle("e"), NOW));
    }

    #[test]
    fn what_is_no_marker_names_nothing() {
        for text in ["", "~", "a.b", &format!("{}.x", "a".repeat(43)), "..."] {
            assert!(read(text, NOW).is_empty(), "{text}");
        }
        let odd = format!("{}.{}.api1.api3-5.-.api1-x", "a".repeat(43), i64::MAX);
        assert_eq!(read(&odd, NOW).len(), 1);
        assert!(still_good(&odd, NOW).is_empty());
    }
}
