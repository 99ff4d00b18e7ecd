//! Bytes that requests have buffered, and who pays for them.

use std::collections::HashMap;

use super::{Admission, Limits};
use crate::net::AddrBucket;

/// There is no room for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much is being received at the moment")]
pub struct Full;

/// What one request has buffered. It is given back when dropped.
#[derive(Debug)]
pub struct Charge {
    admission: Admission,
    share: AddrBucket,
    is_known: bool,
    bytes: usize,
}

/// What all requests have buffered.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    strangers: usize,
    reserve: usize,
    /// Of strangers, by whose share pays.
    pub(super) of: HashMap<AddrBucket, usize>,
}

impl Charge {
    pub(super) const fn new(admission: Admission, share: AddrBucket) -> Self {
        Self {
            admission,
            share,
            is_known: false,
            bytes: 0,
        }
    }

    /// Charges `more` bytes. Where the share is used up, bodies of the same share
    /// that are waited for make room; where all room is, those of the largest.
    pub fn grow(&mut self, more: usize) -> Result<(), Full> {
        let limits = &self.admission.0.limits;
        let mut bytes = self.admission.0.bytes.lock();
        if self.is_known && bytes.reserve + more > limits.reserve {
            // The reserve is used up: as a stranger's, then.
            bytes.give_back(self.share, true, self.bytes);
            bytes.take(self.share, false, self.bytes);
            self.is_known = false;
        }
        let full = if self.is_known {
            false
        } else {
            match bytes.full(self.share, more, limits) {
                None => false,
                Some(payer) => {
                    let what = "one address sends too much at once: its oldest bodies make room";
                    self.admission.say(Some(payer), what);
                    // The other lock comes first, whoever has both.
                    drop(bytes);
                    let is_freed = self.admission.free(payer, more);
                    bytes = self.admission.0.bytes.lock();
                    !is_freed
                }
            }
        };
        if full {
            return Err(Full);
        }
        bytes.take(self.share, self.is_known, more);
        self.bytes += more;
        Ok(())
    }

    /// The request's session, or its client, was checked: what it buffers is taken
    /// from the reserve from here on, as far as there is any.
    pub fn is_known(&mut self) {
        let limits = &self.admission.0.limits;
        let mut bytes = self.admission.0.bytes.lock();
        if !self.is_known && bytes.reserve + self.bytes <= limits.reserve {
            bytes.give_back(self.share, false, self.bytes);
            bytes.take(self.share, true, self.bytes);
            self.is_known = true;
        }
    }

    /// How much it is.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whose share pays; none where the reserve does.
    pub fn payer(&self) -> Option<AddrBucket> {
        (!self.is_known).then_some(self.share)
    }

    /// Gives all of it back.
    pub fn clear(&mut self) {
        if self.bytes > 0 {
            let mut bytes = self.admission.0.bytes.lock();
            bytes.give_back(self.share, self.is_known, self.bytes);
            self.bytes = 0;
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Bytes {
    /// Whose bytes are too many where `share` takes `more`.
    fn full(&self, share: AddrBucket, more: usize, limits: &Limits) -> Option<AddrBucket> {
        let own = self.of.get(&share).copied().unwrap_or(0);
        if own + more > limits.bytes_of_one {
            return Some(share);
        }
        if self.strangers + more <= limits.bytes {
            return None;
        }
        let largest = self.of.iter().max_by_key(|(_, bytes)| **bytes);
        Some(largest.map_or(share, |(share, _)| *share))
    }

    fn take(&mut self, share: AddrBucket, is_known: bool, more: usize) {
        if is_known {
            self.reserve += more;
        } else {
            self.strangers += more;
            *self.of.entry(share).or_default() += more;
        }
    }

    fn give_back(&mut self, share: AddrBucket, is_known: bool, less: usize) {
        if is_known {
            self.reserve -= less;
            return;
        }
        self.strangers -= less;
        if let Some(own) = self.of.get_mut(&share) {
            *own -= less;
            if *own == 0 {
                self.of.remove(&share);
            }
        }
    }

    pub(super) const fn used(&self) -> (usize, usize) {
        (self.strangers, self.reserve)
    }
}
