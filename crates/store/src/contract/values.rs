//! Values: a read returns what was written.

use bytes::Bytes;

use super::{LONG, bytes};
use crate::{Store, StoreError};

pub(super) async fn a_key_holds_the_last_value(store: &impl Store) -> Result<(), StoreError> {
    assert_eq!(store.get("put").await?, None, "an absent key");
    store.put("put", bytes("one"), LONG).await?;
    assert_eq!(store.get("put").await?, Some(bytes("one")), "after put");
    store.put("put", bytes("two"), LONG).await?;
    assert_eq!(store.get("put").await?, Some(bytes("two")), "overwritten");
    assert_eq!(store.get("put ").await?, None, "another key");
    Ok(())
}

pub(super) async fn a_value_is_any_bytes_of_any_size(store: &impl Store) -> Result<(), StoreError> {
    let every_byte: Bytes = (0..=u8::MAX).collect();
    let mebibyte: Bytes = every_byte.repeat(4096).into();
    for value in [Bytes::new(), every_byte, mebibyte] {
        let len = value.len();
        store.put("bytes", value.clone(), LONG).await?;
        assert!(
            store.get("bytes").await? == Some(value.clone()),
            "get {len} bytes"
        );
        let swapped = store
            .compare_and_swap("bytes", &value, value.clone(), LONG)
            .await?;
        assert!(swapped, "compare and swap {len} bytes");
        assert!(
            store.take("bytes").await? == Some(value),
            "take {len} bytes"
        );
    }
    Ok(())
}

pub(super) async fn remove_returns_whether_the_key_held_something(
    store: &impl Store,
) -> Result<(), StoreError> {
    assert!(!store.remove("remove").await?, "nothing to remove");
    store.put("remove", bytes("x"), LONG).await?;
    assert!(store.remove("remove").await?, "the key held a value");
    assert!(!store.remove("remove").await?, "removed before");
    assert_eq!(store.get("remove").await?, None, "removed");
    Ok(())
}
