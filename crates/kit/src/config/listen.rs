//! The addresses and ports that a process listens on.

use std::net::{IpAddr, TcpListener};

use clap::Args;

use super::{Problems, addresses::MAX_OFFSET};

/// The default of `BIND`. Browsers look for `*.localhost` at both addresses, so a
/// program at the other one would receive their requests.
const LOOPBACK: &str = "127.0.0.1,::1";

/// Flags and environment for where a process listens.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    /// Addresses to listen on, comma-separated [in a container: 0.0.0.0]
    #[arg(long, env = "BIND", default_value = LOOPBACK, value_name = "IP,…")]
    pub bind: String,
    /// Adds N to the ports that this process listens on, but not to those in links (a second replica: 100)
    #[arg(long, env = "LISTEN_OFFSET", default_value = "0", value_name = "N")]
    pub listen_offset: String,
    /// Serves /metrics on this port instead of the site's own. PORT_OFFSET and LISTEN_OFFSET move it too. With several sites in one process, this is the first site's metrics port, and the other ones differ from it as the ports of the sites differ
    #[arg(long, env = "METRICS_PORT", value_name = "PORT")]
    pub metrics_port: Option<String>,
}

/// Where a process listens.
#[derive(Clone, Debug, Default)]
pub struct Listen {
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// Loopback addresses of `BIND` that this machine does not have.
    pub missing: Vec<IpAddr>,
    /// Added to the port of each site.
    pub offset: u16,
    /// The first site's port of `/metrics`, if it is not the HTTP port.
    pub metrics_port: Option<u16>,
}

impl ListenArgs {
    /// Checks all settings. `port_offset` moves every port of the deployment. Errors
    /// are added to `problems`.
    pub(super) fn read(&self, port_offset: u16, problems: &mut Problems) -> Option<Listen> {
        let addresses = self.read_addresses(problems);
        let metrics_port = self.read_metrics_port(port_offset, problems);
        let offset: u16 = problems.parse("LISTEN_OFFSET", &self.listen_offset)?;
        if port_offset.saturating_add(offset) > MAX_OFFSET {
            let what = format_args!("at most {MAX_OFFSET} with PORT_OFFSET: ports end at 65535");
            problems.add("LISTEN_OFFSET", what);
            return None;
        }
        let (addresses, missing) = addresses?;
        Some(Listen {
            addresses,
            missing,
            offset,
            metrics_port,
        })
    }

    /// The addresses of `BIND` that this machine has, and the loopback addresses that it
    /// does not have.
    fn read_addresses(&self, problems: &mut Problems) -> Option<(Vec<IpAddr>, Vec<IpAddr>)> {
        let given = match self.bind.trim() {
            "" => LOOPBACK,
            given => given,
        };
        let read = given
            .split(',')
            .map(|one| problems.parse("BIND", one.trim()));
        // Reads all addresses, so that the errors name every wrong one.
        let read: Vec<Option<IpAddr>> = read.collect();
        let named: Vec<IpAddr> = read.into_iter().collect::<Option<_>>()?;
        if named.len() > 1 && named.iter().any(IpAddr::is_unspecified) {
            let what = format_args!(
                "{given:?}: 0.0.0.0 and :: exclude other addresses (:: accepts IPv4 too)"
            );
            problems.add("BIND", what);
            return None;
        }
        let is_here = |ip: &IpAddr| !ip.is_loopback() || TcpListener::bind((*ip, 0)).is_ok();
        let (here, missing): (Vec<_>, Vec<_>) = named.into_iter().partition(is_here);
        if here.is_empty() {
            let what = format_args!("{given:?}: this machine has none of these addresses");
            problems.add("BIND", what);
            return None;
        }
        Some((here, missing))
    }

    fn read_metrics_port(&self, port_offset: u16, problems: &mut Problems) -> Option<u16> {
        let given = self.metrics_port.as_deref();
        let given = given.filter(|given| !given.is_empty())?;
        let port: u16 = problems.parse("METRICS_PORT", given)?;
        let moved = port.checked_add(port_offset).filter(|_| port > 0);
        if moved.is_none() {
            problems.add("METRICS_PORT", "from 1 to 65535, with PORT_OFFSET added");
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ListenArgs {
        ListenArgs {
            bind: String::new(),
            listen_offset: "0".to_owned(),
            metrics_port: None,
        }
    }

    fn read(args: &ListenArgs, port_offset: u16) -> Option<Listen> {
        let mut problems = Problems::new();
        let listen = args.read(port_offset, &mut problems);
        listen.filter(|_| problems.is_empty())
    }

    #[test]
    fn both_loopback_addresses_are_the_default_and_a_missing_one_is_left_out() {
        let bind = |bind: &str| {
            let args = ListenArgs {
                bind: bind.to_owned(),
                ..args()
            };
            read(&args, 0)
        };
        let both: [IpAddr; 2] = ["127.0.0.1", "::1"].map(|ip| ip.parse().unwrap());
        let is_here = |ip: &&IpAddr| TcpListener::bind((**ip, 0)).is_ok();
        let count = both.iter().filter(is_here).count();
        for given in ["", LOOPBACK, "127.0.0.1, ::1"] {
            let listen = bind(given).unwrap();
            assert_eq!(listen.addresses.len(), count);
            assert_eq!(listen.missing.len(), 2 - count);
        }
        let one = bind("127.0.0.1").unwrap();
        assert_eq!(one.addresses, both[..1]);
        assert!(bind("0.0.0.0").is_some());
        for wrong in ["localhost", "127.0.0.1,", "0.0.0.0,::", "::1,0.0.0.0"] {
            assert!(bind(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_metrics_port_moves_with_the_others() {
        let port = |given: Option<&str>, port_offset| {
            let args = ListenArgs {
                metrics_port: given.map(ToOwned::to_owned),
                ..args()
            };
            read(&args, port_offset).map(|listen| listen.metrics_port)
        };
        assert_eq!(port(None, 0), Some(None));
        assert_eq!(port(Some(""), 0), Some(None));
        assert_eq!(port(Some("9100"), 0), Some(Some(9100)));
        assert_eq!(port(Some("9100"), 1000), Some(Some(10_100)));
        for wrong in ["0", "65536", "x"] {
            assert_eq!(port(Some(wrong), 0), None, "{wrong}");
        }
    }

    #[test]
    fn both_offsets_together_leave_every_port_in_range() {
        let offset = |listen_offset: &str, port_offset| {
            let args = ListenArgs {
                listen_offset: listen_offset.to_owned(),
                ..args()
            };
            read(&args, port_offset).map(|listen| listen.offset)
        };
        assert_eq!(offset("100", MAX_OFFSET - 100), Some(100));
        assert_eq!(offset("101", MAX_OFFSET - 100), None);
        assert_eq!(offset("-1", 0), None);
    }
}
