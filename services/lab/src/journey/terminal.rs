//! `GET /journey/terminal`: what a program sends, so that its requests are in the diagram of
//! this browser's journey.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use kit::{
    config::{Addresses, Site},
    journey::PASS_LIFE,
};
use serde::Serialize;
use web_kit::problem::Problem;

use super::LiveDiagram;

/// The sender of a program's requests, as the diagram names it.
const HOLDER: &str = "terminal";

#[derive(Serialize)]
struct Given {
    /// For a command of `sso-lab`.
    flag: String,
    /// For all commands of a terminal.
    variable: String,
    /// The same for curl.
    curl: String,
    /// For how many seconds it is good.
    seconds: i64,
}

pub(super) async fn terminal(
    req: HttpRequest,
    live: Data<LiveDiagram>,
) -> Result<HttpResponse, Problem> {
    let journey = live.journey(&req);
    let pass = journey.and_then(|journey| {
        let now = live.clock.now();
        live.keys.pass(&journey, HOLDER, None, now, &*live.random)
    });
    let pass = pass.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "No journey").detail("This browser is in no journey.")
    })?;
    let (parent, state) = pass.headers();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Given {
            flag: format!("--journey {pass}"),
            variable: format!("LAB_JOURNEY={pass}"),
            curl: format!("-H 'traceparent: {parent}' -H 'tracestate: {state}'"),
            seconds: PASS_LIFE,
        }))
}

/// The flags by which a command finds this deployment, each with a space before it; empty
/// for one at the default ports of localhost.
pub(crate) fn address_flags(addresses: &Addresses) -> String {
    let usual = Addresses::default();
    let mut flags = String::new();
    let own = addresses.port(Site::Lab);
    if let Some(offset @ 1..) = own.checked_sub(usual.port(Site::Lab)) {
        flags = format!(" --port-offset {offset}");
    }
    let (host, usual) = (addresses.host(Site::Lab), usual.host(Site::Lab));
    if host != usual
        && let Some((_, domain)) = host.split_once('.')
    {
        flags = format!("{flags} --domain {domain}");
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_lead_to_this_deployment() {
        assert_eq!(address_flags(&Addresses::default()), "");
        let moved = Addresses::new("http", "localhost", 3500);
        assert_eq!(address_flags(&moved), " --port-offset 3500");
        let second = Addresses::new("http", "two.localhost", 3500);
        let flags = " --port-offset 3500 --domain two.localhost";
        assert_eq!(address_flags(&second), flags);
    }
}
