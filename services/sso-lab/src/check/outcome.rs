//! What comes of a step.

/// A sentence that helps, and the trace that tells more.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) trace_id: Option<String>,
}

impl Failure {
    /// One that no answer belongs to.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            trace_id: None,
        }
    }
}

/// Why a step did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The deployment did not do what it should.
    Failed(Failure),
    /// It cannot be tried here, for this reason.
    Skipped(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a step has found: a value for later ones, and a few words for the reader.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) note: String,
}

impl<T> Found<T> {
    /// `value`, and `note` to say so.
    pub(super) fn new(value: T, note: impl Into<String>) -> Self {
        Self {
            value,
            note: note.into(),
        }
    }
}

/// A step that has nothing more to say.
pub(super) fn done() -> Found<()> {
    Found::new((), "")
}

/// What a step ends with.
pub(super) type Step<T = ()> = Result<Found<T>, Stop>;

/// A failure, unless `fine`.
pub(super) fn ensure(fine: bool, why: impl FnOnce() -> Failure) -> Result<(), Failure> {
    if fine { Ok(()) } else { Err(why()) }
}
