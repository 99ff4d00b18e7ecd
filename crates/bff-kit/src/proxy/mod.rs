//! Calls to the APIs on the user's behalf: API-1 over HTTP, API-2 over gRPC.
//! The browser's cookie becomes an access token here, and nothing of the
//! browser's but what a list allows goes further.

pub(crate) mod api1;
pub(crate) mod api2;
mod headers;
mod http1;
mod order;
mod trouble;

use std::rc::Rc;

use kit::config::Problems;
use sso_proto::inventory::inventory_client::InventoryClient;
use tonic::transport::Channel;

pub(crate) use http1::Pooled;
use http1::Upstream;

/// The most bytes of a body, to an API and from it.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The ways to the APIs. Each worker has its own, so that no call changes threads.
pub(crate) struct Upstreams {
    api1: Rc<dyn Upstream>,
    api2: Option<InventoryClient<Channel>>,
}

/// Where the APIs are.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamUrls {
    /// API-1's HTTP.
    pub(crate) api1: http1::Target,
    /// API-2's gRPC.
    pub(crate) api2: String,
}

impl UpstreamUrls {
    /// Checks both; what is wrong goes to `problems`.
    pub(crate) fn read(api1: &str, api2: &str, problems: &mut Problems) -> Option<Self> {
        let api1 = problems.parse("API1_URL", api1);
        let plain = api2.starts_with("http://");
        if !plain {
            problems.add(
                "API2_GRPC_URL",
                format_args!("{api2:?}: an http:// address is expected"),
            );
        }
        Some(Self {
            api1: api1?,
            api2: api2.to_owned(),
        })
        .filter(|_| plain)
    }
}

impl Upstreams {
    /// Ways for this worker. Call it inside the worker's runtime.
    pub(crate) fn new(urls: &UpstreamUrls) -> Self {
        let channel = kit::net::grpc_channel(&urls.api2);
        let api2 = channel
            .inspect_err(|error| tracing::error!("API2_GRPC_URL: {error}"))
            .ok();
        let api2 = api2.map(|channel| {
            InventoryClient::new(channel)
                .max_decoding_message_size(MAX_BODY)
                .max_encoding_message_size(MAX_BODY)
        });
        Self {
            api1: Rc::new(Pooled::new(urls.api1.clone())),
            api2,
        }
    }
}
