//! What a test can do to processes that run.

use std::{path::PathBuf, time::Duration};

use kit::config::Site;

use super::{PATIENCE, Processes, member::name};
use crate::{Gate, RedisServer, Tap};

/// How often a state is looked at that is waited for.
const POLL: Duration = Duration::from_millis(20);

impl Processes {
    /// Ends the process `name` at once, as a crash would.
    pub fn kill(&mut self, name: &str) {
        self.child(name).kill();
    }

    /// The same for the replica `number` of `site`.
    pub fn kill_replica(&mut self, site: Site, number: u16) {
        self.kill(&name(site, number));
    }

    /// Starts the process `name` again as it was started first, and waits until
    /// it is ready. One that runs is killed before.
    pub async fn restart(&mut self, name: &str) {
        let member = self.member(name);
        member.restart();
        let url = member.ready_url();
        let http = kit::net::http_client();
        let ready = async {
            while !is_ready(&http, &url).await {
                self.no_child_has_ended();
                tokio::time::sleep(POLL).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, ready).await.is_ok();
        assert!(in_time, "{name}: {}", self.child(name).output());
    }

    /// Has the replica `number` of each of `sites` drain and end, all of them at
    /// once, and starts a successor of each at its place, as a restart of their
    /// deployments does. Returns when the balancers ([`super::Plan::probed`]) lead
    /// to all successors.
    pub async fn roll(&mut self, sites: &[Site], number: u16) {
        let names: Vec<_> = sites.iter().map(|site| name(*site, number)).collect();
        for name in &names {
            self.child(name).terminate();
        }
        for name in &names {
            let child = self.child(name);
            let ended = async {
                loop {
                    if let Some(status) = child.ended() {
                        break status;
                    }
                    tokio::time::sleep(POLL).await;
                }
            };
            let ended = tokio::time::timeout(PATIENCE, ended).await;
            let code = ended.ok().and_then(|status| status.code());
            assert_eq!(code, Some(0), "{name}: {}", child.output());
        }
        for name in &names {
            self.member(name).restart();
        }
        let there = async {
            for site in sites {
                while !self.is_in_rotation(*site, number) {
                    self.no_child_has_ended();
                    tokio::time::sleep(POLL).await;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await.is_ok();
        assert!(in_time, "{names:?} are not back: {:#?}", self.output());
    }

    /// Gives the IdP the built-in configuration with `changes`, each a text in it
    /// and what stands in its place. It counts from the IdP's next start on; the
    /// first has to be in [`super::Plan::idp_config`].
    pub fn configure_idp(&self, changes: &[(&str, &str)]) {
        let mut config = idp::settings::DEFAULT.to_owned();
        for (from, to) in changes {
            assert!(config.contains(from), "{from} is not in the configuration");
            config = config.replace(from, to);
        }
        std::fs::write(self.idp_config(), config).unwrap();
    }

    /// A file of the state directory that all of them share.
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("state").join(name)
    }

    /// The processes of the binary `program`, by name.
    pub fn replicas_of(&self, program: &str) -> Vec<String> {
        let is_its = |name: &&String| {
            let number = name.strip_prefix(program);
            number.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.members.keys().filter(is_its).cloned().collect()
    }

    /// The way from the BFFs to the IdP; each process has a door of its own name.
    pub fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("Plan::gated")
    }

    /// The way from all services to Redis.
    pub fn redis_tap(&self) -> &Tap {
        self.redis_tap.as_ref().expect("Plan::tapped_redis")
    }

    /// The store that they share, to end it and start it again.
    pub fn redis_mut(&mut self) -> &mut RedisServer {
        self.redis.as_mut().expect("no Plan::redis_url")
    }

    pub(super) fn no_child_has_ended(&mut self) {
        for (name, member) in &mut self.members {
            let killed = member.child.was_killed();
            if let Some(status) = member.child.ended().filter(|_| !killed) {
                panic!("{name} ended ({status}): {}", member.child.output());
            }
        }
    }
}

/// Whether the service that answers at `url` says that it is ready.
pub(super) async fn is_ready(http: &reqwest::Client, url: &str) -> bool {
    let answer = http.get(url).header("connection", "close").send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
