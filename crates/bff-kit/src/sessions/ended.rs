//! Sessions that have ended, and the marker that keeps them so: an answer that
//! is late can still bring the cookies of a session that was ended meanwhile.
//! The marker names such sessions for as long as anything in them is good.

use std::{collections::BTreeMap, time::Duration};

use actix_web::cookie::Cookie;
use kit::clock::{Clock, Timestamp};

use super::{Handle, Record, record::About};
use crate::cookies;

/// The most sessions that a marker names: the latest.
const MAX_NAMED: usize = 4;

/// What is left of a session that has ended.
#[derive(Default)]
pub(crate) struct Ended {
    /// Whose it was.
    pub(crate) sub: String,
    /// For the provider's logout (`id_token_hint`).
    pub(crate) id_token: Option<String>,
    /// To be revoked.
    pub(crate) refresh_token: Option<String>,
    /// Access tokens that nobody can call back, by audience: until when.
    pub(crate) still_good: BTreeMap<String, Timestamp>,
}

impl Ended {
    /// Of a record: its tokens were never out of our hands, unless it was
    /// `hybrid`, where the browser has them.
    pub(super) fn of(record: &Record) -> Self {
        let out = record.about.mode == super::SessionMode::Hybrid;
        let tokens = record.tokens.iter().filter(|_| out);
        Self {
            sub: record.about.user.sub.clone(),
            id_token: Some(record.id_token.clone()),
            refresh_token: record.refresh_token.clone(),
            still_good: tokens
                .map(|(audience, token)| (audience.clone(), token.expires_at))
                .collect(),
        }
    }
}

/// The marker that names this session too, beside those that `before` names.
pub(super) fn marker(
    before: Option<&str>,
    handle: &Handle,
    about: &About,
    clock: &dyn Clock,
) -> Cookie<'static> {
    let now = clock.now();
    let mut named: Vec<_> = before.map(|text| read(text, now)).unwrap_or_default();
    named.retain(|(other, _)| *other != handle.as_str());
    named.push((handle.as_str(), about.ends_at));
    let surplus = named.len().saturating_sub(MAX_NAMED);
    let named = &named[surplus..];
    let last = named.iter().map(|(_, until)| *until).max();
    let lives = last.map_or(Duration::ZERO, |last| now.until(last));
    let value: Vec<_> = named
        .iter()
        .map(|(handle, until)| format!("{handle}.{}", until.secs()))
        .collect();
    cookies::ended(value.join("~"), lives)
}

/// Whether `marker` names this session.
pub(super) fn names(marker: &str, handle: &Handle, now: Timestamp) -> bool {
    read(marker, now)
        .iter()
        .any(|(named, _)| *named == handle.as_str())
}

fn read(marker: &str, now: Timestamp) -> Vec<(&str, Timestamp)> {
    let named = marker.split('~').take(MAX_NAMED);
    let named = named.filter_map(|one| {
        let (handle, until) = one.split_once('.')?;
        let until = Timestamp::from_secs(until.parse().ok()?);
        (handle.len() == 43 && now < until).then_some((handle, until))
    });
    named.collect()
}
