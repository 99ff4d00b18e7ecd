//! CORS (Fetch §3.2): which pages may read what from a script. The provider and
//! API-1 let public clients' pages do it, and nobody else does.

use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Platform, Response};

/// What CORS allows in an answer.
fn granted(answer: &Response) -> Vec<(String, String)> {
    let named = answer.headers.iter();
    named
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name.starts_with("access-control-allow-"))
        .collect()
}

async fn get(cli: &mut HeadlessBrowser, url: &str, origin: &str) -> Response {
    cli.raw(Method::GET, url, &[("origin", origin)], "").await
}

async fn preflight(
    cli: &mut HeadlessBrowser,
    url: &str,
    origin: &str,
    method: &str,
    headers: &str,
) -> Response {
    let asked = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", headers),
    ];
    cli.raw(Method::OPTIONS, url, &asked, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn api_1_answers_the_preflight_of_the_single_page_app() {
    let platform = Platform::start().await;
    let (api1, spa) = (platform.url(Site::Api1), platform.url(Site::Spa));
    let mut cli = platform.cli();
    for path in ["/resource", "/report", "/whoami"] {
        let url = format!("{api1}{path}");
        for method in ["GET", "POST"] {
            let wanted = "authorization,content-type";
            let answer = preflight(&mut cli, &url, &spa, method, wanted).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let header = |name: &str| answer.header(name).unwrap_or_default().to_lowercase();
            assert_eq!(header("access-control-allow-origin"), spa);
            assert!(header("access-control-allow-methods").contains(&method.to_lowercase()));
            for name in wanted.split(',') {
                assert!(header("access-control-allow-headers").contains(name));
            }
            assert_eq!(header("access-control-allow-credentials"), "");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_single_page_app_can_read_a_refusal_with_its_reason_and_trace_id() {
    let platform = Platform::start().await;
    let (api1, spa) = (platform.url(Site::Api1), platform.url(Site::Spa));
    let answer = get(&mut platform.cli(), &format!("{api1}/resource"), &spa).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), Some(&*spa));
    let exposed = answer.header("access-control-expose-headers");
    let exposed = exposed.unwrap_or_default().to_lowercase();
    assert!(exposed.contains("www-authenticate") && exposed.contains("trace-id"));
    assert!(
        answer
            .header("vary")
            .is_some_and(|vary| vary.to_lowercase().contains("origin"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_origin_is_allowed() {
    let platform = Platform::start().await;
    let (api1, idp) = (platform.url(Site::Api1), platform.issuer());
    let mut cli = platform.cli();
    let origins = [
        platform.url(Site::Evil),
        platform.url(Site::App1),
        platform.url(Site::Lab),
        platform.url(Site::Spa).replace("http:", "https:"),
        platform.url(Site::Spa).replace("spa.", "spa.evil."),
        "null".to_owned(),
    ];
    for origin in origins {
        for url in [format!("{api1}/resource"), format!("{idp}/userinfo")] {
            let answer = get(&mut cli, &url, &origin).await;
            assert_eq!(granted(&answer), [], "{origin} at {url}");
            let answer = preflight(&mut cli, &url, &origin, "GET", "authorization").await;
            assert_eq!(granted(&answer), [], "{origin} at {url}, preflight");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_public_clients_cors_allows_no_origin() {
    let platform = Platform::start().await;
    let spa = platform.url(Site::Spa);
    let mut cli = platform.cli();
    for (site, path) in [
        (Site::App1, "/api1/data"),
        (Site::App1, "/session"),
        (Site::App2, "/api2/data"),
        (Site::Api2, "/resource"),
        (Site::Api1, "/openapi.json"),
        (Site::Idp, "/authorize"),
        (Site::Lab, "/"),
        (Site::Spa, "/"),
    ] {
        let url = format!("{}{path}", platform.url(site));
        let answer = get(&mut cli, &url, &spa).await;
        assert_eq!(granted(&answer), [], "{url}");
        let answer = preflight(&mut cli, &url, &spa, "GET", "authorization").await;
        assert_eq!(granted(&answer), [], "{url}, preflight");
    }
}
