//! `GET /openapi.json`: the API's description, which the page shows.

use utoipa::{
    OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, AuthorizationCode, Flow, OAuth2, Scopes, SecurityScheme},
    },
};

use token_verify::dpop;

use crate::{READ, WRITE, access, api_keys, http};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "API-1, orders",
        description = "A resource server: each call needs an access token for https://api-1, or an API key where \
                       the deployment has some. Authorize signs you in at the identity provider, and this page \
                       keeps the token until it is closed.",
        license(name = "Apache-2.0"),
    ),
    paths(http::list, http::place, http::report, access::whoami)
)]
struct Api;

/// The document, with the endpoints of the provider `issuer`.
pub(super) fn describe(issuer: &str) -> Document {
    let scopes = Scopes::from_iter([(READ, "See your orders"), (WRITE, "Place orders for you")]);
    let (authorize, token) = (format!("{issuer}/authorize"), format!("{issuer}/token"));
    let code = Flow::AuthorizationCode(AuthorizationCode::new(authorize, token, scopes));
    let scheme =
        OAuth2::with_description([code], "Authorization code with PKCE, as a public client.");
    let mut document = Api::openapi();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("oauth2", SecurityScheme::OAuth2(scheme));
    for (name, sent_in, what) in HEADERS {
        let header = ApiKeyValue::with_description(sent_in, what);
        components.add_security_scheme(name, SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
    document
}

/// The schemes whose credential is in a header of its own: name, header, description.
/// OpenAPI has no type of its own for a proof.
const HEADERS: [(&str, &str, &str); 2] = [
    (
        "dpop",
        dpop::HEADER,
        "A proof of the key that the access token is bound to (RFC 9449), made for this one request; the token \
         then comes as `Authorization: DPoP <token>`. A token that is not bound needs none.",
    ),
    (
        "api_key",
        api_keys::HEADER,
        "An API key, for programs without OAuth, in place of an access token. The API takes none unless its \
         operator has made some. A key has scopes too: https://api-1/read, https://api-1/write.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_api_is_described_behind_the_scope_that_it_asks_for() {
        let document = serde_json::to_value(describe("http://idp.localhost:8081")).unwrap();
        let scheme = &document["components"]["securitySchemes"]["oauth2"];
        let code = &scheme["flows"]["authorizationCode"];
        assert_eq!(
            code["authorizationUrl"],
            "http://idp.localhost:8081/authorize"
        );
        assert_eq!(code["tokenUrl"], "http://idp.localhost:8081/token");
        for (path, method, scope) in [
            ("/resource", "get", READ),
            ("/resource", "post", WRITE),
            ("/report", "get", READ),
        ] {
            let needs = &document["paths"][path][method]["security"][0]["oauth2"];
            assert_eq!(needs[0], scope, "{method} {path}");
            assert!(code["scopes"][scope].is_string());
        }
    }

    #[test]
    fn each_credential_is_a_security_scheme_and_every_route_names_those_that_it_takes() {
        let document = serde_json::to_value(describe("http://idp.localhost:8081")).unwrap();
        let schemes = document["components"]["securitySchemes"]
            .as_object()
            .unwrap();
        let mut named: Vec<_> = schemes.keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, ["api_key", "dpop", "oauth2"]);
        for (scheme, header) in [("api_key", "x-api-key"), ("dpop", "dpop")] {
            assert_eq!(schemes[scheme]["type"], "apiKey", "{scheme}");
            assert_eq!(schemes[scheme]["in"], "header", "{scheme}");
            let name = schemes[scheme]["name"].as_str().unwrap();
            assert_eq!(name.to_lowercase(), header);
        }
        let paths = document["paths"].as_object().unwrap();
        let mut known: Vec<_> = paths.keys().map(String::as_str).collect();
        known.sort_unstable();
        assert_eq!(known, ["/report", "/resource", "/whoami"]);
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().unwrap() {
                let alternatives = operation["security"].as_array().unwrap();
                let alternatives: Vec<Vec<_>> = alternatives
                    .iter()
                    .map(|one| {
                        one.as_object()
                            .unwrap()
                            .keys()
                            .map(String::as_str)
                            .collect()
                    })
                    .collect();
                // A proof comes with a token, never alone.
                let expected = [vec!["oauth2"], vec!["dpop", "oauth2"], vec!["api_key"]];
                assert_eq!(alternatives, expected, "{method} {path}");
            }
        }
    }
}
