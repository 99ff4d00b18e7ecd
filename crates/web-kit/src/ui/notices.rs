//! What a page tells of at its top: that a lab has changed something for a time.

use std::{cell::RefCell, rc::Rc};

use serde::Serialize;

use super::unbroken;

/// Where the lab's own pages ask what has begun and what has ended since.
pub const NOTICES: &str = "/lab/notices";
/// Where the single-page app asks its own server what the lab lets fail.
pub const PAGE_FAILURES: &str = "/lab/failures";

thread_local! {
    /// What the pages of this thread tell of.
    static ANNOUNCED: RefCell<Option<Announced>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Announced {
    notices: Rc<dyn Fn() -> Vec<Notice>>,
    is_watched: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// In a sentence or two.
    pub text: String,
    /// How long it goes on, in milliseconds. The page counts it down.
    pub remaining_ms: u64,
    /// Where it can be changed.
    pub href: String,
}

impl Notice {
    /// How long it goes on, in seconds, rounded up.
    pub(super) const fn seconds(&self) -> u64 {
        self.remaining_ms.div_ceil(1000)
    }
}

/// The pages that this thread renders show what `notices` returns. A worker calls it when it
/// starts.
pub fn announce(notices: impl Fn() -> Vec<Notice> + 'static) {
    set(notices, false);
}

/// The same for pages that also ask at [`NOTICES`] while they are open.
pub fn announce_and_watch(notices: impl Fn() -> Vec<Notice> + 'static) {
    set(notices, true);
}

fn set(notices: impl Fn() -> Vec<Notice> + 'static, is_watched: bool) {
    ANNOUNCED.set(Some(Announced {
        notices: Rc::new(notices),
        is_watched,
    }));
}

/// The notices of this moment, and where the page asks for later ones.
pub(super) fn now() -> (Vec<Notice>, Option<&'static str>) {
    let Some(announced) = ANNOUNCED.with_borrow(Clone::clone) else {
        return (Vec::new(), None);
    };
    let watched = announced.is_watched.then_some(NOTICES);
    let notices = (announced.notices)().into_iter().map(|notice| Notice {
        text: unbroken(&notice.text),
        ..notice
    });
    (notices.collect(), watched)
}

#[cfg(test)]
pub(super) fn none() {
    ANNOUNCED.set(None);
}
