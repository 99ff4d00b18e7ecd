//! Mutual TLS (RFC 8705): the addresses for clients with a certificate, and bound tokens.

use kit::config::Site;
use testkit::{ClientAuth, UnverifiedClaims};

use super::{Scene, unused};
use crate::rfc8705_mtls::lab_certificate;

pub(super) const MEMBERS: &[&str] = &[
    "mtls_endpoint_aliases",
    "tls_client_certificate_bound_access_tokens",
];

/// The status of a request without credentials to the alias `member` of an endpoint.
const fn refused_with(member: &str) -> Option<u16> {
    match member.as_bytes() {
        b"token_endpoint"
        | b"userinfo_endpoint"
        | b"revocation_endpoint"
        | b"introspection_endpoint"
        | b"pushed_authorization_request_endpoint"
        | b"device_authorization_endpoint" => Some(401),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_5_every_alias_is_an_endpoint_of_the_mtls_port() {
    let scene = Scene::start("").await;
    let base = scene.platform.mtls_url(Site::Idp);
    let auth = ClientAuth::public("batch-mtls");
    let machine = scene.platform.mtls_machine(auth, None);
    let aliases = scene.metadata["mtls_endpoint_aliases"].as_object().unwrap();
    assert_eq!(aliases.len(), 6);
    for (member, alias) in aliases {
        let expected = refused_with(member);
        let expected = expected.unwrap_or_else(|| unused("mtls_endpoint_aliases", member));
        let path = alias.as_str().unwrap().strip_prefix(&base).unwrap();
        assert_eq!(scene.path(member), path, "{member}");
        let form = "application/x-www-form-urlencoded";
        let answer = machine.post_raw(path, form, String::new()).await;
        assert_eq!(answer.status, expected, "{member}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_3_3_tokens_are_bound_as_the_flag_says() {
    let scene = Scene::start("").await;
    let own = lab_certificate(&scene.platform, "batch-mtls");
    let auth = ClientAuth::public("batch-mtls");
    let machine = scene.platform.mtls_machine(auth, Some(&own));
    let form = [("grant_type", "client_credentials")];
    let token = machine.token(&form).await.granted().text("access_token");
    let is_bound = UnverifiedClaims::of(&token).claims["cnf"]["x5t#S256"] == own.thumbprint();
    let flag = &scene.metadata["tls_client_certificate_bound_access_tokens"];
    assert_eq!(*flag, is_bound);
}
