//! The settings that all binaries share.

use std::{
    net::{IpAddr, TcpListener},
    ops::RangeInclusive,
    path::PathBuf,
};

use clap::{Args, builder::FalseyValueParser};

use super::{Addresses, Problems, RedisArgs, Sites, Weakness, Weaknesses};
use crate::{
    net::{Trust, TrustArgs},
    shutdown::Drain,
    state_dir::StateDir,
};

/// The most that ports are moved.
const MAX_OFFSET: u16 = 50_000;
/// Where browsers look for `*.localhost`: either of both. Whoever has the other
/// one would be shown in our place.
const LOOPBACK: &str = "127.0.0.1,::1";
/// A list of trusted proxies that trusts everybody.
const ANYBODY: &str = "0.0.0.0/0,::/0";

/// A budget of KiB is in bytes so many.
const KIB: u64 = 1024;
/// What logins under way may take of the store, in KiB.
const LOGIN_BUDGETS: RangeInclusive<u64> = 256..=1024 * 1024;
/// The least of it for one address, in KiB: a few logins.
const LEAST_PER_ADDRESS: u64 = 16;

/// What logins under way may take of the store, in bytes. A login is under way
/// until its user has signed in; anybody can begin one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginBudget {
    /// All of them.
    pub in_all: u64,
    /// Those of one address.
    pub per_address: u64,
}

impl Default for LoginBudget {
    fn default() -> Self {
        Self {
            in_all: 1024 * KIB,
            per_address: 256 * KIB,
        }
    }
}

/// Flags and environment of every binary; each service's own come beside them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common settings")]
pub struct CommonArgs {
    /// Addresses to listen on, comma-separated [in a container: 0.0.0.0]
    #[arg(long, env = "BIND", default_value = LOOPBACK, value_name = "IP,…")]
    pub bind: String,
    /// Moves every port by N; issuer, redirect URIs and links follow
    #[arg(long, env = "PORT_OFFSET", default_value = "0", value_name = "N")]
    pub port_offset: String,
    /// Moves only the ports that this process listens on, no link (a second replica: 100)
    #[arg(long, env = "LISTEN_OFFSET", default_value = "0", value_name = "N")]
    pub listen_offset: String,
    /// Answers /metrics on this port and no longer on the site's own. It moves with the others; of several sites in one process the first has it, each other is as far from it as their own ports are
    #[arg(long, env = "METRICS_PORT", value_name = "PORT")]
    pub metrics_port: Option<String>,
    /// Host names become <service>.DOMAIN
    #[arg(
        long,
        env = "DOMAIN",
        default_value = "localhost",
        value_name = "DOMAIN"
    )]
    pub domain: String,
    /// Scheme that browsers see: http (for localhost alone) or https
    #[arg(
        long,
        env = "PUBLIC_SCHEME",
        default_value = "http",
        value_name = "SCHEME"
    )]
    pub public_scheme: String,
    /// Sites that this deployment has; pages name no other
    #[arg(long, env = "SITES", default_value = Sites::LABELS, value_name = "SITE,…")]
    pub sites: String,
    /// The shared store.
    #[command(flatten)]
    pub redis: RedisArgs,
    /// Whom outgoing https trusts.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Keeps sealing and signing keys between runs; without it they last as long as the process
    #[arg(long, env = "STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Proxies whose forwarding header counts, as addresses or CIDRs, comma-separated
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        default_value = "",
        value_name = "CIDR,…"
    )]
    pub trusted_proxies: String,
    /// Header in which the trusted proxies name the client: X-Forwarded-For or Forwarded (RFC 7239); the other one is ignored
    #[arg(
        long,
        env = "FORWARDING_HEADER",
        default_value = "X-Forwarded-For",
        value_name = "NAME"
    )]
    pub forwarding_header: String,
    /// KiB of the store that logins under way may take at the provider and at each app: what people leave there before they have signed in
    #[arg(long, env = "LOGIN_BUDGET", default_value = "1024", value_name = "KIB")]
    pub login_budget: String,
    /// KiB of it for one IPv4 address or IPv6 /64, at most a quarter; beyond, its own oldest logins go
    #[arg(
        long,
        env = "LOGIN_BUDGET_PER_ADDRESS",
        default_value = "256",
        value_name = "KIB"
    )]
    pub login_budget_per_address: String,
    /// Worker threads of each HTTP service
    #[arg(long, env = "WORKERS", default_value = "2", value_name = "N")]
    pub workers: String,
    /// Log lines as text or json (RUST_LOG says which)
    #[arg(
        long,
        env = "LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: String,
    /// How long a draining server still takes connections while /readyz says 503, so that balancers notice; from 500ms on no caller is cut off, at most 60s [in a cluster: 5s]
    #[arg(
        long,
        env = "DRAIN_NOTICE",
        default_value = "500ms",
        value_name = "TIME"
    )]
    pub drain_notice: String,
    /// How long open requests get to end after that, from 1s to 300s
    #[arg(
        long,
        env = "DRAIN_TIMEOUT",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub drain_timeout: String,
    /// This is a lab, where defences may be switched off; never in production
    #[arg(long, env = "LAB", value_parser = FalseyValueParser::new())]
    pub lab: bool,
    /// Takes the demo's secrets and passwords outside localhost too, though everybody knows them
    #[arg(long, env = "DEMO_CREDENTIALS", value_parser = FalseyValueParser::new())]
    pub demo_credentials: bool,
    /// Switches off a defence, to show the attack that it stops
    #[arg(
        long,
        env = "WEAKEN",
        value_delimiter = ',',
        value_name = "NAME",
        long_help = Weakness::help()
    )]
    pub weaken: Vec<String>,
}

/// [`CommonArgs`], read and found good.
#[derive(Clone, Debug)]
pub struct Common {
    /// Addresses to listen on.
    pub bind: Vec<IpAddr>,
    /// Loopback addresses that were to be listened on and that this machine
    /// does not have.
    pub lacking: Vec<IpAddr>,
    /// Where `/metrics` is answered, where that is not the site's own port.
    pub metrics_port: Option<u16>,
    /// Where everything is, as others see it.
    pub addresses: Addresses,
    /// Added to each port of `addresses` where this process listens.
    pub listen_offset: u16,
    /// Whom outgoing https trusts.
    pub trust: Trust,
    /// Where keys are kept.
    pub state_dir: StateDir,
    /// Raw list of trusted proxies; `web-kit` reads it.
    pub trusted_proxies: String,
    /// Name of the header that they write; `web-kit` reads it.
    pub forwarding_header: String,
    /// What logins under way may take of the store.
    pub login_budget: LoginBudget,
    /// Worker threads of each HTTP service.
    pub workers: usize,
    /// Whether log lines are JSON.
    pub log_json: bool,
    /// How long a drain takes.
    pub drain: Drain,
    /// Whether the demo's secrets and passwords are taken outside localhost.
    pub demo_credentials: bool,
    /// Defences that are switched off.
    pub weaknesses: Weaknesses,
    /// Whether anything may be started with it.
    pub(crate) usable: bool,
}

impl Common {
    /// Stands in where the common settings are wrong, so that what is wrong
    /// with a service's own is found all the same. No port is bound for it.
    pub fn unusable() -> Self {
        Self {
            bind: Vec::new(),
            lacking: Vec::new(),
            metrics_port: None,
            addresses: Addresses::default(),
            listen_offset: 0,
            trust: Trust::default(),
            state_dir: StateDir::default(),
            trusted_proxies: String::new(),
            forwarding_header: "X-Forwarded-For".to_owned(),
            login_budget: LoginBudget::default(),
            workers: 1,
            log_json: false,
            drain: Drain::default(),
            demo_credentials: false,
            weaknesses: Weaknesses::default(),
            usable: false,
        }
    }
}

impl CommonArgs {
    /// Checks everything; what is wrong goes to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<Common> {
        let bind = self.addresses_to_bind(problems);
        let offset: Option<u16> = problems.parse("PORT_OFFSET", &self.port_offset);
        let listen_offset = problems.parse("LISTEN_OFFSET", &self.listen_offset);
        if offset
            .unwrap_or(0)
            .saturating_add(listen_offset.unwrap_or(0))
            > MAX_OFFSET
        {
            problems.add(
                "PORT_OFFSET",
                format_args!("at most {MAX_OFFSET} with LISTEN_OFFSET: ports end at 65535"),
            );
            return None;
        }
        let metrics_port = self.metrics_port(offset.unwrap_or(0), problems);
        let login_budget = self.read_login_budget(problems);
        let workers = problems.parse("WORKERS", &self.workers);
        if workers.is_some_and(|workers: usize| !(1..=256).contains(&workers)) {
            problems.add("WORKERS", "from 1 to 256");
        }
        if !matches!(self.log_format.as_str(), "text" | "json") {
            problems.add(
                "LOG_FORMAT",
                format_args!("{:?}: text or json", self.log_format),
            );
        }
        let notice = problems.time("DRAIN_NOTICE", &self.drain_notice);
        let timeout = problems.time("DRAIN_TIMEOUT", &self.drain_timeout);
        let drain = notice.zip(timeout).map(|(notice, timeout)| {
            let drain = Drain { notice, timeout };
            drain.within_bounds(problems)
        });
        Self::check_names(&self.domain, &self.public_scheme, problems);
        let state_dir = StateDir::open(self.state_dir.clone());
        let state_dir = state_dir
            .map_err(|error| problems.add("STATE_DIR", error))
            .ok();
        let trust = self.trust.read(problems);
        let weaknesses = Weaknesses::read(&self.weaken, self.lab, problems);
        let trusted_proxies = if weaknesses.has(Weakness::TrustAnyProxy) {
            ANYBODY.to_owned()
        } else {
            self.trusted_proxies.clone()
        };
        let sites: Option<Sites> = match self.sites.trim() {
            "" => Some(Sites::default()),
            sites => problems.parse("SITES", sites),
        };
        let addresses = Addresses::new(&self.public_scheme, &self.domain, offset?);
        let (bind, lacking) = bind?;
        Some(Common {
            bind,
            lacking,
            metrics_port,
            addresses: addresses.of_sites(sites?),
            listen_offset: listen_offset?,
            trust: trust?,
            state_dir: state_dir?,
            trusted_proxies,
            forwarding_header: self.forwarding_header.clone(),
            login_budget: login_budget?,
            workers: workers?,
            log_json: self.log_format == "json",
            drain: drain?,
            demo_credentials: self.demo_credentials,
            weaknesses,
            usable: true,
        })
    }

    /// Those of `BIND` that this machine has, and the loopback addresses that it
    /// does not have.
    fn addresses_to_bind(&self, problems: &mut Problems) -> Option<(Vec<IpAddr>, Vec<IpAddr>)> {
        let given = match self.bind.trim() {
            "" => LOOPBACK,
            given => given,
        };
        let read = given
            .split(',')
            .map(|one| problems.parse("BIND", one.trim()));
        let read: Vec<Option<IpAddr>> = read.collect();
        let named: Vec<IpAddr> = read.into_iter().collect::<Option<_>>()?;
        if named.len() > 1 && named.iter().any(IpAddr::is_unspecified) {
            problems.add(
                "BIND",
                format_args!("{given:?}: 0.0.0.0 and :: stand alone (:: takes IPv4 too)"),
            );
            return None;
        }
        let is_here = |ip: &IpAddr| !ip.is_loopback() || TcpListener::bind((*ip, 0)).is_ok();
        let (here, lacking): (Vec<_>, Vec<_>) = named.into_iter().partition(is_here);
        if here.is_empty() {
            problems.add("BIND", format_args!("{given:?}: not on this machine"));
            return None;
        }
        Some((here, lacking))
    }

    /// The metrics port, moved with the others.
    fn metrics_port(&self, offset: u16, problems: &mut Problems) -> Option<u16> {
        let given = self
            .metrics_port
            .as_deref()
            .filter(|given| !given.is_empty())?;
        let port: u16 = problems.parse("METRICS_PORT", given)?;
        let moved = port.checked_add(offset).filter(|_| port > 0);
        if moved.is_none() {
            problems.add("METRICS_PORT", "from 1 to 65535, the offset included");
        }
        moved
    }

    fn read_login_budget(&self, problems: &mut Problems) -> Option<LoginBudget> {
        let in_all = problems.parse("LOGIN_BUDGET", &self.login_budget);
        let per_address =
            problems.parse("LOGIN_BUDGET_PER_ADDRESS", &self.login_budget_per_address);
        let (in_all, per_address): (u64, u64) = in_all.zip(per_address)?;
        if !LOGIN_BUDGETS.contains(&in_all) {
            let (least, most) = (LOGIN_BUDGETS.start(), LOGIN_BUDGETS.end());
            problems.add("LOGIN_BUDGET", format_args!("from {least} to {most} KiB"));
            return None;
        }
        if !(LEAST_PER_ADDRESS..=in_all / 4).contains(&per_address) {
            let most = in_all / 4;
            let what =
                format_args!("from {LEAST_PER_ADDRESS} to {most} KiB, a quarter of LOGIN_BUDGET");
            problems.add("LOGIN_BUDGET_PER_ADDRESS", what);
            return None;
        }
        Some(LoginBudget {
            in_all: in_all * KIB,
            per_address: per_address * KIB,
        })
    }

    /// Checks the domain and the scheme that browsers see.
    pub fn check_names(domain: &str, public_scheme: &str, problems: &mut Problems) {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if domain.len() > 200 || !domain.split('.').all(label) {
            problems.add(
                "DOMAIN",
                format_args!("{domain:?}: a host name in lower case"),
            );
        }
        match public_scheme {
            "https" => {}
            "http" if crate::net::is_localhost(domain) => {}
            "http" => problems.add(
                "PUBLIC_SCHEME",
                format_args!(
                    "http is refused for {domain:?}: cookies could not be Secure (localhost alone is excepted)"
                ),
            ),
            other => problems.add("PUBLIC_SCHEME", format_args!("{other:?}: http or https")),
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
    fn plain_http_is_refused_for_any_domain_but_localhosts() {
        assert!(read(&["--domain", "example.com"]).is_err());
        assert!(read(&["--domain", "example.com", "--public-scheme", "https"]).is_ok());
        assert!(read(&["--domain", "team.localhost"]).is_ok());
        assert!(read(&["--domain", "notlocalhost"]).is_err());
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
        assert_eq!(common.trusted_proxies, ANYBODY);
        let lab = read(&["--lab"]).unwrap();
        assert_eq!(lab.weaknesses, Weaknesses::default());
        assert_eq!(lab.trusted_proxies, "");
    }

    #[test]
    fn both_loopback_addresses_are_the_default_and_one_that_is_lacking_is_left_out() {
        let both: [IpAddr; 2] = ["127.0.0.1", "::1"].map(|ip| ip.parse().unwrap());
        let is_here = |ip: &&IpAddr| TcpListener::bind((**ip, 0)).is_ok();
        let count = both.iter().filter(is_here).count();
        for flags in [&[][..], &["--bind", ""], &["--bind", "127.0.0.1, ::1"]] {
            let common = read(flags).unwrap();
            assert_eq!(common.bind.len(), count);
            assert_eq!(common.lacking.len(), 2 - count);
        }
        let one = read(&["--bind", "127.0.0.1"]).unwrap();
        assert_eq!(one.bind, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert!(read(&["--bind", "0.0.0.0"]).is_ok());
        for wrong in ["localhost", "127.0.0.1,", "0.0.0.0,::", "::1,0.0.0.0"] {
            assert!(read(&["--bind", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_metrics_port_moves_with_the_others() {
        let port = |flags: &[&str]| read(flags).map(|common| common.metrics_port);
        assert_eq!(port(&[]), Ok(None));
        assert_eq!(port(&["--metrics-port", ""]), Ok(None));
        assert_eq!(port(&["--metrics-port", "9100"]), Ok(Some(9100)));
        let moved = ["--metrics-port", "9100", "--port-offset", "1000"];
        assert_eq!(port(&moved), Ok(Some(10_100)));
        for wrong in ["0", "65536", "x"] {
            assert!(port(&["--metrics-port", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_drains_times_are_bounded() {
        let drain = |notice, timeout| {
            let flags = ["--drain-notice", notice, "--drain-timeout", timeout];
            read(&flags).map(|common| common.drain)
        };
        assert_eq!(drain("500ms", "10s"), Ok(Drain::default()));
        for good in [("0s", "1s"), ("60s", "300s")] {
            assert!(drain(good.0, good.1).is_ok(), "{good:?}");
        }
        let lines = drain("61s", "999ms").unwrap_err();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(drain("5s", "301s").is_err());
        assert!(drain("soon", "10s").is_err());
    }

    #[test]
    fn a_login_budget_is_bounded_and_one_address_has_a_quarter_at_most() {
        let budget = |in_all, per_address| {
            let flags = [
                "--login-budget",
                in_all,
                "--login-budget-per-address",
                per_address,
            ];
            read(&flags).map(|common| common.login_budget)
        };
        assert_eq!(budget("1024", "256"), Ok(LoginBudget::default()));
        assert!(budget("256", "64").is_ok());
        for (in_all, per_address) in [
            ("255", "16"),
            ("1048577", "16"),
            ("256", "65"),
            ("256", "15"),
            ("1MiB", "16"),
        ] {
            let lines = budget(in_all, per_address).unwrap_err();
            assert_eq!(lines.len(), 1, "{lines:?}");
        }
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
        ]);
        let keys: Vec<_> = errors
            .unwrap_err()
            .iter()
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect();
        assert_eq!(
            keys,
            ["BIND", "PORT_OFFSET", "WORKERS", "DOMAIN", "PUBLIC_SCHEME"]
        );
    }
}
