//! Which traces are recorded: the configured sampler decides, except that each request of
//! a journey is recorded.

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use crate::journey::Journey;

/// The configured sampler, for traces without a parent.
#[derive(Clone, Debug)]
pub(super) struct JourneysToo(Sampler);

impl JourneysToo {
    pub(super) fn new(configured: &Sampler) -> Self {
        Self(Sampler::ParentBased(Box::new(configured.clone())))
    }
}

impl ShouldSample for JourneysToo {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_watched = parent.is_some_and(|parent| parent.get::<Journey>().is_some());
        if !is_watched {
            return self
                .0
                .should_sample(parent, trace_id, name, kind, attributes, links);
        }
        let state = parent.map_or(TraceState::NONE, |parent| {
            parent.span().span_context().trace_state().clone()
        });
        SamplingResult {
            decision: SamplingDecision::RecordAndSample,
            attributes: Vec::new(),
            trace_state: state,
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};

    use super::*;
    use crate::{journey::test_keys, random::OsRandom};

    #[test]
    fn a_journey_is_recorded_whatever_the_sampler_and_the_parent_say() {
        let sampler = JourneysToo::new(&Sampler::AlwaysOff);
        let decision = |context: &Context| {
            let (id, kind) = (TraceId::from_bytes([1; 16]), SpanKind::Server);
            let result = sampler.should_sample(Some(context), id, "", &kind, &[], &[]);
            result.decision
        };
        let parent = SpanContext::new(
            TraceId::from_bytes([1; 16]),
            SpanId::from_bytes([1; 8]),
            TraceFlags::NOT_SAMPLED,
            true,
            TraceState::NONE,
        );
        let unsampled = Context::new().with_remote_span_context(parent);
        for context in [Context::new(), unsampled] {
            assert_eq!(decision(&context), SamplingDecision::Drop);
            let journey = test_keys().begin(&OsRandom);
            let watched = context.with_value(journey);
            assert_eq!(decision(&watched), SamplingDecision::RecordAndSample);
        }
    }
}
