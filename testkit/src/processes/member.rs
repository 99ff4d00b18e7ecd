//! One of the platform's processes, which can be restarted unchanged.

use std::path::PathBuf;

use kit::config::Site;

use super::ports::{binary, program};
use crate::Child;

/// A process and its start parameters.
pub(super) struct Member {
    recipe: Recipe,
    /// The number of its starts.
    starts: usize,
    pub(super) child: Child,
}

/// The start parameters of a process.
pub(super) struct Recipe {
    /// The binary.
    pub(super) program: &'static str,
    /// The number of the replica.
    pub(super) name: String,
    pub(super) flags: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// The file of its output.
    pub(super) folder: PathBuf,
    /// The loopback port of its `/readyz`.
    pub(super) port: u16,
}

/// The name of the replica `number` of `site`.
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

    /// Kills it, if it runs, and starts it again.
    pub(super) fn restart(&mut self) {
        if self.child.ended().is_none() {
            self.child.kill();
        }
        self.starts += 1;
        self.child = self.recipe.spawn(self.starts);
    }

    /// The address of its `/readyz`, without a balancer.
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
