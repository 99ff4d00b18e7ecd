//! A wrapper of a store says once what it adds to every operation.

/// Implements [`Store`](crate::Store) and its parts for a wrapper of another store.
/// `$around` is a method of the wrapper. It gets the name of each operation (the one
/// in spans and metrics), its key and its future, and returns its result. The last
/// part has the methods of `Store` that the wrapper implements itself.
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
                self.$around("ping", "", self.$inner.ping()).await
            }
        }

        $crate::wrap_store! { @delegate [$($generics)*] $wrapper, $inner, $around; Values {
            "get": get(key: &str) -> Option<::bytes::Bytes>;
            "put": put(key: &str, value: ::bytes::Bytes, ttl: ::std::time::Duration) -> ();
            "put_new": put_new(
                key: &str, value: ::bytes::Bytes, ttl: ::std::time::Duration
            ) -> bool;
            "compare_and_swap": compare_and_swap(
                key: &str, expected: &[u8], new: ::bytes::Bytes, ttl: ::std::time::Duration
            ) -> bool;
            "take": take(key: &str) -> Option<::bytes::Bytes>;
            "remove": remove(key: &str) -> bool;
        }}

        $crate::wrap_store! { @delegate [$($generics)*] $wrapper, $inner, $around; Counters {
            "count": increment(key: &str, ttl: ::std::time::Duration) -> u64;
            "uncount": decrement(key: &str) -> ();
        }}

        $crate::wrap_store! { @delegate [$($generics)*] $wrapper, $inner, $around; Leases {
            "lease": lease(key: &str, holder: &str, ttl: ::std::time::Duration) -> bool;
            "release": release(key: &str, holder: &str) -> bool;
        }}

        $crate::wrap_store! { @delegate [$($generics)*] $wrapper, $inner, $around; OrderedSets {
            "rank": add_scored(
                key: &str,
                member: &str,
                at: ::kit::clock::Timestamp,
                ttl: ::std::time::Duration
            ) -> u64;
            "unrank": remove_scored(key: &str, member: &str) -> bool;
            "ranked_at": score(key: &str, member: &str) -> Option<::kit::clock::Timestamp>;
            "ranked": range(
                key: &str, from: ::kit::clock::Timestamp, limit: usize
            ) -> Vec<(String, ::kit::clock::Timestamp)>;
            "ranked_count": count_range(key: &str, from: ::kit::clock::Timestamp) -> u64;
            "claim": claim(
                key: &str,
                due: ::kit::clock::Timestamp,
                until: ::kit::clock::Timestamp,
                limit: usize
            ) -> Vec<String>;
        }}

        $crate::wrap_store! { @delegate [$($generics)*] $wrapper, $inner, $around; Budgets {
            "admit": admit(
                key: &str,
                entry: &$crate::Entry,
                times: (::kit::clock::Timestamp, ::kit::clock::Timestamp),
                allowance: &$crate::Allowance
            ) -> Option<Vec<$crate::Entry>>;
        }}
    };
    (
        @delegate [$($generics:tt)*] $wrapper:ty, $inner:ident, $around:ident; $part:ident {
            $($name:literal: $operation:ident(
                $key:ident: &str $(, $argument:ident: $kind:ty)*
            ) -> $output:ty;)*
        }
    ) => {
        #[::async_trait::async_trait]
        impl $($generics)* $crate::$part for $wrapper {
            $(
                async fn $operation(
                    &self,
                    $key: &str
                    $(, $argument: $kind)*
                ) -> Result<$output, $crate::StoreError> {
                    let operation = self.$inner.$operation($key $(, $argument)*);
                    self.$around($name, $key, operation).await
                }
            )*
        }
    };
}
