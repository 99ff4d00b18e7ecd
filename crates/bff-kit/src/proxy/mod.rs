//! Calls to the APIs on the user's behalf: API-1 over HTTP, API-2 over gRPC.
//! The browser's cookie becomes an access token here, and nothing of the
//! browser's but what a list allows goes further.

#[cfg(feature = "bench")]
pub mod alone;
pub(crate) mod api1;
pub(crate) mod api2;
mod headers;
mod http1;
mod order;
mod trouble;

use std::rc::Rc;

use kit::{config::Problems, net::Trust};
use sso_proto::inventory::inventory_client::InventoryClient;
use tonic::transport::{Channel, Endpoint};

pub(crate) use http1::Pooled;
use http1::Upstream;

/// The most bytes of a body, to an API and from it.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The ways to the APIs. Each worker has its own, so that no call changes threads.
pub(crate) struct Upstreams {
    api1: Rc<dyn Upstream>,
    api2: InventoryClient<Channel>,
}

/// Where the APIs are, found good.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamUrls {
    /// API-1's HTTP.
    api1: http1::Target,
    /// API-2's gRPC.
    api2: String,
    /// By whom both are trusted, where they are reached over https.
    trust: Trust,
}

impl UpstreamUrls {
    /// Checks both; what is wrong goes to `problems`.
    pub(crate) fn read(
        (api1, api2): (&str, &str),
        trust: &Trust,
        problems: &mut Problems,
    ) -> Option<Self> {
        let api1 = problems.parse("API1_URL", api1);
        // What is no endpoint here would be none in each worker.
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
            api2: api2.to_owned(),
            trust: trust.clone(),
        })
        .filter(|_| good)
    }
}

impl Upstreams {
    /// Ways for this worker. Call it inside the worker's runtime.
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
            api1: Rc::new(Pooled::new(urls.api1.clone(), &urls.trust)),
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
