//! `GET /openapi.json`: the API's description, which the page shows.

use utoipa::{
    OpenApi,
    openapi::{
        OpenApi as Document,
        security::{AuthorizationCode, Flow, OAuth2, Scopes, SecurityScheme},
    },
};

use crate::{READ, WRITE, http};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "API-1, orders",
        description = "A resource server: each call needs an access token for https://api-1. Authorize signs \
                       you in at the identity provider, and this page keeps the token until it is closed.",
        license(name = "Apache-2.0"),
    ),
    paths(http::list, http::place, http::report)
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
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("oauth2", SecurityScheme::OAuth2(scheme));
    document
}

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
}
