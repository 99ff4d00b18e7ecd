//! The authorization of a device (RFC 8628): pending, answered by a user, redeemed.

use std::time::Duration;

use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::{Scope, secret::same_secret};
use serde::{Deserialize, Serialize};
use store::Charge;

use super::LoginSession;
use crate::{budgets::Budgeted, records::Record};

/// RFC 8628 §3.5: `slow_down` makes the interval 5 seconds longer.
const SLOWED_BY: Duration = Duration::from_secs(5);
/// The longest interval.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// How long an expired device code is told apart from an unknown one.
const KNOWN_EXPIRED: Duration = Duration::from_secs(300);

/// The authorization of one device. Its id is a keyed hash of the user code; the device
/// code has the id and a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceAuthorization {
    /// The client on the device.
    pub client_id: String,
    /// The hash of the secret in the device code.
    secret: String,
    /// The requested scope, as far as the client may have it.
    pub scope: Scope,
    /// The audiences of the grant, that of the first access token first.
    pub audiences: Vec<String>,
    /// Its state.
    state: DeviceState,
    /// The login session that answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered_by: Option<String>,
    /// When the device may poll again.
    pacing: Pacing,
    /// The end of both codes.
    usable_until: Timestamp,
    /// The end of the record.
    expires_at: Timestamp,
    /// Its charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

/// The state of a device's authorization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeviceState {
    /// No user has answered.
    Pending,
    /// The user of this login session has allowed it.
    Allowed(Box<LoginSession>),
    /// A user has denied it.
    Denied,
    /// It was allowed, and its tokens are issued.
    Redeemed,
}

/// The answer of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// Access is allowed.
    Allow,
    /// Access is denied.
    Deny,
}

/// The pace of polling.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pacing {
    /// Milliseconds from one poll to the next.
    interval: u64,
    /// The last poll that came in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    polled_at: Option<Timestamp>,
    /// Whether the interval has grown since.
    #[serde(default)]
    slowed: bool,
}

/// What a poll is answered (RFC 8628 §3.5).
#[derive(Debug)]
pub enum PollVerdict {
    /// `authorization_pending`.
    Pending,
    /// `slow_down`.
    TooEarly,
    /// `access_denied`.
    Denied,
    /// `expired_token`.
    Expired,
    /// The device code was used before.
    Redeemed,
    /// Tokens for the user of this login session.
    Allowed(Box<LoginSession>),
}

impl DeviceAuthorization {
    /// A pending authorization with this `secret` in its device code.
    pub fn pending(
        client_id: &str,
        secret: &str,
        (scope, audiences): (Scope, Vec<String>),
        interval: Duration,
        usable_until: Timestamp,
    ) -> Self {
        Self {
            client_id: client_id.to_owned(),
            secret: fingerprint(secret),
            scope,
            audiences,
            state: DeviceState::Pending,
            answered_by: None,
            pacing: Pacing::new(interval),
            usable_until,
            expires_at: usable_until + KNOWN_EXPIRED,
            charge: None,
        }
    }

    /// Whether `secret` is that of its device code.
    pub fn has_secret(&self, secret: &str) -> bool {
        same_secret(&self.secret, &fingerprint(secret))
    }

    /// Whether a user may still answer it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        matches!(self.state, DeviceState::Pending) && now < self.usable_until
    }

    /// The same, with the answer of the user of `login`.
    pub fn answered(&self, answer: DeviceAnswer, login: &LoginSession) -> Self {
        let state = match answer {
            DeviceAnswer::Allow => DeviceState::Allowed(Box::new(login.clone())),
            DeviceAnswer::Deny => DeviceState::Denied,
        };
        Self {
            state,
            answered_by: Some(login.sid.clone()),
            charge: None,
            ..self.clone()
        }
    }

    /// Whether `login` has given this answer.
    pub fn was_answered(&self, answer: DeviceAnswer, login: &LoginSession) -> bool {
        let given = match self.state {
            DeviceState::Pending => None,
            DeviceState::Allowed(_) | DeviceState::Redeemed => Some(DeviceAnswer::Allow),
            DeviceState::Denied => Some(DeviceAnswer::Deny),
        };
        given == Some(answer) && self.answered_by.as_ref() == Some(&login.sid)
    }

    /// The answer to a poll, and the record to save before it is given.
    pub fn poll(&self, now: Timestamp) -> (PollVerdict, Option<Self>) {
        let is_expired = self.usable_until <= now;
        let login = match &self.state {
            DeviceState::Redeemed => return (PollVerdict::Redeemed, None),
            DeviceState::Denied => return (PollVerdict::Denied, None),
            _ if is_expired => return (PollVerdict::Expired, None),
            DeviceState::Pending => None,
            DeviceState::Allowed(login) => Some(login),
        };
        let paced = |pacing| Self {
            pacing,
            ..self.clone()
        };
        // §3.5: the pace is for a request that is still pending.
        if let Some(login) = login {
            let redeemed = Self {
                state: DeviceState::Redeemed,
                ..self.clone()
            };
            return (PollVerdict::Allowed(login.clone()), Some(redeemed));
        }
        match self.pacing.in_time(now) {
            Some(pacing) => (PollVerdict::Pending, Some(paced(pacing))),
            None => (PollVerdict::TooEarly, self.pacing.slowed().map(paced)),
        }
    }

    /// Seconds from one poll to the next.
    pub fn interval(&self) -> u64 {
        self.pacing.interval.div_ceil(1000)
    }
}

impl Pacing {
    fn new(interval: Duration) -> Self {
        Self {
            interval: millis(interval),
            polled_at: None,
            slowed: false,
        }
    }

    /// The pace after a poll at `now`; `None` if it comes too early. A tenth of the
    /// interval is forgiven: polls take different times to arrive.
    fn in_time(&self, now: Timestamp) -> Option<Self> {
        let wait = Duration::from_millis(self.interval - self.interval / 10);
        let is_early = self.polled_at.is_some_and(|at| now < at + wait);
        (!is_early).then_some(Self {
            polled_at: Some(now),
            slowed: false,
            ..*self
        })
    }

    /// The pace after a poll that came too early; `None` if it stays. The interval counts
    /// from the last poll in time and grows once after it. So a device that polls too
    /// often is slowed down, and still gets an answer each time an interval has passed.
    fn slowed(&self) -> Option<Self> {
        let longest = millis(LONGEST_INTERVAL);
        let interval = (self.interval + millis(SLOWED_BY)).min(longest);
        (!self.slowed && self.interval < longest).then_some(Self {
            interval,
            slowed: true,
            ..*self
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Record for DeviceAuthorization {
    const KIND: &'static str = "device";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Budgeted for DeviceAuthorization {
    fn charge(&mut self) -> &mut Option<Charge> {
        &mut self.charge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn pending() -> DeviceAuthorization {
        let interval = Duration::from_secs(5);
        let access = (Scope::empty(), Vec::new());
        DeviceAuthorization::pending("tv", "secret", access, interval, at(600))
    }

    fn login() -> LoginSession {
        LoginSession::new("sid".into(), "x", "alice".into(), at(0), at(9000))
    }

    /// Polls at these seconds: the answers in short, `.` for pending and `!` for too early.
    fn answers(device: &mut DeviceAuthorization, times: impl IntoIterator<Item = i64>) -> String {
        let mut answers = String::new();
        for time in times {
            let (verdict, changed) = device.poll(at(time));
            answers.push(match verdict {
                PollVerdict::Pending => '.',
                PollVerdict::TooEarly => '!',
                other => panic!("{other:?}"),
            });
            *device = changed.unwrap_or_else(|| device.clone());
        }
        answers
    }

    #[test]
    fn rfc8628_3_5_a_poll_in_time_is_pending_and_one_too_early_adds_5_seconds() {
        let mut device = pending();
        assert_eq!(answers(&mut device, [0, 5, 10, 15]), "....");
        assert_eq!(device.interval(), 5);
        assert_eq!(answers(&mut device, [18]), "!");
        assert_eq!(device.interval(), 10);
        assert_eq!(answers(&mut device, [25, 35, 45]), "...");
        assert_eq!(device.interval(), 10);
    }

    #[test]
    fn rfc8628_3_5_who_polls_each_second_gets_an_answer_after_each_interval() {
        let mut device = pending();
        let all = answers(&mut device, 0..=290);
        let mut gaps = Vec::new();
        let mut last = 0;
        for (time, answer) in all.chars().enumerate().skip(1) {
            if answer == '.' {
                gaps.push(time - last);
                last = time;
            }
        }
        // The window grows by 5 seconds after each answer, up to a minute, and not by
        // each poll. A tenth of it is forgiven.
        assert_eq!(gaps, [9, 14, 18, 23, 27, 32, 36, 41, 45]);
        assert_eq!(device.interval(), 55);
    }

    #[test]
    fn a_poll_that_is_too_early_again_saves_nothing() {
        let (_, first) = pending().poll(at(0));
        let (_, slowed) = first.unwrap().poll(at(1));
        let (verdict, changed) = slowed.unwrap().poll(at(2));
        assert!(matches!(verdict, PollVerdict::TooEarly) && changed.is_none());
    }

    #[test]
    fn rfc8628_3_5_an_allowed_device_is_redeemed_once_in_time() {
        let device = pending().answered(DeviceAnswer::Allow, &login());
        let (verdict, redeemed) = device.poll(at(1));
        assert!(matches!(verdict, PollVerdict::Allowed(login) if login.sub == "alice"));
        // §3.5: only a pending request is told to slow down.
        let (_, polled) = pending().poll(at(0));
        let allowed = polled.unwrap().answered(DeviceAnswer::Allow, &login());
        assert!(matches!(allowed.poll(at(1)).0, PollVerdict::Allowed(_)));
        let (verdict, changed) = redeemed.unwrap().poll(at(2));
        assert!(matches!(verdict, PollVerdict::Redeemed) && changed.is_none());
        let (verdict, _) = device.poll(at(600));
        assert!(matches!(verdict, PollVerdict::Expired), "{verdict:?}");
    }

    #[test]
    fn rfc8628_3_5_denied_and_expired_are_final() {
        let denied = pending().answered(DeviceAnswer::Deny, &login());
        for time in [1, 2, 700] {
            let (verdict, changed) = denied.poll(at(time));
            assert!(matches!(verdict, PollVerdict::Denied) && changed.is_none());
        }
        let (verdict, changed) = pending().poll(at(600));
        assert!(matches!(verdict, PollVerdict::Expired) && changed.is_none());
        assert!(!pending().is_open(at(600)) && pending().is_open(at(599)));
    }

    #[test]
    fn an_answer_is_repeated_for_the_session_that_gave_it() {
        let allowed = pending().answered(DeviceAnswer::Allow, &login());
        let (_, redeemed) = allowed.poll(at(1));
        let other = LoginSession::new("other".into(), "x", "bob".into(), at(0), at(9000));
        for device in [allowed, redeemed.unwrap()] {
            assert!(device.was_answered(DeviceAnswer::Allow, &login()));
            assert!(!device.was_answered(DeviceAnswer::Deny, &login()));
            assert!(!device.was_answered(DeviceAnswer::Allow, &other));
        }
        assert!(!pending().was_answered(DeviceAnswer::Allow, &login()));
    }
}
