//! Calls to the APIs on the user's behalf: API-1 over HTTP, API-2 over gRPC.
//! An access token replaces the browser's cookie, and only headers of an allow-list are
//! passed on.

#[cfg(feature = "bench")]
pub mod alone;
pub(crate) mod api1;
pub(crate) mod api2;
mod headers;
mod http1;
mod order;
mod problems;

use actix_web::HttpRequest;
use http::Uri;
use kit::{config::Problems, net::Trust};
use sso_proto::inventory::inventory_client::InventoryClient;
use tonic::transport::{Channel, Endpoint};
use web_kit::problem::Problem;

use self::http1::{Pooled, Target, UpstreamError};
use crate::{
    audiences::Audience, client_auth::MtlsPeers, credentials::Credential, sessions::Session,
    state::Bff,
};

/// The most bytes of a body, to an API and from it.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The clients of the APIs. Each worker has its own, so that a call stays on its thread.
pub(crate) struct Upstreams {
    api1: Api1,
    /// The same by mTLS, if the app has a certificate.
    api1_by_mtls: Option<Api1>,
    api2: InventoryClient<Channel>,
}

/// One of API-1's ports.
struct Api1 {
    connections: Pooled,
    paths: Api1Paths,
}

/// The address of one of API-1's ports, before there are connections.
#[derive(Clone, Debug)]
struct Api1Port {
    target: Target,
    paths: Api1Paths,
    /// The certificate authorities that verify it over https, and the certificate that the
    /// app presents.
    trust: Trust,
}

/// API-1's addresses.
#[derive(Clone, Debug)]
struct Api1Paths {
    orders: ApiPath,
    report: ApiPath,
    whoami: ApiPath,
}

/// A path of API-1.
#[derive(Clone, Debug)]
struct ApiPath {
    /// The path of the public URL, which proofs name.
    path: &'static str,
    /// The address to which the app sends calls.
    uri: Uri,
}

/// The APIs' addresses, checked.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamUrls {
    api1: Api1Port,
    api1_by_mtls: Option<Api1Port>,
    /// API-2's gRPC.
    api2: String,
    /// The certificate authorities that verify API-2 over https.
    trust: Trust,
}

impl UpstreamUrls {
    /// Checks all addresses; errors go to `problems`. `mtls`: API-1's mTLS port too.
    pub(crate) fn read(
        (api1, api2): (&str, &str),
        trust: &Trust,
        mtls: Option<&MtlsPeers>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let api1 = Api1Port::read("API1_URL", api1, trust, problems);
        let api1_by_mtls = match mtls {
            Some(MtlsPeers {
                api1_url, trust, ..
            }) => Api1Port::read("API1_MTLS_URL", api1_url, trust, problems).map(Some),
            None => Some(None),
        };
        // Each worker parses the address again and cannot report an error there.
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
            api1_by_mtls: api1_by_mtls?,
            api2: api2.to_owned(),
            trust: trust.clone(),
        })
        .filter(|_| good)
    }
}

/// Makes a call by `send` with the session's credential for `audience`, and returns the
/// answer. `send` also says whether the API gave out a new nonce for proofs. A call that
/// `is_refused` is sent once more with such a nonce (RFC 9449 §9), and once more with a new
/// access token: keys or clocks may have changed.
async fn with_credential<T>(
    bff: &Bff,
    req: &HttpRequest,
    session: &mut Session,
    audience: &'static Audience,
    send: impl AsyncFn(&Credential) -> Result<(T, bool), Problem>,
    is_refused: impl Fn(&T) -> bool,
) -> Result<T, Problem> {
    let credential = bff
        .sessions
        .credential(req, session, audience, None)
        .await?;
    let (answer, has_new_nonce) = send(&credential).await?;
    if !is_refused(&answer) {
        return Ok(answer);
    }
    // Boxed, so that a call that is accepted needs no room for this future.
    Box::pin(async {
        let mut answer = answer;
        if has_new_nonce {
            (answer, _) = send(&credential).await?;
        }
        if is_refused(&answer) && credential.token().is_some() {
            let rejected = Some(credential);
            let fresh = bff
                .sessions
                .credential(req, session, audience, rejected)
                .await?;
            (answer, _) = send(&fresh).await?;
        }
        Ok(answer)
    })
    .await
}

impl Api1Port {
    fn read(key: &str, url: &str, trust: &Trust, problems: &mut Problems) -> Option<Self> {
        let target: Target = problems.parse(key, url)?;
        Some(Self {
            paths: Api1Paths::at(key, &target, problems)?,
            target,
            trust: trust.clone(),
        })
    }

    fn open(&self) -> Api1 {
        Api1 {
            connections: Pooled::new(self.target.clone(), &self.trust),
            paths: self.paths.clone(),
        }
    }
}

impl Api1Paths {
    fn at(key: &str, api1: &Target, problems: &mut Problems) -> Option<Self> {
        let mut at = |path| {
            let uri = api1.uri(path);
            let uri = uri.map_err(|error| problems.add(key, error)).ok()?;
            Some(ApiPath { path, uri })
        };
        Some(Self {
            orders: at("/resource")?,
            report: at("/report")?,
            whoami: at("/whoami")?,
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
            api1: urls.api1.open(),
            api1_by_mtls: urls.api1_by_mtls.as_ref().map(Api1Port::open),
            api2,
        }
    }

    /// The port of API-1 that takes `credential`.
    fn api1(&self, credential: &Credential) -> Result<&Api1, UpstreamError> {
        if !credential.method.needs_certificate() {
            return Ok(&self.api1);
        }
        let none = || UpstreamError::Unreachable("the app has no certificate".to_owned());
        self.api1_by_mtls.as_ref().ok_or_else(none)
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
            let urls = UpstreamUrls::read((api1, api2), &Trust::default(), None, &mut problems);
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
