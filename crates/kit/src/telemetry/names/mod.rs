//! The registry of spans, attributes and metrics: each one that is used stands
//! here, with what it means, and `docs/telemetry.md` is made from it. No secret
//! is ever in one, and no user in a metric's label.
//!
//! What is the same for each span of a name (its protocol step, who speaks to
//! whom) is said here alone, and put on the span when it is sent (`routed`).

mod attributes;
#[cfg(test)]
mod deploy_tests;
mod docs;
mod metrics;
mod requests;
mod spans;
#[cfg(test)]
mod tests;

pub use self::{
    attributes::{ATTRIBUTES, Attribute},
    docs::markdown,
    metrics::{Kind, Label, METRICS, Metric, metric},
    requests::{REQUESTS, Request, request_of},
    spans::{SPANS, Span, span, span_of},
};

/// The target of every span.
pub const TARGET: &str = "sso";

/// The protocol step of a span.
pub const STEP: &str = "sso.step";
/// The section that says what has to happen there.
pub const SECTION: &str = "sso.spec";
/// Who speaks.
pub const FROM: &str = "sso.from";
/// To whom.
pub const TO: &str = "sso.to";
/// How it ended.
pub const OUTCOME: &str = "sso.outcome";
/// The outcome of what went well.
pub const OK: &str = "ok";

/// Who takes part in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The service whose span it is.
    Own,
    /// The user's browser.
    Browser,
    /// A client of the provider; `sso.client_id` says which one.
    Client,
    /// The OpenID Provider.
    Idp,
    /// API-1.
    Api1,
    /// API-2.
    Api2,
    /// The store.
    Store,
    /// The span itself says whom.
    Said,
}

impl Party {
    /// The name in `sso.from` and `sso.to`, in a span of `service`; none where
    /// the span itself says it.
    pub const fn name(self, service: &'static str) -> Option<&'static str> {
        Some(match self {
            Self::Own => service,
            Self::Browser => "browser",
            Self::Client => "client",
            Self::Idp => "idp",
            Self::Api1 => "api-1",
            Self::Api2 => "api-2",
            Self::Store => "store",
            Self::Said => return None,
        })
    }

    /// For people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Own => "itself",
            Self::Browser => "browser",
            Self::Client => "client",
            Self::Idp => "idp",
            Self::Api1 => "api-1",
            Self::Api2 => "api-2",
            Self::Store => "store",
            Self::Said => "as the span says",
        }
    }
}
