//! Calls to the APIs on the user's behalf: API-1 over HTTP, API-2 over gRPC.
//! The browser's cookie is replaced by an access token, and only headers of an
//! allow-list are passed on.

#[cfg(feature = "bench")]
pub mod alone;
pub(crate) mod api1;
pub(crate) mod api2;
mod headers;
mod http1;
mod order;
mod problems;

use http::Uri;
use kit::{config::Problems, net::Trust};
use sso_proto::inventory::inventory_client::InventoryClient;
use tonic::transport::{Channel, Endpoint};

use self::http1::{Pooled, Target};

/// The most bytes of a body, to an API and from it.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The clients of the APIs. Each worker has its own, so that no call changes threads.
pub(crate) struct Upstreams {
    api1: Pooled,
    paths: Api1Paths,
    api2: InventoryClient<Channel>,
}

/// API-1's addresses.
#[derive(Clone, Debug)]
struct Api1Paths {
    orders: Uri,
    report: Uri,
}

/// Where the APIs are, found valid.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamUrls {
    /// API-1's HTTP.
    api1: Target,
    paths: Api1Paths,
    /// API-2's gRPC.
    api2: String,
    /// The certificates that both are verified by, over https.
    trust: Trust,
}

impl UpstreamUrls {
    /// Checks both; what is wrong goes to `problems`.
    pub(crate) fn read(
        (api1, api2): (&str, &str),
        trust: &Trust,
        problems: &mut Problems,
    ) -> Option<Self> {
        let api1: Option<Target> = problems.parse("API1_URL", api1);
        let paths = api1.as_ref().and_then(|api1| Api1Paths::at(api1, problems));
        // Each worker parses it again, and would fail there.
        let is_http = ["http://", "https://"]
            .iter()
            .any(|scheme| api2.starts_with(scheme));
        let good = is_http && Endpoint::from_shared(api2.to_owned()).is_ok();
        if !good {
            problems.add(
                "API2_GRPC_URL",
                format_args!("{api2:?}: an http:// or https:// address is expected"),
            );
        }
        Some(Self {
            api1: api1?,
            paths: paths?,
            api2: api2.to_owned(),
            trust: trust.clone(),
        })
        .filter(|_| good)
    }
}

impl Api1Paths {
    fn at(api1: &Target, problems: &mut Problems) -> Option<Self> {
        let mut at = |path| {
            let uri = api1.uri(path);
            uri.map_err(|error| problems.add("API1_URL", error)).ok()
        };
        Some(Self {
            orders: at("/resource")?,
            report: at("/report")?,
        })
    }
}

impl Upstreams {
    /// Clients for this worker. Call it inside the worker's runtime.
    #[expect(
        clippy::expect_used,
        reason = "fails only for an address that UpstreamUrls::read refuses"
    )]
    pub(crate) fn new(urls: &UpstreamUrls) -> Self {
        let channel = urls.trust.grpc_channel(&urls.api2);
        let channel = channel.expect("a gRPC address");
        let api2 = InventoryClient::new(channel)
            .max_decoding_message_size(MAX_BODY)
            .max_encoding_message_size(MAX_BODY);
        Self {
            api1: Pooled::new(urls.api1.clone(), &urls.trust),
            paths: urls.paths.clone(),
            api2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn an_address_that_no_worker_could_call_is_refused_at_the_start() {
        const FINE: &str = "http://127.0.0.1:9";
        let read = |api1, api2| {
            let mut problems = Problems::new();
            let urls = UpstreamUrls::read((api1, api2), &Trust::default(), &mut problems);
            (urls, problems.lines().len())
        };
        let (urls, problems) = read(FINE, FINE);
        assert_eq!(problems, 0);
        Upstreams::new(&urls.unwrap());
        for wrong in [
            "https://",
            "api2",
            "http://",
            "http://b\u{fc}cher",
            "http://a b",
        ] {
            let (urls, problems) = read(FINE, wrong);
            assert!(urls.is_none() && problems == 1, "{wrong}");
        }
        assert_eq!(read("x", "x").1, 2, "both at once");
    }
}
