//! The proxy path without a session, for benchmarks. Only with the feature `bench`.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Bytes, ServiceConfig},
};
use http::Method;
use kit::{config::Problems, net::Trust};
use web_kit::problem::Problem;

use super::{UpstreamUrls, Upstreams, api1::pass_on, headers::to_api, http1::Call};

/// The proxy to API-1.
#[derive(Clone, Debug)]
pub struct ProxyAlone(UpstreamUrls);

impl ProxyAlone {
    /// To the API at `api1_url`.
    pub fn to(api1_url: &str) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        // Never called.
        let api2_url = "http://127.0.0.1:9";
        UpstreamUrls::read((api1_url, api2_url), &Trust::default(), None, &mut problems)
            .map(Self)
            .ok_or(problems)
    }

    /// `GET /api1/data`, without authentication.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        cfg.app_data(web::Data::new(Upstreams::new(&self.0)))
            .route("/api1/data", web::get().to(relay));
    }
}

async fn relay(req: HttpRequest, upstreams: web::Data<Upstreams>) -> Result<HttpResponse, Problem> {
    let make = || Call {
        method: Method::GET,
        uri: upstreams.api1.paths.orders.uri.clone(),
        headers: to_api(&req),
        body: Bytes::new(),
    };
    pass_on(upstreams.api1.connections.call(&make).await?)
}
