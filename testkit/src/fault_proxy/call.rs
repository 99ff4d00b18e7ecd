//! The record of a request that went through the proxy.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// One request that went through a [`super::FaultProxy`], and what became of it.
#[derive(Clone, Debug)]
pub struct ProxiedCall {
    /// The caller, by whose port it came in ([`super::FaultProxy::listen_for`]).
    pub by: String,
    /// The path that it asked for, without the query.
    pub path: String,
    /// Its form (`application/x-www-form-urlencoded`), by name.
    pub params: BTreeMap<String, String>,
    /// When the request was complete.
    pub started: Instant,
    /// When the response was delivered, or the caller disconnected.
    pub ended: Option<Instant>,
    /// The status that the server answered with, or the proxy in its place.
    pub status: Option<u16>,
    /// Whether the caller received the response.
    pub is_delivered: bool,
}

impl ProxiedCall {
    pub(super) fn new(by: &str, path: &str, body: &[u8]) -> Self {
        Self {
            by: by.to_owned(),
            path: path.to_owned(),
            params: url::form_urlencoded::parse(body).into_owned().collect(),
            started: Instant::now(),
            ended: None,
            status: None,
            is_delivered: false,
        }
    }

    /// A field of its form.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// Whether both were in progress at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let began_during = |one: &Self, other: &Self| {
            one.started >= other.started && other.ended.is_none_or(|ended| one.started < ended)
        };
        began_during(self, other) || began_during(other, self)
    }

    /// The time that the caller waited, once the call has ended.
    pub fn took(&self) -> Option<Duration> {
        Some(self.ended?.duration_since(self.started))
    }
}
