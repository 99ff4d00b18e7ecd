//! Bytes that requests have buffered, and the budget that they are charged to.

use std::collections::HashMap;

use super::{Admission, Limits};
use crate::net::AddrBucket;

/// The budget has no room for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server receives too much data at the moment")]
pub struct OverBudget;

/// The bytes that one request has buffered. Dropping it gives them back.
#[derive(Debug)]
pub struct Charge {
    admission: Admission,
    bucket: AddrBucket,
    from_reserve: bool,
    bytes: usize,
}

/// The bytes that all requests have buffered.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    strangers: usize,
    reserve: usize,
    /// Those of unauthenticated requests, by address.
    pub(super) of: HashMap<AddrBucket, usize>,
}

impl Charge {
    pub(super) const fn new(admission: Admission, bucket: AddrBucket) -> Self {
        Self {
            admission,
            bucket,
            from_reserve: false,
            bytes: 0,
        }
    }

    /// Charges `more` bytes. If the bucket is used up, awaited bodies of the same
    /// bucket make room; if the whole budget is, those of the largest bucket.
    pub fn grow(&mut self, more: usize) -> Result<(), OverBudget> {
        let limits = &self.admission.0.limits;
        let mut bytes = self.admission.0.bytes.lock();
        if self.from_reserve && bytes.reserve + more > limits.reserve {
            // The reserve is used up: the address is charged instead.
            bytes.give_back(self.bucket, true, self.bytes);
            bytes.take(self.bucket, false, self.bytes);
            self.from_reserve = false;
        }
        let full = if self.from_reserve {
            false
        } else {
            match bytes.full(self.bucket, more, limits) {
                None => false,
                Some(payer) => {
                    let what = "one address sends too much at once: its oldest bodies make room";
                    self.admission.log(Some(payer), what);
                    // Lock order: `open` before `bytes`.
                    drop(bytes);
                    let is_freed = self.admission.free(payer, more);
                    bytes = self.admission.0.bytes.lock();
                    !is_freed
                }
            }
        };
        if full {
            return Err(OverBudget);
        }
        bytes.take(self.bucket, self.from_reserve, more);
        self.bytes += more;
        Ok(())
    }

    /// Charges the reserve instead of the address, as far as the reserve has room:
    /// the request's session or client was checked.
    pub fn use_reserve(&mut self) {
        let limits = &self.admission.0.limits;
        let mut bytes = self.admission.0.bytes.lock();
        if !self.from_reserve && bytes.reserve + self.bytes <= limits.reserve {
            bytes.give_back(self.bucket, false, self.bytes);
            bytes.take(self.bucket, true, self.bytes);
            self.from_reserve = true;
        }
    }

    /// How many bytes are charged.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bucket that is charged; none if the reserve is.
    pub fn payer(&self) -> Option<AddrBucket> {
        (!self.from_reserve).then_some(self.bucket)
    }

    /// Gives all bytes back.
    pub fn clear(&mut self) {
        if self.bytes > 0 {
            let mut bytes = self.admission.0.bytes.lock();
            bytes.give_back(self.bucket, self.from_reserve, self.bytes);
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
    /// The bucket that is over its budget if `bucket` takes `more`.
    fn full(&self, bucket: AddrBucket, more: usize, limits: &Limits) -> Option<AddrBucket> {
        let own = self.of.get(&bucket).copied().unwrap_or(0);
        if own + more > limits.bytes_of_one {
            return Some(bucket);
        }
        if self.strangers + more <= limits.bytes {
            return None;
        }
        let largest = self.of.iter().max_by_key(|(_, bytes)| **bytes);
        Some(largest.map_or(bucket, |(bucket, _)| *bucket))
    }

    fn take(&mut self, bucket: AddrBucket, from_reserve: bool, more: usize) {
        if from_reserve {
            self.reserve += more;
        } else {
            self.strangers += more;
            *self.of.entry(bucket).or_default() += more;
        }
    }

    fn give_back(&mut self, bucket: AddrBucket, from_reserve: bool, less: usize) {
        if from_reserve {
            self.reserve -= less;
            return;
        }
        self.strangers -= less;
        if let Some(own) = self.of.get_mut(&bucket) {
            *own -= less;
            if *own == 0 {
                self.of.remove(&bucket);
            }
        }
    }

    pub(super) const fn used(&self) -> (usize, usize) {
        (self.strangers, self.reserve)
    }
}
