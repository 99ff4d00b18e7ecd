//! Faults that a test injects into running processes.

use std::{path::PathBuf, time::Duration};

use kit::config::Site;

use super::{PATIENCE, Processes, member::name};
use crate::{FaultProxy, RedisServer, WireTap};

/// Polling interval of waits.
const POLL: Duration = Duration::from_millis(20);

impl Processes {
    /// Kills the process `name`, as in a crash.
    pub fn kill(&mut self, name: &str) {
        self.child(name).kill();
    }

    /// Kills the replica `number` of `site`.
    pub fn kill_replica(&mut self, site: Site, number: u16) {
        self.kill(&name(site, number));
    }

    /// Starts the process `name` again, as it was first started, and waits until
    /// it is ready. Kills it first if it runs.
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

    /// Drains the replica `number` of each of `sites`, all at the same
    /// time, and starts a successor for each, as a restart of their
    /// deployments does. Returns when the balancers ([`super::Plan::probed`]) send
    /// connections to all successors.
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

    /// Configures the IdP with the built-in configuration and `changes`, each a text
    /// and its substitute. Takes effect at the IdP's next start; the
    /// first configuration must be in [`super::Plan::idp_config`].
    pub fn configure_idp(&self, changes: &[(&str, &str)]) {
        let mut config = idp::settings::DEFAULT.to_owned();
        for (from, to) in changes {
            assert!(config.contains(from), "{from} is not in the configuration");
            config = config.replace(from, to);
        }
        std::fs::write(self.idp_config(), config).unwrap();
    }

    /// A file in the shared state directory.
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

    /// The fault proxy between the BFFs and the IdP; each process has a port of its own name.
    pub fn fault_proxy(&self) -> &FaultProxy {
        self.fault_proxy.as_ref().expect("Plan::proxied_idp")
    }

    /// The wire tap between all services and Redis.
    pub fn redis_tap(&self) -> &WireTap {
        self.redis_tap.as_ref().expect("Plan::tapped_redis")
    }

    /// The shared store, to stop and restart it.
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

/// Whether the service at `url` reports that it is ready.
pub(super) async fn is_ready(http: &reqwest::Client, url: &str) -> bool {
    let answer = http.get(url).header("connection", "close").send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
