//! The settings that all binaries share.

use std::path::PathBuf;

use clap::Args;

use super::{
    AddressArgs, Addresses, DrainArgs, Lab, LabArgs, Listen, ListenArgs, LoginBudget,
    LoginBudgetArgs, Mtls, MtlsArgs, Problems, RedisArgs, Sites, TlsArgs, TlsSettings, TrustArgs,
    Weakness, Weaknesses,
};
use crate::{
    clock::{Clock as _, SystemClock},
    net::Trust,
    random::OsRandom,
    shutdown::Drain,
    state_dir::StateDir,
};

/// A list of trusted proxies that contains every address.
const ANY_PROXY: &str = "0.0.0.0/0,::/0";
/// The default of `FORWARDING_HEADER`.
const FORWARDING_HEADER: &str = "X-Forwarded-For";

/// Flags and environment of every binary; each service adds its own.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common settings")]
pub struct CommonArgs {
    /// Where this process listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// The public addresses.
    #[command(flatten)]
    pub addresses: AddressArgs,
    /// Sites that this deployment has; pages link to no other
    #[arg(long, env = "SITES", default_value = Sites::LABELS, value_name = "SITE,…")]
    pub sites: String,
    /// The shared store.
    #[command(flatten)]
    pub redis: RedisArgs,
    /// The certificate authorities of outgoing TLS.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// The TLS of this process's own ports.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// The ports that ask clients for a certificate.
    #[command(flatten)]
    pub mtls: MtlsArgs,
    /// Directory of the sealing and signing keys, and of the lab's CA; without it, each start makes new ones
    #[arg(long, env = "STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Proxies whose forwarding header is accepted, as addresses or CIDRs, comma-separated
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        default_value = "",
        value_name = "CIDR,…"
    )]
    pub trusted_proxies: String,
    /// Header in which the trusted proxies name the client: X-Forwarded-For or Forwarded (RFC 7239); the other header is ignored
    #[arg(
        long,
        env = "FORWARDING_HEADER",
        default_value = FORWARDING_HEADER,
        value_name = "NAME"
    )]
    pub forwarding_header: String,
    /// The store's budget for logins in progress.
    #[command(flatten)]
    pub login_budget: LoginBudgetArgs,
    /// Worker threads of each HTTP service
    #[arg(long, env = "WORKERS", default_value = "2", value_name = "N")]
    pub workers: String,
    /// Format of log lines: text or json (RUST_LOG selects which lines)
    #[arg(
        long,
        env = "LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: String,
    /// The duration of a drain.
    #[command(flatten)]
    pub drain: DrainArgs,
    /// The live diagram.
    #[command(flatten)]
    pub live_diagram: LabArgs,
    /// Allows --weaken and LAB_SECRET, and marks the deployment as a lab; never use it in production
    #[arg(long, env = "LAB", value_parser = super::flag)]
    pub lab: bool,
    /// Accepts the published secrets and passwords of the demo outside localhost too
    #[arg(long, env = "DEMO_CREDENTIALS", value_parser = super::flag)]
    pub demo_credentials: bool,
    /// Switches off a defence, to show the attack that it prevents
    #[arg(
        long,
        env = "WEAKEN",
        value_delimiter = ',',
        value_name = "NAME",
        long_help = Weakness::help()
    )]
    pub weaken: Vec<String>,
}

/// The checked settings.
#[derive(Clone, Debug)]
pub struct Common {
    /// Where this process listens.
    pub listen: Listen,
    /// The public addresses of all sites.
    pub addresses: Addresses,
    /// The certificate authorities of outgoing TLS.
    pub trust: Trust,
    /// The TLS of this process's own ports, if they have it.
    pub tls: Option<TlsSettings>,
    /// The ports that ask clients for a certificate, if the deployment has them.
    pub mtls: Option<Mtls>,
    /// The directory of the keys.
    pub state_dir: StateDir,
    /// The list of trusted proxies, which `web-kit` parses.
    pub trusted_proxies: String,
    /// The name of their header, which `web-kit` parses.
    pub forwarding_header: String,
    /// The store's budget for logins in progress.
    pub login_budget: LoginBudget,
    /// Worker threads of each HTTP service.
    pub workers: usize,
    /// Whether log lines are JSON.
    pub log_json: bool,
    /// The duration of a drain.
    pub drain: Drain,
    /// Whether the demo's secrets and passwords are accepted outside localhost.
    pub demo_credentials: bool,
    /// Defences that are switched off.
    pub weaknesses: Weaknesses,
    /// The live diagram, if this process is a part of one.
    pub lab: Option<Lab>,
    /// Whether a program may start with these settings.
    pub(crate) usable: bool,
}

impl Common {
    /// Replaces invalid common settings, so that a service's own are checked and their
    /// errors reported too. No port is bound with these.
    pub fn unusable() -> Self {
        Self {
            listen: Listen::default(),
            addresses: Addresses::default(),
            trust: Trust::default(),
            tls: None,
            mtls: None,
            state_dir: StateDir::default(),
            trusted_proxies: String::new(),
            forwarding_header: FORWARDING_HEADER.to_owned(),
            login_budget: LoginBudget::default(),
            workers: 1,
            log_json: false,
            drain: Drain::default(),
            demo_credentials: false,
            weaknesses: Weaknesses::default(),
            lab: None,
            usable: false,
        }
    }
}

impl CommonArgs {
    /// Checks all settings. Errors are added to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<Common> {
        let addresses = self.addresses.read(problems);
        let port_offset = addresses.as_ref().map_or(0, Addresses::offset);
        let listen = self.listen.read(port_offset, problems);
        let sites = self.read_sites(problems);
        let login_budget = self.login_budget.read(problems);
        let workers = self.read_workers(problems);
        let log_json = self.read_log_format(problems);
        let drain = self.drain.read(problems);
        let state_dir = StateDir::open(self.state_dir.clone());
        let state_dir = state_dir.map_err(|error| problems.add("STATE_DIR", error));
        let lab = self.state_dir.as_deref().filter(|_| self.addresses.tls);
        let trust = self.trust.read_with(lab, problems);
        let tls = self.read_tls(state_dir.as_ref().ok(), problems);
        let mtls = self.mtls.read(tls.as_ref(), problems);
        // This process calls itself and its neighbours.
        let trust = match &tls {
            Some(tls) => {
                trust.map(|trust| trust.with_root(tls.certificates.authority().certificate()))
            }
            None => trust,
        };
        let weaknesses = super::weaken::read(&self.weaken, self.lab, problems);
        let live_diagram = addresses.as_ref().and_then(|addresses| {
            self.live_diagram
                .read(self.lab, addresses, &OsRandom, problems)
        });
        let trusted_proxies = if weaknesses.has(Weakness::TrustAnyProxy) {
            ANY_PROXY
        } else {
            self.trusted_proxies.as_str()
        };
        Some(Common {
            listen: listen?,
            addresses: addresses?.of_sites(sites?),
            trust: trust?,
            tls,
            mtls,
            state_dir: state_dir.ok()?,
            trusted_proxies: trusted_proxies.to_owned(),
            forwarding_header: self.forwarding_header.clone(),
            login_budget: login_budget?,
            workers: workers?,
            log_json: log_json?,
            drain: drain?,
            demo_credentials: self.demo_credentials,
            weaknesses,
            lab: live_diagram,
            usable: true,
        })
    }

    /// Settings that replace invalid ones, so that the services' own settings are checked
    /// and their errors reported too, with those that `web-kit` checks itself.
    pub fn unusable(&self) -> Common {
        Common {
            trusted_proxies: self.trusted_proxies.clone(),
            forwarding_header: self.forwarding_header.clone(),
            ..Common::unusable()
        }
    }

    fn read_tls(&self, dir: Option<&StateDir>, problems: &mut Problems) -> Option<TlsSettings> {
        // Clients check a certificate's dates by their system's clock.
        let now = SystemClock.now();
        let is_on = self.addresses.tls;
        self.tls.read(is_on, dir, now, &OsRandom, problems)
    }

    fn read_sites(&self, problems: &mut Problems) -> Option<Sites> {
        match self.sites.trim() {
            "" => Some(Sites::default()),
            sites => problems.parse("SITES", sites),
        }
    }

    fn read_workers(&self, problems: &mut Problems) -> Option<usize> {
        let workers: usize = problems.parse("WORKERS", &self.workers)?;
        if (1..=256).contains(&workers) {
            return Some(workers);
        }
        problems.add("WORKERS", format_args!("{workers}: from 1 to 256"));
        None
    }

    /// Whether log lines are JSON.
    fn read_log_format(&self, problems: &mut Problems) -> Option<bool> {
        match self.log_format.as_str() {
            "text" => Some(false),
            "json" => Some(true),
            other => {
                let what = format_args!("{other:?}: expected text or json");
                problems.add("LOG_FORMAT", what);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        common: CommonArgs,
    }

    fn read(flags: &[&str]) -> Result<Common, Vec<String>> {
        let program = Program::parse_from([&["program"], flags].concat());
        let mut problems = Problems::new();
        let common = program.common.read(&mut problems);
        if problems.is_empty() {
            Ok(common.unwrap())
        } else {
            Err(problems.lines().to_vec())
        }
    }

    #[test]
    fn defences_are_switched_off_in_a_lab_alone() {
        let weak = [
            "--weaken",
            "framable,get-orders",
            "--weaken",
            "trust-any-proxy",
        ];
        let lines = read(&weak).unwrap_err();
        assert_eq!(lines.len(), 3, "{lines:?}");
        let common = read(&[&["--lab"], weak.as_slice()].concat()).unwrap();
        assert!(common.weaknesses.has(Weakness::Framable));
        assert!(common.weaknesses.has(Weakness::GetOrders));
        assert!(!common.weaknesses.has(Weakness::SameSiteNone));
        assert_eq!(common.trusted_proxies, ANY_PROXY);
        let lab = read(&["--lab"]).unwrap();
        assert_eq!(lab.weaknesses, Weaknesses::default());
        assert_eq!(lab.trusted_proxies, "");
    }

    #[test]
    fn the_defaults_are_good_and_the_port_offset_moves_the_metrics_port() {
        let common = read(&[]).unwrap();
        assert_eq!(common.drain, Drain::default());
        assert_eq!(common.login_budget, LoginBudget::default());
        assert_eq!(common.listen.metrics_port, None);
        let moved = ["--metrics-port", "9100", "--port-offset", "1000"];
        assert_eq!(read(&moved).unwrap().listen.metrics_port, Some(10_100));
    }

    #[test]
    fn all_errors_at_once() {
        let errors = read(&[
            "--bind",
            "x",
            "--port-offset",
            "-",
            "--workers",
            "0",
            "--domain",
            "A",
            "--log-format",
            "xml",
            "--drain-notice",
            "soon",
        ]);
        let keys: Vec<_> = errors
            .unwrap_err()
            .iter()
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect();
        let expected = [
            "DOMAIN",
            "PUBLIC_SCHEME",
            "PORT_OFFSET",
            "BIND",
            "WORKERS",
            "LOG_FORMAT",
            "DRAIN_NOTICE",
        ];
        assert_eq!(keys, expected);
    }
}
