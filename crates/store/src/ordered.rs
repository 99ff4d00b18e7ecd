//! The limit of a member of an ordered set, the same in every store.

use crate::StoreError;

/// The most bytes of a member of an ordered set.
pub const MAX_MEMBER_LEN: usize = 1024;

/// Refuses a member that is too long.
pub(crate) fn check(member: &str) -> Result<(), StoreError> {
    if member.len() <= MAX_MEMBER_LEN {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "a member of an ordered set has at most {MAX_MEMBER_LEN} bytes"
    )))
}
