//! The text that `sso-lab up` prints when all services are ready.

use std::time::Duration;

use kit::{
    config::{Common, Site, TlsSettings},
    tls::{CERTIFICATE_FILE, Certificates},
};

use crate::{inside::local_url, output};

/// The interval of the readiness checks.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `/readyz` answers 200 on each HTTP port.
pub async fn until_ready(common: &Common) {
    let client = common.trust.http_client();
    for site in Site::ALL {
        let url = format!("{}/readyz", local_url(common, site));
        while !is_ready(&client, &url).await {
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn is_ready(client: &reqwest::Client, url: &str) -> bool {
    client
        .get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}

/// Prints the URLs, and the demo's users if the provider's configuration is the built-in
/// one.
pub fn print(common: &Common, built_in: bool) {
    output::print(text(common, built_in));
}

fn text(common: &Common, built_in: bool) -> String {
    let addresses = &common.addresses;
    let line = |site: Site, what: &str| {
        let grpc = addresses.grpc_port(site);
        let mtls = addresses.mtls_port(site).filter(|_| common.mtls.is_some());
        let others = [("gRPC", grpc), ("mTLS", mtls)];
        let others = others
            .into_iter()
            .filter_map(|(name, port)| Some(format!("{name} {}", port?)));
        let others = others.collect::<Vec<_>>().join(", ");
        let others = if others.is_empty() {
            others
        } else {
            format!(" ({others})")
        };
        format!("  {:<34} {what}{others}\n", addresses.url(site))
    };
    let mut text = String::from("\nsso-lab is ready.\n\n");
    text += &line(Site::Lab, lab(common));
    text += &line(Site::App1, "App 1");
    text += &line(
        Site::App2,
        "App 2: after a sign-in at app 1 you are signed in here",
    );
    text += &line(Site::Idp, "Identity provider");
    text += &line(Site::Api1, "API-1, orders");
    text += &line(Site::Api2, "API-2, inventory");
    text += &line(Site::Spa, "Single-page app: tokens in the browser");
    text += &line(Site::Evil, "The attacker's site");
    if built_in {
        text += "\n  alice / wonderland   manager\n  bob / builder        clerk\n";
        if !addresses.is_localhost() {
            text += "\nEverybody knows these users, and the clients' secrets beside them: for\n\
                     more than a demo bring your own (--config FILE).\n";
        }
    }
    if let Some(tls) = &common.tls {
        text += &authority(common, tls);
    }
    text += "\nCtrl-C ends it.\n";
    text
}

/// What the lab is good for: it draws each step of a sign-in where it has the live diagram.
fn lab(common: &Common) -> &'static str {
    if common.lab.is_some() {
        "The lab: start here, and watch your own login"
    } else {
        "The lab: what runs where"
    }
}

/// Where the certificate of the lab's CA is.
fn authority(common: &Common, tls: &TlsSettings) -> String {
    match (&tls.certificates, common.state_dir.path(CERTIFICATE_FILE)) {
        (Certificates::Files { .. }, _) => String::new(),
        (Certificates::Issued(_), Some(path)) => {
            format!("\nCertificate authority: {}\n", path.display())
        }
        (Certificates::Issued(_), None) => "\nNothing keeps the certificate authority: \
             --state-dir DIR keeps it, as DIR/ca.pem, for browsers and clients to trust.\n"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn shown(flags: &[&str], built_in: bool) -> String {
        let mut cli = Cli::parse_from([&["sso-lab"], flags].concat());
        // As `up` does without --no-lab.
        cli.up.common.live_diagram.makes_secret = true;
        let common = cli
            .up
            .common
            .read(&mut kit::config::Problems::new())
            .unwrap();
        text(&common, built_in)
    }

    #[test]
    fn every_address_is_there_and_links_follow_the_flags() {
        let text = shown(&["--port-offset", "1000"], true);
        for url in [
            "http://app1.localhost:9082",
            "http://lab.localhost:9080",
            "http://spa.localhost:9086",
            "http://evil.localhost:9087",
            "(gRPC 10085)",
            "(gRPC 10081, mTLS 9481)",
            "API-1, orders (mTLS 9484)",
        ] {
            assert!(text.contains(url), "{url} in {text}");
        }
        assert!(text.contains("alice / wonderland"));
        assert!(!shown(&["--mtls", "off"], true).contains("mTLS"));
    }

    #[test]
    fn a_newcomer_is_led_to_the_live_diagram_first() {
        let text = shown(&[], true);
        let first = text.lines().find(|line| line.contains("http://")).unwrap();
        assert!(first.contains("http://lab.localhost:8080"), "{first}");
        assert!(first.contains("start here, and watch your own login"));
        assert_eq!(text.matches("start here").count(), 1);
        let public = ["--domain", "example.com", "--public-scheme", "https"];
        assert!(!shown(&public, true).contains("start here"));
    }

    #[test]
    fn under_a_public_domain_it_says_that_everybody_knows_the_demos_users() {
        let public = ["--domain", "example.com", "--public-scheme", "https"];
        assert!(shown(&public, true).contains("--config FILE"));
        assert!(!shown(&public, false).contains("--config FILE"));
        assert!(!shown(&[], true).contains("--config FILE"));
    }

    #[test]
    fn with_tls_it_says_where_the_certificate_authority_is() {
        let kept = tempfile::tempdir().unwrap();
        let dir = kept.path().display().to_string();
        let text = shown(&["--tls", "--state-dir", &dir], true);
        assert!(text.contains("https://app1.localhost:8082"), "{text}");
        assert!(text.contains(&format!("{dir}/ca.pem")), "{text}");
        assert!(shown(&["--tls"], true).contains("--state-dir DIR keeps it"));
        assert!(!shown(&[], true).contains("ertificate"));
    }

    #[test]
    fn the_demos_users_are_shown_only_where_they_count() {
        assert!(!shown(&[], false).contains("alice"));
    }
}
