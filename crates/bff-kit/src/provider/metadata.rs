//! The members of the provider's discovery document that the app reads (OIDC
//! Discovery §3).

use http::{HeaderValue, Method, StatusCode, header};
use oauth_types::{BadMember, Members};
use openidconnect::{HttpRequest, http};
use token_verify::issuer::DISCOVERY;
use url::Url;

use super::{Provider, ProviderError, optional};

/// The document.
pub(crate) struct Metadata {
    /// Where browsers sign in.
    pub(crate) authorization_endpoint: Url,
    /// The endpoint that redeems codes and refresh tokens.
    pub(super) token_endpoint: String,
    /// The same for clients with a certificate (RFC 8705 §5).
    pub(super) mtls_token_endpoint: Option<String>,
    /// RFC 9126 §5. Providers may lack this endpoint and the following ones.
    pub(super) pushed_authorization_request_endpoint: Option<String>,
    /// RFC 8414 §2.
    pub(super) revocation_endpoint: Option<String>,
    /// OIDC RP-Initiated Logout 1.0 §2.1.
    pub(super) end_session_endpoint: Option<String>,
    /// This project's provider only: a user's grants to a client.
    pub(super) grants_endpoint: Option<String>,
    /// RFC 9207 §3: authorization responses contain `iss`.
    pub(crate) iss_promised: bool,
}

impl Metadata {
    /// Reads the document `json`, which must be `issuer`'s (§4.3).
    fn read(json: &[u8], issuer: &str) -> Result<Self, String> {
        let document = Members::read(json).map_err(|bad| bad.to_string())?;
        let said = |bad: BadMember| bad.to_string();
        if document.needed("issuer").map_err(said)? != issuer {
            return Err("it is another issuer's: its member issuer differs".to_owned());
        }
        let needed = |name| document.needed(name).map(ToOwned::to_owned).map_err(said);
        // `Jwks` reads its value.
        needed("jwks_uri")?;
        let address = needed("authorization_endpoint")?;
        let perhaps = |name| endpoint("discovery", &document, name);
        Ok(Self {
            authorization_endpoint: web_address(&address)
                .ok_or("its member authorization_endpoint is no web address")?,
            token_endpoint: needed("token_endpoint")?,
            mtls_token_endpoint: alias(&document, "token_endpoint"),
            pushed_authorization_request_endpoint: perhaps("pushed_authorization_request_endpoint"),
            revocation_endpoint: perhaps("revocation_endpoint"),
            end_session_endpoint: perhaps("end_session_endpoint"),
            grants_endpoint: perhaps("grants_endpoint"),
            iss_promised: optional(
                "discovery",
                document.flag("authorization_response_iss_parameter_supported"),
            )
            .unwrap_or_default(),
        })
    }
}

fn web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// The endpoint `name` of `members`, the part `place` of the document. One that cannot be
/// read counts as missing and is logged by its name; the other ones stay usable.
fn endpoint(place: &str, members: &Members, name: &'static str) -> Option<String> {
    let text = optional(place, members.text(name))?;
    let is_web = web_address(text).is_some();
    if !is_web {
        dropped(place, name, "no web address");
    }
    is_web.then(|| text.to_owned())
}

fn dropped(place: &str, name: &str, what: &str) {
    tracing::warn!(
        "{place} of the identity provider: its member {name} is {what}; it counts as missing"
    );
}

/// The endpoint `name` for clients with a certificate (RFC 8705 §5).
fn alias(document: &Members, name: &'static str) -> Option<String> {
    const ALIASES: &str = "mtls_endpoint_aliases";
    let aliases = document.value(ALIASES)?;
    let Ok(aliases) = Members::of(aliases.clone()) else {
        dropped("discovery", ALIASES, "no object");
        return None;
    };
    endpoint(ALIASES, &aliases, name)
}

impl Provider {
    /// Fetches the provider's document (§4).
    pub(super) async fn ask_for_metadata(&self) -> Result<Metadata, ProviderError> {
        let url = self.settings.issuer.below(DISCOVERY);
        let invalid = |why: &dyn std::fmt::Display| {
            ProviderError::Invalid(format!("discovery at {url}: {why}"))
        };
        let mut request = HttpRequest::new(Vec::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url.parse().map_err(|e| invalid(&e))?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::ACCEPT, json);
        let answer = self.backchannel.send(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(invalid(&answer.status()));
        }
        Metadata::read(answer.body(), self.issuer()).map_err(|why| invalid(&why))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::log_lines::LogLines;

    const ISSUER: &str = "https://tenant.example.com/";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://tenant.example.com/authorize",
            "token_endpoint": "https://tenant.example.com/oauth/token",
            "jwks_uri": "https://tenant.example.com/jwks.json",
        })
    }

    fn read(changes: &Value) -> Result<Metadata, String> {
        let mut document = document();
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        Metadata::read(document.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn oidc_discovery_3_what_nobody_reads_may_have_any_shape() {
        let odd = json!({
            "response_types_supported": "code", "subject_types_supported": null,
            "id_token_signing_alg_values_supported": [1, "none", {}],
            "userinfo_endpoint": false, "scopes_supported": {"openid": true},
            "claims_parameter_supported": "maybe", "op_policy_uri": "not a url",
            "token_endpoint_auth_methods_supported": "any", "x-own": [[]],
        });
        let metadata = read(&odd).ok().unwrap();
        assert_eq!(
            metadata.token_endpoint,
            "https://tenant.example.com/oauth/token"
        );
        assert!(!metadata.iss_promised);
    }

    #[test]
    fn what_is_not_needed_and_odd_counts_as_left_out() {
        let odd = json!({
            "end_session_endpoint": 5, "revocation_endpoint": {}, "grants_endpoint": null,
            "authorization_response_iss_parameter_supported": "true",
            "pushed_authorization_request_endpoint": "https://tenant.example.com/par",
        });
        let metadata = read(&odd).ok().unwrap();
        assert!(metadata.iss_promised, "said in words");
        assert!(metadata.pushed_authorization_request_endpoint.is_some());
        let others = [
            metadata.end_session_endpoint,
            metadata.revocation_endpoint,
            metadata.grants_endpoint,
        ];
        assert!(others.iter().all(Option::is_none));
    }

    #[test]
    fn rfc8705_5_the_alias_of_the_token_endpoint_is_read_where_it_can_be() {
        let of = |aliases: Value| {
            let read = read(&json!({ "mtls_endpoint_aliases": aliases }));
            read.ok().unwrap().mtls_token_endpoint
        };
        let alias = "https://tenant.example.com:8481/token";
        assert_eq!(
            of(json!({ "token_endpoint": alias })).as_deref(),
            Some(alias)
        );
        for odd in [
            json!(null),
            json!([alias]),
            json!({"token_endpoint": 5}),
            json!({}),
        ] {
            assert_eq!(of(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn endpoints_that_are_dropped_are_logged_by_name_and_without_their_values() {
        let odd = json!({
            "end_session_endpoint": ["secret"], "revocation_endpoint": "javascript:secret\nx",
            "grants_endpoint": {"secret": 1}, "pushed_authorization_request_endpoint": "secret",
            "authorization_response_iss_parameter_supported": "secret",
        });
        let aliases = [
            (
                json!("secret"),
                "its member mtls_endpoint_aliases is no object",
            ),
            (
                json!({"token_endpoint": "secret"}),
                "mtls_endpoint_aliases of the identity provider: its member token_endpoint is no web address",
            ),
            (
                json!({"token_endpoint": 5}),
                "mtls_endpoint_aliases of the identity provider: its member token_endpoint is not",
            ),
        ];
        for (aliases, said) in aliases {
            let mut odd = odd.clone();
            odd["mtls_endpoint_aliases"] = aliases;
            let lines = LogLines::keep();
            assert!(read(&odd).is_ok());
            let text = lines.text();
            assert!(text.contains(said), "{said}: {text}");
            for name in odd.as_object().unwrap().keys() {
                let named = text.lines().filter(|line| line.contains(name.as_str()));
                assert_eq!(named.count(), 1, "{name}: {text}");
            }
            let all = text.lines();
            assert!(
                all.clone()
                    .all(|line| line.ends_with("it counts as missing"))
            );
            assert_eq!(all.count(), 6, "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
        let lines = LogLines::keep();
        assert!(read(&json!({"end_session_endpoint": null})).is_ok());
        assert_eq!(lines.text(), "", "what is missing is no fault");
    }

    #[test]
    fn oidc_discovery_4_3_the_issuer_is_compared_exactly_and_what_is_needed_is_named() {
        for (changes, named) in [
            (json!({"issuer": "https://tenant.example.com"}), "issuer"),
            (json!({"issuer": [ISSUER]}), "issuer"),
            (json!({"token_endpoint": 5}), "token_endpoint"),
            (json!({"jwks_uri": null}), "jwks_uri"),
            (
                json!({"authorization_endpoint": "javascript:x"}),
                "authorization_endpoint",
            ),
        ] {
            let why = read(&changes).err().unwrap();
            assert!(why.contains(&format!("member {named} ")), "{why}");
        }
        assert!(Metadata::read(b"[]", ISSUER).is_err());
    }

    #[test]
    fn fuzz_discovery_documents() {
        let mut whole = document();
        whole["mtls_endpoint_aliases"] =
            json!({"token_endpoint": "https://idp.example:8481/token"});
        whole["end_session_endpoint"] = json!("https://tenant.example.com/logout");
        whole["authorization_response_iss_parameter_supported"] = json!(true);
        let seeds = [whole.to_string(), document().to_string()];
        fuzz::run(&seeds, |bytes| match Metadata::read(bytes, ISSUER) {
            Ok(metadata) => {
                let scheme = metadata.authorization_endpoint.scheme();
                assert!(matches!(scheme, "http" | "https"), "{scheme}");
                assert!(!metadata.token_endpoint.is_empty());
                let document: Value = serde_json::from_slice(bytes).unwrap();
                assert_eq!(document["issuer"], ISSUER);
            }
            Err(why) => assert!(why.len() < 200, "{why}"),
        });
    }
}
