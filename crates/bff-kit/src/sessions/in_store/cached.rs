//! The short cut of `cached`: a record is read once and copied into this process, until
//! the store's watch reports that the record has changed.

use std::{sync::Arc, time::Duration};

use kit::clock::Clock;
use store::StoreError;
use tracing::Span;

use super::super::{
    id::Handle,
    mode::SessionMode,
    records::{Records, Stored},
};

/// Reads local copies of records first.
pub(super) struct Cached {
    pub(super) records: Arc<Records>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) idle: Duration,
}

impl Cached {
    /// The live session of `handle`: its copy, or its record, extended by this use.
    pub(super) async fn load(&self, handle: &Handle) -> Result<Option<Arc<Stored>>, StoreError> {
        let now = self.clock.now();
        if let Some(stored) = self.records.cache().get(handle.as_str())
            && stored.record.about.is_live(now)
            && stored.record.about.slid(now, self.idle).is_none()
        {
            Span::current().record("sso.cache_hit", true);
            return Ok(Some(stored));
        }
        Span::current().record("sso.cache_hit", false);
        // Boxed: most calls find a copy, and need no room for this.
        Box::pin(self.read_through(handle)).await
    }

    /// Reads the record of `handle` and copies it. If both modes are in use, records of
    /// `stateful` sessions are not copied.
    async fn read_through(&self, handle: &Handle) -> Result<Option<Arc<Stored>>, StoreError> {
        let pending = self.records.cache().begin_read(handle.as_str());
        let Some(stored) = self.records.load(handle).await? else {
            return Ok(None);
        };
        if let Some(pending) = pending
            && stored.record.about.mode == SessionMode::Cached
        {
            pending.complete(stored.clone());
        }
        Ok(Some(stored))
    }
}
