//! HEAD is GET without the content (RFC 9110 §9.3.2), and a path has one
//! spelling (RFC 3986 §6.2.2), at every service.

use kit::config::Site;
use reqwest::Method;
use testkit::Platform;

/// What is there for everybody, by GET.
const PATHS: [(Site, &str); 16] = [
    (Site::Lab, "/"),
    (Site::Spa, "/"),
    (Site::Evil, "/"),
    (Site::Idp, "/"),
    (Site::Idp, "/.well-known/openid-configuration"),
    (Site::Idp, "/.well-known/oauth-authorization-server"),
    (Site::Idp, "/jwks"),
    (Site::Idp, "/account"),
    (Site::App1, "/"),
    (Site::App1, "/login"),
    (Site::App1, "/session"),
    (Site::App1, "/docs"),
    (Site::App2, "/openapi.json"),
    (Site::App2, "/api2/data"),
    (Site::Api1, "/docs"),
    (Site::Api2, "/resource"),
];

#[tokio::test(flavor = "multi_thread")]
async fn rfc9110_9_3_2_every_service_answers_head_as_get_without_a_body() {
    let platform = Platform::start().await;
    let plumbing = Site::ALL
        .into_iter()
        .flat_map(|site| ["/healthz", "/readyz", "/metrics"].map(|path| (site, path)));
    for (site, path) in PATHS.into_iter().chain(plumbing) {
        let url = format!("{}{path}", platform.url(site));
        let mut cli = platform.cli();
        let get = cli.raw(Method::GET, &url, &[], "").await;
        let head = cli.raw(Method::HEAD, &url, &[], "").await;
        assert_eq!(head.status, get.status, "{url}");
        assert_eq!(head.body, "", "{url}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc3986_6_2_2_no_service_accepts_another_spelling_of_a_path() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    for site in Site::ALL {
        for path in ["/%6Detrics", "/%72eadyz", "/metric%73", "/%256Detrics"] {
            let url = format!("{}{path}", platform.url(site));
            let answer = cli.raw(Method::GET, &url, &[], "").await;
            assert_eq!(answer.status, 400, "{url}: {}", answer.body);
        }
    }
}
