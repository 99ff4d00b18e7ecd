//! A record carries a code that only the provider can make, for its text and for
//! the key that it lies under: whoever can write the store can neither make one
//! nor move one elsewhere. It stays JSON, which a process of the version before
//! goes on reading: `{"mac":"<43 characters>","v":1,…}`, where the code is that of
//! all that stands after it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use kit::{
    clock::Timestamp,
    seal::{KEY_LEN, MAC_LEN, MacKeys},
};
use serde::Serialize;

/// What a record begins with.
const BEFORE: &[u8] = br#"{"mac":""#;
/// The characters of a code in base64url.
const CODE: usize = 43;
/// What stands between the code and the record's own members.
const AFTER: &[u8] = br#"","#;
/// Where the record's own members begin.
const TEXT: usize = BEFORE.len() + CODE + AFTER.len();

/// Tells the provider's own records from others.
#[derive(Debug)]
pub struct Authenticity {
    keys: MacKeys,
    /// Until then records without a code are taken, as the version before wrote
    /// them.
    unsigned_until: Option<Timestamp>,
}

impl Authenticity {
    /// By keys derived from `masters`, newest first. Records without a code are
    /// taken before `unsigned_until`, and never where that is `None`.
    pub fn new(masters: &[[u8; KEY_LEN]], unsigned_until: Option<Timestamp>) -> Self {
        Self {
            keys: MacKeys::new(masters, "idp records"),
            unsigned_until,
        }
    }

    /// `record` as it lies in the store under `key`.
    pub(super) fn write(
        &self,
        key: &str,
        record: &impl Serialize,
    ) -> Result<Bytes, serde_json::Error> {
        let mut written = Vec::with_capacity(1024);
        written.extend_from_slice(BEFORE);
        written.resize(BEFORE.len() + CODE, b'-');
        written.extend_from_slice(AFTER);
        // The text's own brace gives its place to what stands before it.
        written.pop();
        serde_json::to_writer(&mut written, record)?;
        written[TEXT - 1] = b',';
        let code = self.keys.code(key, &written[TEXT..]);
        let place = &mut written[BEFORE.len()..BEFORE.len() + CODE];
        let length = URL_SAFE_NO_PAD.encode_slice(code, place);
        debug_assert_eq!(length.ok(), Some(CODE));
        Ok(written.into())
    }

    /// Whether the provider wrote `raw` under `key`.
    pub(super) fn is_ours(&self, key: &str, raw: &[u8], now: Timestamp) -> bool {
        match code_and_text(raw) {
            Some((code, text)) => self.keys.is_genuine(key, text, &code),
            None => self.unsigned_until.is_some_and(|until| now < until),
        }
    }
}

/// `None`: it has no code.
fn code_and_text(raw: &[u8]) -> Option<([u8; MAC_LEN], &[u8])> {
    let rest = raw.strip_prefix(BEFORE)?;
    let (code, rest) = rest.split_at_checked(CODE)?;
    let text = rest.strip_prefix(AFTER)?;
    let code = URL_SAFE_NO_PAD.decode(code).ok()?;
    Some((code.try_into().ok()?, text))
}
