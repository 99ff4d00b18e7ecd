//! A wrapper of a store says once what it adds to every operation.

/// Implements [`Store`](crate::Store) for a wrapper of another store. `$around` is a
/// method of the wrapper, which gets the name of each operation (the one in spans
/// and metrics) and its future, and returns its outcome. The last part is what the
/// wrapper does in another way.
#[macro_export]
macro_rules! wrap_store {
    (
        impl [$($generics:tt)*] for $wrapper:ty, $inner:ident, $around:ident;
        $($own:tt)*
    ) => {
        #[::async_trait::async_trait]
        impl $($generics)* $crate::Store for $wrapper {
            $($own)*

            async fn ping(&self) -> Result<(), $crate::StoreError> {
                self.$around("ping", self.$inner.ping()).await
            }

            async fn put(&self, key: &str, value: ::bytes::Bytes, ttl: ::std::time::Duration) -> Result<(), $crate::StoreError> {
                self.$around("put", self.$inner.put(key, value, ttl)).await
            }

            async fn put_new(&self, key: &str, value: ::bytes::Bytes, ttl: ::std::time::Duration) -> Result<bool, $crate::StoreError> {
                self.$around("put_new", self.$inner.put_new(key, value, ttl))
                    .await
            }

            async fn get(&self, key: &str) -> Result<Option<::bytes::Bytes>, $crate::StoreError> {
                self.$around("get", self.$inner.get(key)).await
            }

            async fn take(&self, key: &str) -> Result<Option<::bytes::Bytes>, $crate::StoreError> {
                self.$around("take", self.$inner.take(key)).await
            }

            async fn compare_and_swap(
                &self,
                key: &str,
                expected: &[u8],
                new: ::bytes::Bytes,
                ttl: ::std::time::Duration,
            ) -> Result<bool, $crate::StoreError> {
                self.$around(
                    "compare_and_swap",
                    self.$inner.compare_and_swap(key, expected, new, ttl),
                )
                .await
            }

            async fn remove(&self, key: &str) -> Result<bool, $crate::StoreError> {
                self.$around("remove", self.$inner.remove(key)).await
            }

            async fn increment(&self, key: &str, ttl: ::std::time::Duration) -> Result<u64, $crate::StoreError> {
                self.$around("count", self.$inner.increment(key, ttl)).await
            }

            async fn decrement(&self, key: &str) -> Result<(), $crate::StoreError> {
                self.$around("uncount", self.$inner.decrement(key)).await
            }

            async fn lease(&self, key: &str, holder: &str, ttl: ::std::time::Duration) -> Result<bool, $crate::StoreError> {
                self.$around("lease", self.$inner.lease(key, holder, ttl)).await
            }

            async fn release(&self, key: &str, holder: &str) -> Result<bool, $crate::StoreError> {
                self.$around("release", self.$inner.release(key, holder)).await
            }

            async fn add_scored(
                &self,
                key: &str,
                member: &str,
                at: ::kit::clock::Timestamp,
                ttl: ::std::time::Duration,
            ) -> Result<u64, $crate::StoreError> {
                self.$around("rank", self.$inner.add_scored(key, member, at, ttl))
                    .await
            }

            async fn range(
                &self,
                key: &str,
                from: ::kit::clock::Timestamp,
                limit: usize,
            ) -> Result<Vec<(String, ::kit::clock::Timestamp)>, $crate::StoreError> {
                self.$around("ranked", self.$inner.range(key, from, limit))
                    .await
            }

            async fn count_range(&self, key: &str, from: ::kit::clock::Timestamp) -> Result<u64, $crate::StoreError> {
                self.$around("ranked_count", self.$inner.count_range(key, from))
                    .await
            }

            async fn score(&self, key: &str, member: &str) -> Result<Option<::kit::clock::Timestamp>, $crate::StoreError> {
                self.$around("ranked_at", self.$inner.score(key, member)).await
            }

            async fn remove_scored(&self, key: &str, member: &str) -> Result<bool, $crate::StoreError> {
                self.$around("unrank", self.$inner.remove_scored(key, member))
                    .await
            }

            async fn claim(
                &self,
                key: &str,
                due: ::kit::clock::Timestamp,
                until: ::kit::clock::Timestamp,
                limit: usize,
            ) -> Result<Vec<String>, $crate::StoreError> {
                self.$around("claim", self.$inner.claim(key, due, until, limit))
                    .await
            }

            async fn admit(
                &self,
                key: &str,
                entry: &$crate::Entry,
                times: (::kit::clock::Timestamp, ::kit::clock::Timestamp),
                allowance: &$crate::Allowance,
            ) -> Result<Option<Vec<$crate::Entry>>, $crate::StoreError> {
                self.$around("admit", self.$inner.admit(key, entry, times, allowance))
                    .await
            }
        }
    };
}
