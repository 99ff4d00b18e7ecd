//! Authenticates records. A record has an authentication code (an HMAC) over its text and
//! its key in the store: whoever can write the store can neither forge a record nor move
//! one to another key.
//! It remains JSON that the previous version reads: `{"mac":"<43 characters>","v":1,…}`,
//! where the code (`mac`) covers everything after it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use kit::{
    clock::Timestamp,
    seal::{KEY_LEN, MAC_LEN, MacKeys},
};
use serde::Serialize;

/// The beginning of a record.
const PREFIX: &[u8] = br#"{"mac":""#;
/// The characters of an authentication code in base64url.
const MAC: usize = 43;
/// Between the MAC and the members of the record.
const SEPARATOR: &[u8] = br#"","#;
/// The offset of the members of the record.
const TEXT: usize = PREFIX.len() + MAC + SEPARATOR.len();

/// Computes and verifies the MACs of records.
#[derive(Debug)]
pub struct Authenticity {
    keys: MacKeys,
    /// Until then records without an authentication code are accepted, as the previous
    /// version wrote them.
    unsigned_until: Option<Timestamp>,
}

impl Authenticity {
    /// With keys derived from `masters`, newest first. Records without a code are accepted
    /// before `unsigned_until`; never if that is `None`.
    pub fn new(masters: &[[u8; KEY_LEN]], unsigned_until: Option<Timestamp>) -> Self {
        Self {
            keys: MacKeys::new(masters, "idp records"),
            unsigned_until,
        }
    }

    /// The text of `record` for the store, under `key`.
    pub(super) fn write(
        &self,
        key: &str,
        record: &impl Serialize,
    ) -> Result<Bytes, serde_json::Error> {
        let mut written = Vec::with_capacity(1024);
        written.extend_from_slice(PREFIX);
        written.resize(PREFIX.len() + MAC, b'-');
        written.extend_from_slice(SEPARATOR);
        // The opening brace of the text is replaced by the prefix.
        written.pop();
        serde_json::to_writer(&mut written, record)?;
        written[TEXT - 1] = b',';
        let mac = self.keys.code(key, &written[TEXT..]);
        let target = &mut written[PREFIX.len()..PREFIX.len() + MAC];
        let length = URL_SAFE_NO_PAD.encode_slice(mac, target);
        debug_assert_eq!(length.ok(), Some(MAC));
        Ok(written.into())
    }

    /// Whether the provider wrote `raw` under `key`.
    pub(super) fn verify(&self, key: &str, raw: &[u8], now: Timestamp) -> bool {
        match split(raw) {
            Some((mac, text)) => self.keys.is_genuine(key, text, &mac),
            None => self.unsigned_until.is_some_and(|until| now < until),
        }
    }
}

/// The authentication code and the text; `None` without a code.
fn split(raw: &[u8]) -> Option<([u8; MAC_LEN], &[u8])> {
    let rest = raw.strip_prefix(PREFIX)?;
    let (mac, rest) = rest.split_at_checked(MAC)?;
    let text = rest.strip_prefix(SEPARATOR)?;
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    Some((mac.try_into().ok()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzz_records_of_the_store() {
        let mac = URL_SAFE_NO_PAD.encode([7; MAC_LEN]);
        let record = [PREFIX, mac.as_bytes(), SEPARATOR, b"{}"].concat();
        fuzz::run(&[&record], |raw| {
            if let Some((mac, text)) = split(raw) {
                let mac = URL_SAFE_NO_PAD.encode(mac);
                assert_eq!([PREFIX, mac.as_bytes(), SEPARATOR, text].concat(), raw);
            }
        });
    }
}
