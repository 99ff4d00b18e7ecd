//! API-1's own documentation: a public client on the resource server's origin.

use kit::config::Site;
use reqwest::Method;
use testkit::Platform;

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_the_providers_endpoints_and_each_scope() {
    let platform = Platform::start().await;
    let url = format!("{}/openapi.json", platform.url(Site::Api1));
    let document = platform
        .cli()
        .raw(Method::GET, &url, &[], "")
        .await
        .json()
        .unwrap();
    let code = &document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"];
    let issuer = platform.issuer();
    assert_eq!(code["authorizationUrl"], format!("{issuer}/authorize"));
    assert_eq!(code["tokenUrl"], format!("{issuer}/token"));
    assert_eq!(
        document["paths"]["/resource"]["post"]["security"][0]["oauth2"][0],
        "https://api-1/write"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_have_a_strict_csp_echo_no_code_and_set_no_cookie() {
    let platform = Platform::start().await;
    let api1 = platform.url(Site::Api1);
    let mut cli = platform.cli();
    for (path, connect) in [
        (
            "/docs",
            format!("connect-src 'self' {};", platform.issuer()),
        ),
        (
            "/docs/oauth2-redirect.html?code=the-code",
            "connect-src 'self';".to_owned(),
        ),
    ] {
        let page = cli
            .raw(Method::GET, &format!("{api1}{path}"), &[], "")
            .await;
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains(&connect) && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(!page.body.contains("the-code") && page.header("set-cookie").is_none());
    }
    for path in [
        "/docs/ui/index.html",
        "/docs/ui/oauth2-redirect.html",
        "/docs/x",
    ] {
        let answer = cli
            .raw(Method::GET, &format!("{api1}{path}"), &[], "")
            .await;
        assert_eq!(answer.status, 404, "{path}");
    }
}
