//! What an app does for the lab that controls it (`kit::lab_control`).

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use kit::{
    journey::{self, JourneyTag},
    lab_control::{self, Agent},
};
use serde_json::{Value, json};

use crate::{app::App, sessions::Sessions};

struct LabAgent {
    app: App,
    sessions: Arc<Sessions>,
}

/// From now on the lab may ask what `app` keeps for a journey, if this is a lab.
pub(crate) fn act(app: App, sessions: &Arc<Sessions>) {
    if let Some(control) = lab_control::of_service(app.service) {
        let sessions = Arc::clone(sessions);
        control.act_by(Arc::new(LabAgent { app, sessions }));
    }
}

impl Agent for LabAgent {
    fn inspect(&self, tag: JourneyTag) -> BoxFuture<'_, Value> {
        async move {
            let session = match journey::of_process() {
                Some(keys) => self.sessions.inspect(&keys, tag).await,
                None => Value::Null,
            };
            json!({ "service": self.app.service, "session": session })
        }
        .boxed()
    }
}
