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

/// The flag that moves the ports, with a space before it; empty where none are moved.
pub(crate) fn port_flag(addresses: &Addresses) -> String {
    let own = addresses.port(Site::Lab);
    match own.checked_sub(Addresses::default().port(Site::Lab)) {
        Some(offset @ 1..) => format!(" --port-offset {offset}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_moves_the_ports_as_this_deployment_does() {
        assert_eq!(port_flag(&Addresses::default()), "");
        let moved = Addresses::new("http", "localhost", 3500);
        assert_eq!(port_flag(&moved), " --port-offset 3500");
    }
}
