//! One of the platform's processes, which can be started again as it was.

use std::path::PathBuf;

use kit::config::Site;

use super::ports::{binary, program};
use crate::Child;

/// A process, and how it is started.
pub(super) struct Member {
    recipe: Recipe,
    /// How often it was started.
    starts: usize,
    pub(super) child: Child,
}

/// How a process is started.
pub(super) struct Recipe {
    /// The binary.
    pub(super) program: &'static str,
    /// Which of its replicas.
    pub(super) name: String,
    pub(super) flags: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// Where its output goes.
    pub(super) folder: PathBuf,
    /// The port of loopback at which it says whether it is ready.
    pub(super) port: u16,
}

/// What the replica `number` of `site` is called.
pub(super) fn name(site: Site, number: u16) -> String {
    let program = program(site);
    if number == 1 {
        program.to_owned()
    } else {
        format!("{program}-{number}")
    }
}

impl Member {
    /// Starts it.
    pub(super) fn start(recipe: Recipe) -> Self {
        let child = recipe.spawn(1);
        Self {
            recipe,
            starts: 1,
            child,
        }
    }

    /// Ends it at once, if it still runs, and starts it again.
    pub(super) fn restart(&mut self) {
        if self.child.ended().is_none() {
            self.child.kill();
        }
        self.starts += 1;
        self.child = self.recipe.spawn(self.starts);
    }

    /// Where it says whether it is ready, whoever stands before it.
    pub(super) fn ready_url(&self) -> String {
        format!("http://127.0.0.1:{}/readyz", self.recipe.port)
    }
}

impl Recipe {
    fn spawn(&self, start: usize) -> Child {
        let log = self.folder.join(format!("{}.{start}.log", self.name));
        Child::spawn(&binary(self.program), &self.flags, &self.environment, log)
    }
}
