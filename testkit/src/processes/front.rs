//! Connections between services over TLS.

use kit::config::Site;

use super::{Processes, ports::loopback};
use crate::{Protocol, TlsFront};

fn host(site: Site) -> String {
    format!("{}.localhost", site.label())
}

impl Processes {
    /// A TLS front for the public ports, and the file with its CA.
    pub(super) async fn open_front(&self) -> TlsFront {
        let hosts = Site::ALL.map(host);
        let front = TlsFront::start(&hosts.each_ref().map(String::as_str)).await;
        for site in Site::ALL {
            let server = loopback(self.addresses.port(site));
            front.lead(&host(site), Protocol::Http, server);
            if let Some(port) = self.addresses.grpc_port(site) {
                front.lead(&host(site), Protocol::Grpc, loopback(port));
            }
        }
        std::fs::write(self.ca_file(), front.ca()).unwrap();
        front
    }

    /// The settings with which services reach each other through `front`.
    pub(super) fn over_tls(&self, front: &TlsFront) -> Vec<(String, String)> {
        let at = |site| front.url(&host(site));
        let connect = |site| {
            let public = format!("{}:{}", host(site), self.addresses.port(site));
            format!("{public}={}", at(site))
        };
        let ca = self.ca_file().display().to_string();
        let all = [
            ("CA_FILE", ca),
            ("IDP_INTERNAL_URL", at(Site::Idp)),
            ("IDP_GRPC_URL", at(Site::Idp)),
            ("API1_URL", at(Site::Api1)),
            ("API2_URL", at(Site::Api2)),
            ("API2_GRPC_URL", at(Site::Api2)),
            (
                "IDP_CONNECT",
                [Site::App1, Site::App2].map(connect).join(","),
            ),
        ];
        all.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
