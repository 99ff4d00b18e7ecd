//! Keeps the resident memory of a process near to what the process uses.

use std::{convert::Infallible, hint::black_box, time::Duration};

/// The time between two passes of [`return_freed_pages`]: longer than the second for
/// which mimalloc keeps freed pages for reuse.
const PASS: Duration = Duration::from_secs(5);
/// mimalloc gives a block of this size a page of its own, and frees the page with the
/// block.
const OWN_PAGE: usize = 1 << 20;

/// Keeps the kernel from backing this process with transparent huge pages. Where
/// they are on for all programs, each heap and each thread's stack would take
/// 2 MiB at its first byte.
pub(crate) fn use_small_pages() {
    // If the kernel refuses, the process only needs more memory.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Returns freed pages to the kernel after work, from time to time. mimalloc does so
/// when a later page is freed, and a process at rest frees none: each pass frees one,
/// which was never written to and so never had memory.
pub(crate) async fn return_freed_pages() -> Infallible {
    let mut passes = tokio::time::interval(PASS);
    loop {
        passes.tick().await;
        drop(black_box(Vec::<u8>::with_capacity(OWN_PAGE)));
    }
}
