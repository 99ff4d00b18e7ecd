//! The journey of a call, in `tracestate`: sealed for one trace, so whoever receives it can
//! add to this trace of this journey and to nothing else. A service makes it for each call
//! of its own; a [`Pass`] lets a program or a page that has no cookie send it.

use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

use super::{Journey, JourneyKeys, MAX_SEALED, Settings};
use crate::{clock::Timestamp, random::Random};

/// The member of `tracestate` that names the journey of a call.
pub(crate) const STATE_KEY: &str = "sso-lab";
/// How long a pass is accepted, in seconds.
pub const PASS_LIFE: i64 = 15 * 60;
/// How long a service's own member is accepted, in seconds: a call, with the clocks of two
/// machines apart.
const CALL_LIFE: i64 = 5 * 60;
/// The digits of a trace's id.
const TRACE_DIGITS: usize = 32;

/// The journey of a request from another service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The journey.
    pub journey: Journey,
    /// The service that sent the request.
    pub by: Arc<str>,
}

/// What a program or a page sends with its requests, so that they are part of a journey. It
/// carries none of the journey's settings: it adds steps and weakens nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Pass {
    trace_id: TraceId,
    sealed: String,
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pass").field(&self.trace_id).finish()
    }
}

/// `<trace>.<sealed>`, for a command line.
impl std::fmt::Display for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.trace_id, self.sealed)
    }
}

impl std::str::FromStr for Pass {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('.');
        let read = parts.and_then(|(trace, sealed)| Some((trace_of(trace)?, sealed)));
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let read = read.filter(|(_, sealed)| {
            (1..=MAX_SEALED).contains(&sealed.len()) && sealed.bytes().all(is_base64url)
        });
        let (trace_id, sealed) = read.ok_or("this is no value of the lab's page")?;
        let sealed = sealed.to_owned();
        Ok(Self { trace_id, sealed })
    }
}

/// A trace's id in lower-case hex (W3C Trace Context §3.2.2.3).
fn trace_of(digits: &str) -> Option<TraceId> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits = digits.len() == TRACE_DIGITS && digits.bytes().all(is_hex);
    let id = fits.then(|| TraceId::from_hex(digits).ok())??;
    (id != TraceId::INVALID).then_some(id)
}

impl Pass {
    /// The span of its holder, which no service records.
    pub(crate) fn caller(&self) -> SpanContext {
        let span = RandomIdGenerator::default().new_span_id();
        self.called_by(span)
    }

    fn called_by(&self, span: SpanId) -> SpanContext {
        let state = TraceState::from_key_value([(STATE_KEY, &*self.sealed)]).unwrap_or_default();
        SpanContext::new(self.trace_id, span, TraceFlags::NOT_SAMPLED, false, state)
    }

    /// The values of `traceparent` and `tracestate`, for a program that is given headers.
    pub fn headers(&self) -> (String, String) {
        let caller = self.caller();
        let parent = format!("00-{}-{}-00", self.trace_id, caller.span_id());
        (parent, caller.trace_state().header())
    }
}

impl JourneyKeys {
    /// The member of `tracestate` for calls of the service `caller` inside the trace
    /// `trace_id`. It is good for this trace alone, so whoever receives it can add to nothing
    /// else.
    pub(crate) fn state(
        &self,
        journey: &Journey,
        caller: &str,
        trace_id: TraceId,
        now: Timestamp,
        random: &dyn Random,
    ) -> String {
        self.member(journey, caller, trace_id, now.secs() + CALL_LIFE, random)
    }

    /// A pass of `journey` for `holder`, in the trace `trace` (in hex) or in a new one. `None`
    /// if that is no trace.
    pub fn pass(
        &self,
        journey: &Journey,
        holder: &str,
        trace: Option<&str>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Option<Pass> {
        let new = || RandomIdGenerator::default().new_trace_id();
        let trace_id = trace.map_or_else(|| Some(new()), trace_of)?;
        let plain = journey.with(Settings::default());
        let until = now.secs() + PASS_LIFE;
        Some(Pass {
            trace_id,
            sealed: self.member(&plain, holder, trace_id, until, random),
        })
    }

    fn member(
        &self,
        journey: &Journey,
        caller: &str,
        trace_id: TraceId,
        until: i64,
        random: &dyn Random,
    ) -> String {
        let more = [&until.to_be_bytes()[..], caller.as_bytes()].concat();
        self.seal(journey, &more, &context(trace_id), random)
    }

    /// The journey that the `tracestate` of `caller` names at `now`.
    pub fn of_caller(
        &self,
        caller: &SpanContext,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Called> {
        let sealed = caller.trace_state().get(STATE_KEY)?;
        let (journey, more) = self.open(sealed, &context(caller.trace_id()))?;
        let (until, by) = more.split_first_chunk()?;
        let now = now();
        if now.secs() >= i64::from_be_bytes(*until) {
            return None;
        }
        Some(Called {
            journey: journey.with(journey.settings.at(now)),
            by: std::str::from_utf8(by).ok()?.into(),
        })
    }
}

fn context(trace_id: TraceId) -> String {
    format!("trace {trace_id}")
}

#[cfg(test)]
mod tests {
    use super::{super::test_keys, *};
    use crate::{
        random::OsRandom,
        weakness::{Weakness, Weaknesses},
    };

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const TRACE: TraceId = TraceId::from_bytes([7; 16]);

    /// A caller in the trace `trace_id` that sends `sealed`.
    fn caller(trace_id: TraceId, sealed: Option<&str>) -> SpanContext {
        let members = sealed.map(|sealed| (STATE_KEY, sealed));
        let state = TraceState::from_key_value(members).unwrap();
        let span_id = SpanId::from_bytes([1; 8]);
        SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, state)
    }

    fn after(secs: i64) -> Timestamp {
        Timestamp::from_secs(NOW.secs() + secs)
    }

    fn weakened(journey: Journey) -> Journey {
        journey.with(Settings {
            weaknesses: [Weakness::AlgNone].into_iter().collect(),
            weakened_until: NOW.secs() + 100,
            explain: true,
        })
    }

    #[test]
    fn a_tracestate_names_the_caller_and_is_good_for_its_trace_and_its_time_alone() {
        let keys = test_keys();
        let journey = weakened(keys.begin(&OsRandom));
        let sealed = keys.state(&journey, "app1-bff", TRACE, NOW, &OsRandom);
        let by = "app1-bff".into();
        let good = caller(TRACE, Some(&sealed));
        let expected = Some(Called { journey, by });
        assert_eq!(keys.of_caller(&good, || NOW), expected);
        let later = keys.of_caller(&good, || after(CALL_LIFE - 1)).unwrap();
        assert_eq!(later.journey.settings().weaknesses, Weaknesses::default());
        assert_eq!(keys.of_caller(&good, || after(CALL_LIFE)), None);
        let other = TraceId::from_bytes([8; 16]);
        let of = |caller: &SpanContext| keys.of_caller(caller, || NOW);
        assert_eq!(of(&caller(other, Some(&sealed))), None);
        assert_eq!(of(&caller(TRACE, None)), None);
        let cookie = keys.cookie(&journey, "idp", NOW, &OsRandom);
        assert_eq!(of(&caller(TRACE, Some(&cookie))), None);
        assert_eq!(keys.of_cookie(&sealed, "idp", NOW), None);
        assert!(sealed.len() <= MAX_SEALED, "{}", sealed.len());
    }

    #[test]
    fn a_pass_adds_to_one_journey_for_minutes_and_weakens_nothing() {
        let keys = test_keys();
        let journey = weakened(keys.begin(&OsRandom));
        let pass = keys
            .pass(&journey, "terminal", None, NOW, &OsRandom)
            .unwrap();
        let read: Pass = pass.to_string().parse().unwrap();
        assert_eq!(read, pass);
        let found = keys
            .of_caller(&read.caller(), || after(PASS_LIFE - 1))
            .unwrap();
        assert_eq!(
            (found.journey.tag(), &*found.by),
            (journey.tag(), "terminal")
        );
        assert_eq!(found.journey.settings(), Settings::default());
        assert_eq!(keys.of_caller(&read.caller(), || after(PASS_LIFE)), None);
        assert_eq!(keys.of_cookie(&read.sealed, "idp", NOW), None);
        assert_eq!(keys.open_ticket(&read.sealed, "idp", NOW), None);
        let (parent, state) = pass.headers();
        assert!(parent.starts_with(&format!("00-{}-", pass.trace_id)) && parent.len() == 55);
        assert_eq!(state, format!("sso-lab={}", pass.sealed));
        assert!(!format!("{pass:?}").contains(&pass.sealed));
    }

    #[test]
    fn a_pass_is_for_a_trace_that_its_holder_names() {
        let (keys, id) = (test_keys(), TRACE.to_string());
        let journey = keys.begin(&OsRandom);
        let pass = |trace: &str| keys.pass(&journey, "browser", Some(trace), NOW, &OsRandom);
        assert_eq!(pass(&id).unwrap().trace_id, TRACE);
        for wrong in ["", "07", &"0".repeat(32), &"A".repeat(32), &"z".repeat(32)] {
            assert_eq!(pass(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_no_lab_gave_is_no_pass() {
        let id = TRACE.to_string();
        let long = format!("{id}.{}", "A".repeat(MAX_SEALED + 1));
        for wrong in [
            "",
            ".",
            "x.y",
            &*id,
            &*format!("{id}."),
            &*format!("{id}.a,b"),
            &*long,
        ] {
            assert!(wrong.parse::<Pass>().is_err(), "{wrong}");
        }
    }
}
