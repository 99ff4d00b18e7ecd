//! The addresses at which this process reaches its own services.

use std::net::SocketAddr;

use kit::config::{Common, Site};

/// The HTTP address at which this process reaches its own `site`, whatever address
/// browsers see.
pub(crate) fn local_url(common: &Common, site: Site) -> String {
    url_of_port(
        common.addresses.own_scheme(),
        common,
        common.addresses.port(site),
    )
}

/// The same for mTLS, if the site has it, and the port's certificate is for names of this
/// machine. Otherwise its public address is used.
pub(crate) fn local_mtls_url(common: &Common, site: Site) -> Option<String> {
    common.mtls.as_ref().filter(|mtls| mtls.is_of_lab())?;
    let port = common.addresses.mtls_port(site)?;
    Some(url_of_port("https", common, port))
}

/// The same for gRPC, if the site has it.
pub(crate) fn local_grpc_url(common: &Common, site: Site) -> Option<String> {
    let port = common.addresses.grpc_port(site)?;
    Some(url_of_port(common.addresses.own_scheme(), common, port))
}

fn url_of_port(scheme: &str, common: &Common, port: u16) -> String {
    let port = port.saturating_add(common.listen.offset);
    // The certificates have both names (`kit::tls::Certificates`).
    match common.listen.addresses.first() {
        Some(ip) if !ip.is_unspecified() => format!("{scheme}://{}", SocketAddr::new(*ip, port)),
        _ => format!("{scheme}://localhost:{port}"),
    }
}
