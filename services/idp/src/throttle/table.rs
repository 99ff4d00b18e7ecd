//! Where counters are in the store: in tables of a fixed size. A stranger chooses
//! names and comes from many addresses, and so chooses what is counted, but not
//! how many keys the store holds. A keyed hash chooses the place, so nobody can
//! aim at another's.

use aws_lc_rs::hmac;
use kit::seal::KEY_LEN;

use crate::derived_key::derived_key;

/// How many places a table has.
const PLACES: u64 = 4096;
/// Pairs of a name and an address have a lower limit, and so need more.
const PLACES_OF_PAIRS: u64 = 8192;

/// Finds the place of what is counted.
pub struct Table(hmac::Key);

impl Table {
    /// With a key derived from `master`.
    pub fn new(master: &[u8; KEY_LEN]) -> Self {
        Self(derived_key(master, "sso-lab sign-in throttle v1"))
    }

    /// The key of the counter of `what`, of this `kind`.
    pub fn key(&self, kind: &'static str, what: &str) -> String {
        let places = if kind == "pair" {
            PLACES_OF_PAIRS
        } else {
            PLACES
        };
        let mac = hmac::sign(&self.0, format!("{kind}\n{what}").as_bytes());
        let hash = mac.as_ref().first_chunk().copied().unwrap_or_default();
        format!("idp:failed:{kind}:{}", u64::from_be_bytes(hash) % places)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn strangers_fill_a_table_and_no_more() {
        let table = Table::new(&[7; KEY_LEN]);
        let keys: BTreeSet<_> = (0..100_000)
            .map(|n| table.key("address", &n.to_string()))
            .collect();
        assert!(keys.len() as u64 <= PLACES, "{}", keys.len());
        assert!(keys.len() as u64 > PLACES / 2, "spread over it");
    }

    #[test]
    fn replicas_agree_and_without_the_key_nobody_knows_a_place() {
        let place = |master| Table::new(&[master; KEY_LEN]).key("user", "alice");
        assert_eq!(place(7), place(7));
        assert_ne!(place(7), place(8));
    }
}
