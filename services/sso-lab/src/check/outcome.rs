//! The outcome of a step.

/// A sentence about the failure, and the trace of the response.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) trace_id: Option<String>,
}

impl Failure {
    /// A failure without a response.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            trace_id: None,
        }
    }
}

/// Why a step was not successful.
#[derive(Debug)]
pub(super) enum Stop {
    /// The deployment did not do what it should.
    Failed(Failure),
    /// The step cannot be run here, for this reason.
    Skipped(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The result of a step: a value for later steps, and a note for the reader.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) note: String,
}

impl<T> Found<T> {
    /// `value`, with `note` for the reader.
    pub(super) fn new(value: T, note: impl Into<String>) -> Self {
        Self {
            value,
            note: note.into(),
        }
    }
}

/// A result without a value and a note.
pub(super) fn done() -> Found<()> {
    Found::new((), "")
}

/// The outcome of a step.
pub(super) type Step<T = ()> = Result<Found<T>, Stop>;

/// A failure, unless `fine`.
pub(super) fn ensure(fine: bool, why: impl FnOnce() -> Failure) -> Result<(), Failure> {
    if fine { Ok(()) } else { Err(why()) }
}
