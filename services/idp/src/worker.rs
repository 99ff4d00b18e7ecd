//! What happens without a request: sessions that nobody touches expire, and
//! apps that could not be told of a logout are told later.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kit::shutdown::Shutdown;

use crate::{changed_users, grants::GrantError, meters, probe, sessions, state::Idp};

/// How often it looks. What is due is a matter of the clock, not of this.
const EVERY: Duration = Duration::from_secs(1);

/// Works until the drain. Every process has one; the store hands each piece of
/// work to one of them alone.
pub async fn run(idp: Arc<Idp>, shutdown: Shutdown) {
    let (mut was_well, mut compared) = (true, false);
    let mut counted = None;
    let work = async {
        loop {
            let outcome = once(&idp, &mut compared).await;
            // Once for an outage, not once a second.
            if let (true, Err(error)) = (was_well, &outcome) {
                tracing::warn!("what is due has to wait: {error}");
            }
            was_well = outcome.is_ok();
            if counted.is_none_or(|at: Instant| at.elapsed() >= meters::EVERY) {
                idp.meters.look(&idp).await;
                // What fails here has failed above as well, which says so.
                let _ = probe::look(&idp).await;
                counted = Some(Instant::now());
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    shutdown.unless_begun(work).await;
}

/// Each piece has its turn, whatever comes of the others; gives the first error.
async fn once(idp: &Idp, compared: &mut bool) -> Result<(), GrantError> {
    let users = if *compared {
        Ok(())
    } else {
        changed_users::end_theirs(idp).await
    };
    *compared |= users.is_ok();
    let sessions = sessions::end_due(idp).await;
    let notices = idp.outbox.deliver_due().await;
    users.and(sessions).and(notices.map_err(GrantError::from))
}
