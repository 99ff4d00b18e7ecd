//! Sessions in the store.

use store::StoreError;
use web_kit::problem::Problem;

use super::UserSession;
use crate::{
    sessions::{About, Ended, Handle, SessionError, Stored, Whose},
    state::Bff,
};

/// All of the user of `current`.
pub(super) async fn list(bff: &Bff, current: &Stored) -> Result<Vec<UserSession>, Problem> {
    let user = Whose::User(&current.record.about.user.sub);
    let all = bff.sessions.list(user).await.map_err(away)?;
    Ok(all
        .iter()
        .map(|session| {
            let record = &session.record;
            let is_current = session.handle == current.handle;
            let handle = session.handle.as_str();
            UserSession::new(handle, record.device.as_deref(), &record.about, is_current)
        })
        .collect())
}

/// Ends the session of `handle`, if it is of the same user as `own`.
pub(super) async fn end(bff: &Bff, own: &About, handle: &str) -> Result<Option<Ended>, Problem> {
    let Some(handle) = Handle::read(handle) else {
        return Ok(None);
    };
    let found = bff.sessions.shelf().look(&handle).await.map_err(away)?;
    let Some(found) = found.filter(|found| found.record.about.user.sub == own.user.sub) else {
        return Ok(None);
    };
    let ended = bff.sessions.end_stored(&found).await.map_err(away)?;
    Ok(Some(ended))
}

fn away(error: StoreError) -> Problem {
    SessionError::from(error).into()
}
