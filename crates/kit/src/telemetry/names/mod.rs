//! The registry of all spans, attributes and metrics, with their meanings.
//! `docs/telemetry.md` is generated from it. None of them contains a secret, and
//! no metric's label contains a user.
//!
//! Attributes that are the same for all spans of a name (protocol step, sender and
//! receiver) are defined here only, and added to a span when it is exported
//! (`routed`).

mod attributes;
mod credentials;
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
    credentials::{API_KEY, CALLS, Call, IDENTITY_HEADER, without_token},
    docs::markdown,
    metrics::{Kind, Label, METRICS, Metric, metric},
    requests::{REQUESTS, Request, request_of},
    spans::{SPANS, Span, span, span_of},
};

/// The target of every span.
pub const TARGET: &str = "sso";

/// The protocol step of a span.
pub const STEP: &str = "sso.step";
/// The section of the specification that defines the step.
pub const SECTION: &str = "sso.spec";
/// The sender.
pub const FROM: &str = "sso.from";
/// The receiver.
pub const TO: &str = "sso.to";
/// The service that made the span.
pub const SERVICE: &str = "sso.service";
/// The journey that the span belongs to.
pub const JOURNEY: &str = "sso.journey";
/// The service that sent the request, in a journey.
pub const CALLER: &str = "sso.caller";
/// What was sent, in a journey.
pub const REQUEST_ITEMS: &str = "sso.request";
/// What was answered, in a journey.
pub const RESPONSE_ITEMS: &str = "sso.response";
/// The weakness that let a request pass whose check had failed.
pub const WEAKNESS: &str = "sso.weakness";
/// How the credential of a call was got.
pub const CREDENTIAL: &str = "sso.credential";
/// The outcome of the step.
pub const OUTCOME: &str = "sso.outcome";
/// The outcome of a successful step.
pub const OK: &str = "ok";

/// The sender or the receiver in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The service that makes the span.
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
    /// Each span states its receiver.
    Said,
}

impl Party {
    /// The name in `sso.from` and `sso.to` of a span of `service`; `None` if each
    /// span states it.
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

    /// The text in the documentation.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Own => "itself",
            Self::Browser => "browser",
            Self::Client => "client",
            Self::Idp => "idp",
            Self::Api1 => "api-1",
            Self::Api2 => "api-2",
            Self::Store => "store",
            Self::Said => "see the span's `sso.to`",
        }
    }
}
