//! A call to API-1 and a new connection, by mTLS and without.

use kit::config::Site;

use super::{Args, Case, run as measure, text};
use crate::lab::Lab;

/// Measures, and keeps the figures.
pub async fn run(args: &Args) {
    let lab = Lab::start::<&str>(&[], str::to_owned).await;
    let bearer = lab.batch_token("https://api-1").await;
    let own = lab.certificate("batch-mtls");
    let bound = lab.bound_token("batch-mtls", &own).await;
    let (file, ca) = (lab.folder().join("own.pem"), lab.state().join("ca.pem"));
    std::fs::write(&file, own.certificate + own.key.as_str()).expect("a folder of our own");
    let (file, ca) = (text(&file), text(&ca));
    let plain = format!("{}/whoami", lab.url(Site::Api1));
    let by_tls = format!("{}/whoami", lab.mtls_url(Site::Api1));
    let both = vec![ca.clone(), file.clone(), file];
    let case = |name, what, url: &str, files: &[String], token: &str| Case {
        name,
        what,
        url: url.to_owned(),
        files: files.to_vec(),
        authorization: format!("Bearer {token}"),
        pid: lab.pid(),
    };
    let cases = [
        case(
            "a call without TLS, bearer token",
            "calls",
            &plain,
            &[],
            &bearer,
        ),
        case(
            "a call by mTLS, bearer token",
            "calls",
            &by_tls,
            &both,
            &bearer,
        ),
        case(
            "a call by mTLS, bound token",
            "calls",
            &by_tls,
            &both,
            &bound,
        ),
        case("a connection without TLS", "connects", &plain, &[], ""),
        case(
            "a connection with TLS, no client certificate",
            "connects",
            &by_tls,
            &both[..1],
            "",
        ),
        case("a connection with mTLS", "connects", &by_tls, &both, ""),
    ];
    measure("mtls", args, lab.profile(), &cases);
}
