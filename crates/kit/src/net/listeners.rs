//! The sockets that a service listens on.

use std::{io, net::TcpListener};

use crate::config::{Common, Problems, Site};

/// A service's sockets, bound before anything starts: a taken port is found at once.
#[derive(Debug)]
pub struct Listeners {
    /// HTTP.
    pub http: TcpListener,
    /// gRPC, where the service has it.
    pub grpc: Option<TcpListener>,
}

impl Listeners {
    /// Binds the ports of `site`; what is taken goes to `problems`.
    pub fn bind(common: &Common, site: Site, problems: &mut Problems) -> Option<Self> {
        if !common.usable {
            return None;
        }
        let mut bind = |port: u16| {
            let port = port.saturating_add(common.listen_offset);
            let bound = TcpListener::bind((common.bind, port));
            bound
                .map_err(|e| problems.add(format_args!("port {port} ({})", site.label()), why(&e)))
                .ok()
        };
        let http = bind(common.addresses.port(site));
        let grpc = common.addresses.grpc_port(site).map(bind);
        Some(Self {
            http: http?,
            grpc: grpc.map_or(Some(None), |bound| bound.map(Some))?,
        })
    }

    /// Any free ports of loopback, for tests.
    pub fn free(grpc: bool) -> io::Result<Self> {
        let any = || TcpListener::bind(("127.0.0.1", 0));
        Ok(Self {
            http: any()?,
            grpc: grpc.then(any).transpose()?,
        })
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "already taken; stop what listens there, or move every port with --port-offset N"
                .to_owned()
        }
        _ => error.to_string(),
    }
}
