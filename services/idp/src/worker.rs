//! Background work: expired sessions end, back-channel logouts that failed are retried,
//! and the signing keys are read again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kit::shutdown::Shutdown;

use crate::{Idp, changed_users, meters, probe, records::ChangeError, session_index, sessions};

/// How often it checks what is due by the clock.
const EVERY: Duration = Duration::from_secs(1);

/// Works until the drain. Every process runs one worker; each item of work is claimed
/// in the store by one of them.
pub async fn run(idp: Arc<Idp>, shutdown: Shutdown) {
    // Also if the drain begins meanwhile: who was disabled for a moment has nothing of before.
    let first = changed_users::end_sessions(&idp).await;
    if let Err(error) = &first {
        tracing::warn!("sessions of changed users are not ended yet: {error}");
    }
    let mut compared = first.is_ok();
    let mut was_well = true;
    let mut counted = None;
    let work = async {
        loop {
            let outcome = run_once(&idp, &mut compared).await;
            // Logged once per outage.
            if let (true, Err(error)) = (was_well, &outcome) {
                tracing::warn!("background work is postponed: {error}");
            }
            was_well = outcome.is_ok();
            if counted.is_none_or(|at: Instant| at.elapsed() >= meters::EVERY) {
                idp.meters
                    .show_sessions(session_index::count(&idp).await.ok());
                idp.meters.show_outbox(idp.outbox.depth().await.ok());
                // A failing store has been logged above.
                let _ = probe::check(&idp).await;
                counted = Some(Instant::now());
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    shutdown.unless_begun(work).await;
}

/// Runs every kind of work, even if another one fails. Returns the first error.
async fn run_once(idp: &Idp, compared: &mut bool) -> Result<(), ChangeError> {
    let users = if *compared {
        Ok(())
    } else {
        changed_users::end_sessions(idp).await
    };
    *compared |= users.is_ok();
    let sessions = sessions::end_due(idp).await;
    let notices = idp.outbox.deliver_due().await;
    if let Err(error) = idp.keys.refresh(&idp.records).await {
        tracing::debug!("the signing keys are not read again: {error}");
    }
    users.and(sessions).and(notices.map_err(ChangeError::from))
}
